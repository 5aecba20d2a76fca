"""A scene, its ground truth and the classes that probes predict, as one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from scipy import ndimage
from torch import Tensor

from eval.metrics.accuracy import overall_accuracy
from eval.metrics.judgement import Judgement
from eval.results.words import amount_name, class_labels, class_marks
from eval.splits.split import Split
from simclr.data.scenes.scene import SceneSource
from simclr.files import write_atomically
from simclr.views.colours import PALETTE, scene_colours

UNLABELLED = "#ffffff"
UNKNOWN = "#000000"
PANEL_INCHES = 3.6


@mpl.rc_context({"text.parse_math": False})  # a class may be called $x$
def draw_scene_map(
    path: str | Path,
    source: SceneSource,
    split: Split,
    predicted: Mapping[str, Tensor],
    unknown: Sequence[int] = (),
    probe: str | None = None,
) -> None:
    """Draws a PNG: false colour, ground truth, and for each prediction its complete map and its map where labels exist.

    Probe, kind of split, number of labels and seed stand above.

    The training pixels are marked in the ground truth; accuracies are those of the test pixels alone. Unknown classes
    and rejected pixels are black; a rejected pixel is right where the class is unknown.

    Args:
        path: PNG file to write, whole or not at all.
        source: the scene, with labels.
        split: which pixels the probe was trained on.
        predicted: name -> (height, width) int64 classes, such as of :func:`predict_scene`; -1 = rejected.
        unknown: labels of the unknown classes.
        probe: what predicted, in words for the title.
    """
    labels = source.labels
    assert labels is not None
    truth = labels.reshape(source.height, source.width).numpy()
    rejected = len(source.class_names)
    expected = labels.where(~torch.isin(labels, torch.tensor(list(unknown), dtype=labels.dtype)), rejected)
    colours = ListedColormap([UNLABELLED, *(PALETTE[c % len(PALETTE)] for c in range(rejected)), UNKNOWN])
    columns = 1 + len(predicted)
    height = PANEL_INCHES * source.height / source.width
    entries = _legend(source.class_names, unknown)
    across = min(4 if columns > 2 else 3, len(entries))
    rows_of_legend = -(-len(entries) // across)
    legend_inches = 0.2 * rows_of_legend + 0.2
    figure = Figure(
        figsize=(PANEL_INCHES * columns, 2 * (height + 0.22) + legend_inches + 0.3), dpi=150, layout="constrained"
    )
    figure.suptitle(map_title(split, probe), fontsize=11)
    FigureCanvasAgg(figure)
    grid = figure.subplots(2, columns, squeeze=False)

    grid[0, 0].imshow(scene_colours(source.cube), interpolation="nearest")
    grid[0, 0].set_title("false colour", fontsize=10)
    shown = expected.reshape(truth.shape).numpy()
    _draw_classes(grid[1, 0], shown, colours, f"ground truth, {len(split.train)} training pixels (dots)")
    _mark_training(grid[1, 0], split, source.width)
    _mark_regions(grid[1, 0], truth, class_marks(source.class_names))
    for column, (name, classes) in enumerate(predicted.items(), start=1):
        classes = classes.where(classes >= 0, rejected)
        oa = overall_accuracy(Judgement(expected[split.test], classes.flatten()[split.test]))
        whole = classes.numpy()
        _draw_classes(grid[0, column], whole, colours, f"{name}: every pixel")
        _draw_classes(
            grid[1, column],
            np.where(truth >= 0, whole, -1),
            colours,
            f"{name}: {'open ' if unknown else ''}OA {100 * oa:.1f} % on test pixels",
        )
    for axes in grid.flat:
        axes.set_xticks([])
        axes.set_yticks([])
    figure.legend(
        handles=entries,
        loc="outside lower center",
        ncols=across,
        fontsize=9,
        frameon=False,
        handlelength=1.4,
        handleheight=1.1,
    )
    write_atomically(Path(path), lambda temporary: figure.savefig(temporary, format="png"))


def map_title(split: Split, probe: str | None) -> str:
    """What a map was predicted with."""
    amount = amount_name(split.shots, split.share)
    seed = None if split.seed is None else f"seed {split.seed}"
    return ", ".join(part for part in (probe, f"{split.name} split", amount, seed) if part)


def _draw_classes(axes: Axes, classes: np.ndarray, colours: ListedColormap, title: str) -> None:
    axes.imshow(classes + 1, cmap=colours, vmin=-0.5, vmax=colours.N - 0.5, interpolation="nearest")
    axes.set_title(title, fontsize=10)


def _mark_training(axes: Axes, split: Split, width: int) -> None:
    rows, columns = np.divmod(split.train.numpy(), width)
    axes.scatter(columns, rows, s=2.5, c="white", edgecolors="black", linewidths=0.4)


def _mark_regions(axes: Axes, truth: np.ndarray, marks: Sequence[str]) -> None:
    """Writes each class's mark into the widest place of its largest region, for eyes that cannot tell the colours."""
    for c in np.unique(truth[truth >= 0]):
        regions, count = ndimage.label(truth == c)
        largest = 1 + int(np.argmax(ndimage.sum_labels(truth == c, regions, range(1, count + 1))))
        inside = ndimage.distance_transform_edt(np.pad(regions == largest, 1))[1:-1, 1:-1]
        row, column = np.unravel_index(int(inside.argmax()), inside.shape)
        outline = [withStroke(linewidth=2, foreground="white")]
        axes.text(
            float(column),
            float(row),
            marks[c],
            ha="center",
            va="center",
            fontsize=8,
            weight="bold",
            path_effects=outline,
        )


def _legend(class_names: Sequence[str], unknown: Sequence[int]) -> list[Patch]:
    known = [c for c in range(len(class_names)) if c not in unknown]
    patches = [
        Patch(facecolor=PALETTE[c % len(PALETTE)], edgecolor="black", linewidth=0.5, label=class_labels(class_names)[c])
        for c in known
    ]
    if unknown:
        marks = ", ".join(class_marks(class_names)[c] for c in unknown)
        patches.append(Patch(facecolor=UNKNOWN, label=f"unknown ({marks}) or rejected"))
    return patches
