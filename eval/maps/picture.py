"""A scene, its ground truth and the classes that probes predict, as one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

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

from simclr.data.scenes.scene import SceneSource
from simclr.eval.metrics.accuracy import overall_accuracy
from simclr.eval.metrics.judgement import Judgement
from simclr.eval.results.words import amount_name, class_labels, class_marks
from simclr.eval.splits.split import Split
from simclr.files import write_atomically
from simclr.views.colours import PALETTE, REJECTED_COLOUR, UNKNOWN_COLOUR, UNLABELLED_COLOUR, scene_colours

PANEL_INCHES = 3.6


class SceneMap(NamedTuple):
    """What was predicted of a scene with one split: name -> (height, width) int64 classes, -1 = rejected."""

    split: Split
    predicted: Mapping[str, Tensor]


@mpl.rc_context({"text.parse_math": False})  # a class may be called $x$
def draw_scene_map(
    path: str | Path,
    source: SceneSource,
    maps: Sequence[SceneMap],
    unknown: Sequence[int] = (),
    probe: str | None = None,
    texts: Mapping[str, str] | None = None,
) -> None:
    """Draws a PNG: false colour, ground truth, and for each prediction its complete map and its map where labels exist.

    Two rows for each split; its kind, number of labels and seed stand beside them, and the probe above.

    The training pixels are marked in the ground truth; accuracies are those of the test pixels alone. Unknown classes
    are black, rejected pixels grey; a rejected pixel is right where the class is unknown.

    Args:
        path: PNG file to write, whole or not at all.
        source: the scene, with labels.
        maps: which pixels a probe was trained on and what it predicted, such as of :func:`predict_scene`; all of the
            same names.
        unknown: labels of the unknown classes.
        probe: what predicted, in words for the title.
        texts: entries that the PNG holds beside the picture.
    """
    labels = source.labels
    assert labels is not None
    classes = len(source.class_names)
    expected = labels.where(~torch.isin(labels, torch.tensor(list(unknown), dtype=labels.dtype)), classes)
    truth, shown = (some.reshape(source.height, source.width).numpy() for some in (labels, expected))
    colours = ListedColormap(
        [UNLABELLED_COLOUR, *(PALETTE[c % len(PALETTE)] for c in range(classes)), UNKNOWN_COLOUR, REJECTED_COLOUR]
    )
    columns = 1 + max(len(one.predicted) for one in maps)
    height = PANEL_INCHES * source.height / source.width
    entries = _legend(source.class_names, unknown)
    across = min(4 if columns > 2 else 3, len(entries))
    legend_inches = 0.2 * -(-len(entries) // across) + 0.2
    figure = Figure(
        figsize=(PANEL_INCHES * columns, 2 * len(maps) * (height + 0.22) + legend_inches + 0.3),
        dpi=150,
        layout="constrained",
    )
    FigureCanvasAgg(figure)
    if probe:
        figure.suptitle(probe, fontsize=11)
    grid = figure.subplots(2 * len(maps), columns, squeeze=False)
    for (split, predicted), upper, lower in zip(maps, grid[::2], grid[1::2]):
        upper[0].set_ylabel(map_title(split), fontsize=10)
        upper[0].imshow(scene_colours(source.cube), interpolation="nearest")
        upper[0].set_title("false colour", fontsize=10)
        _draw_classes(lower[0], shown, colours, f"ground truth, {len(split.train)} training pixels (dots)")
        _mark_training(lower[0], split, source.width)
        _mark_regions(lower[0], truth, class_marks(source.class_names))
        for (name, found), every, labelled in zip(predicted.items(), upper[1:], lower[1:]):
            oa = overall_accuracy(
                Judgement(expected[split.test], found.where(found >= 0, classes).flatten()[split.test])
            )
            whole = found.where(found >= 0, classes + 1).numpy()
            _draw_classes(every, whole, colours, f"{name}: every pixel")
            accuracy = f"{'open ' if unknown else ''}OA {100 * oa:.1f} % on test pixels"
            _draw_classes(labelled, np.where(truth >= 0, whole, -1), colours, f"{name}: {accuracy}")
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
    write_atomically(Path(path), lambda temporary: figure.savefig(temporary, format="png", metadata=dict(texts or {})))


def map_title(split: Split) -> str:
    """What a map was learned from."""
    amount = amount_name(split.shots, split.share)
    seed = None if split.seed is None else f"seed {split.seed}"
    return ", ".join(part for part in (f"{split.name} split", amount, seed) if part)


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
        patches.append(Patch(facecolor=UNKNOWN_COLOUR, label=f"unknown ({marks})"))
        patches.append(Patch(facecolor=REJECTED_COLOUR, label="rejected"))
    return patches
