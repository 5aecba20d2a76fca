"""The picture of two sets: both in the plane in which they vary most, and the angles between their subspaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from simclr.eval.report.distance_grid import BETWEEN, NULL
from simclr.eval.report.figures import COLOURS
from simclr.eval.results.distance_record import DistanceResult, SetDistance
from simclr.eval.results.words import printable, representation_name
from simclr.eval.subject.set_features import SetView
from simclr.files import write_atomically

DRAWN = 500
"""Points of each set, at most: more of them hide each other."""
PANEL_INCHES = 3.1
_STYLE: dict[Any, Any] = {
    "text.parse_math": False,  # a file may be called $x$
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


@mpl.rc_context(_STYLE)
def draw_distance(
    path: Path, result: DistanceResult, views: Sequence[SetView], texts: Mapping[str, str] | None = None
) -> None:
    """Draws a PNG: above, both sets in their first two principal components; below, the principal angles.

    Args:
        path: PNG file to write, whole or not at all.
        result: what was found; a column for each row.
        views: of the same representations, in the same order.
        texts: text entries of the PNG.
    """
    across = len(views)
    figure = Figure(figsize=(max(2, across) * PANEL_INCHES, 2.1 * PANEL_INCHES), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(2, across, squeeze=False, height_ratios=(3, 2))
    for column, (row, view) in enumerate(zip(result.rows, views)):
        _draw_points(grid[0, column], view)
        grid[0, column].set_title(f"{representation_name(row.representation)}, {row.features:,} features")
        _draw_angles(grid[1, column], row)
    grid[1, 0].set_ylabel("principal angle, degrees")
    points, bars = grid[0, 0].get_legend_handles_labels(), grid[1, 0].get_legend_handles_labels()
    labels = [f"A: {printable(result.a.name)}", f"B: {printable(result.b.name)}"]
    figure.legend(
        [*points[0], *bars[0]], [*labels, *bars[1]], loc="outside lower center", ncols=2, frameon=False, markerscale=2
    )
    write_atomically(path, lambda temporary: figure.savefig(temporary, format="png", metadata=dict(texts or {})))


def _draw_points(axes: Axes, view: SetView) -> None:
    """Both sets on the same axes."""
    for points, colour, marker, name in ((view.a, COLOURS[0], "o", "A"), (view.b, COLOURS[1], "^", "B")):
        kept = points[np.linspace(0, len(points) - 1, min(DRAWN, len(points))).astype(int)]
        axes.scatter(kept[:, 0], kept[:, 1], s=9, alpha=0.45, color=colour, marker=marker, linewidths=0, label=name)
    axes.set_xlabel(f"component 1 ({100 * view.shares[0]:.0f} % of the variance)")
    axes.set_ylabel(f"component 2 ({100 * view.shares[1]:.0f} %)")
    axes.locator_params(nbins=4)


def _draw_angles(axes: Axes, row: SetDistance) -> None:
    """A bar for each angle of A and B, beside one of halves of A, with the spread over the splits."""
    for shift, found, name, look in ((-0.2, row.between, BETWEEN, 2), (0.2, row.null, NULL, 5)):
        places = np.arange(1, 1 + len(found.mean.angles))
        spread = None if found.sd is None else found.sd.angles
        axes.bar(
            places + shift,
            found.mean.angles,
            0.38,
            yerr=spread,
            color=COLOURS[look],
            error_kw={"elinewidth": 0.8},
            label=f"angles, {name}",
        )
    axes.set_ylim(0, 92)
    axes.set_yticks([0, 30, 60, 90])
    axes.set_xlabel("principal angle, by size" if row.between.mean.angles else "no angles: one feature")
    axes.set_xticks(np.arange(1, 1 + len(row.between.mean.angles)))
