"""Pictures of prototypes: where each is from, and "this looks like that" for some images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from simclr.data.preprocess import Preprocess
from simclr.files import write_atomically
from simclr.models.prototypes import Prototyped
from simclr.views.likeness import Explained, Inputs, Patch, source_patches

_CLASSES, _PER_CLASS, _BARS = 20, 12, 5
# Okabe and Ito's vermilion and blue.
_BOX, _DECIDED, _OTHER = "#D55E00", "#0072B2", "0.75"
# Inches.
_SIDE, _GAP, _TITLE, _MARGIN = 1.0, 0.1, 0.34, 0.12


@mpl.rc_context({"text.parse_math": False})
def draw_prototypes(
    layer: Prototyped, inputs: Inputs, preprocess: Preprocess, classes: Sequence[str], path: Path
) -> None:
    """A row for each class: its prototypes, each as a box in the training image that it is a place of.

    Args:
        layer: after a push, in eval mode.
        inputs: of the training images.
        preprocess: raw → encoder input.
        classes: their names.
        path: of the PNG.
    """
    of_class = [(layer.class_of == c).nonzero()[:, 0].tolist()[:_PER_CLASS] for c in range(len(classes))][:_CLASSES]
    shown = [p for row in of_class for p in row]
    patches = dict(zip(shown, source_patches(layer, shown, inputs, preprocess)))
    own = layer.last.weight.detach().cpu()
    columns, name = max(map(len, of_class)), 1.3
    width = 2 * _MARGIN + name + columns * (_SIDE + _GAP)
    head, step = 0.5, _TITLE + _SIDE
    height = head + len(of_class) * step + _MARGIN
    figure = Figure(figsize=(width, height), dpi=150)
    caption = (
        "Prototypes: each one is a place (box) of a training image; below, its sample and its weight in the class."
    )
    if len(classes) > _CLASSES or columns < layer.config["per_class"]:
        caption += f"\nThe first {len(of_class)} of {len(classes)} classes, {columns} prototypes of each."
    figure.text(_MARGIN / width, 1 - 0.08 / height, caption, fontsize=7, va="top")
    for c, row in enumerate(of_class):
        bottom = height - head - (c + 1) * step + _TITLE
        figure.text(_MARGIN / width, (bottom + _SIDE / 2) / height, _short(classes[c]), fontsize=8, va="center")
        for k, p in enumerate(row):
            left = _MARGIN + name + k * (_SIDE + _GAP)
            axes = figure.add_axes((left / width, bottom / height, _SIDE / width, _SIDE / height))
            _draw_patch(axes, patches[p])
            axes.set_xlabel(f"{int(layer.sample[p])}  ×{own[c, p]:.2f}", fontsize=6, labelpad=2)
    write_atomically(path, lambda temporary: figure.savefig(temporary, format="png"))


@mpl.rc_context({"text.parse_math": False})
def draw_explained(
    explained: Sequence[Explained],
    about: Sequence[tuple[int, int]],
    classes: Sequence[str],
    path: Path,
    caption: str,
    texts: Mapping[str, str] | None = None,
) -> None:
    """A row for each image: what it looks like, what points this gives, and the points of the classes.

    Args:
        explained: images.
        about: id and class of each; the class -1 where it is none of those that were learned.
        classes: names of those that were learned.
        path: of the PNG.
        caption: above all.
        texts: for the PNG's text entries.
    """
    pairs = max(len(one.likenesses) for one in explained)
    pair, bars = 2 * _SIDE + 0.34, 2.6
    width = 2 * _MARGIN + _SIDE + 0.3 + pairs * (pair + 0.25) + bars
    head, step = 0.55, _SIDE + 0.75
    height = head + len(explained) * step
    figure = Figure(figsize=(width, height), dpi=150)
    figure.text(_MARGIN / width, 1 - 0.08 / height, caption, fontsize=7.5, va="top")

    def axes_at(left: float, bottom: float, wide: float = _SIDE, high: float = _SIDE) -> Axes:
        return figure.add_axes((left / width, bottom / height, wide / width, high / height))

    def text_at(left: float, bottom: float, text: str, size: float = 6.5, **how: str) -> None:
        figure.text(left / width, bottom / height, text, fontsize=size, **how)  # type: ignore[arg-type]

    for i, (one, (sample, truth)) in enumerate(zip(explained, about)):
        bottom = height - head - (i + 1) * step + 0.42
        decided = int(one.points.argmax())
        axes = axes_at(_MARGIN, bottom)
        axes.imshow(one.picture, interpolation="nearest")
        _bare(axes)
        axes.set_title(f"test sample {sample}", fontsize=6.5, pad=3)
        true = classes[truth] if truth >= 0 else "none that was learned"
        verdict = f"is {_short(true)}\ntaken for {_short(classes[decided])} {'✓' if truth == decided else '✗'}"
        text_at(_MARGIN, bottom - 0.06, verdict, va="top")
        given = 0.0
        for k, like in enumerate(one.likenesses):
            left = _MARGIN + _SIDE + 0.3 + k * (pair + 0.25)
            first, second = axes_at(left, bottom), axes_at(left + _SIDE + 0.34, bottom)
            _draw_patch(first, like.here)
            _draw_patch(second, like.there)
            first.set_title("this", fontsize=6.5, pad=3)
            second.set_title(f"that: {_short(classes[like.class_of], 16)}", fontsize=6.5, pad=3)
            text_at(left + _SIDE + 0.17, bottom + _SIDE / 2, "looks\nlike", 6, ha="center", va="center")
            points = like.similarity * like.weight
            given += points
            text_at(
                left + _SIDE + 0.17,
                bottom - 0.06,
                f"similarity {like.similarity:.2f} × weight {like.weight:.2f} = {points:.2f} points",
                ha="center",
                va="top",
            )
            second.set_xlabel(f"training sample {like.sample}", fontsize=5.5, labelpad=13)
        left = _MARGIN + _SIDE + 0.3 + pairs * (pair + 0.25) + 1.1
        _draw_bars(axes_at(left, bottom, bars - 1.4), one.points, classes, decided, truth)
        rest = float(one.points[decided]) - given
        text_at(left - 0.9, bottom - 0.22, f"{given:.1f} points from these, {rest:+.1f} from all others", va="top")
    write_atomically(path, lambda temporary: figure.savefig(temporary, format="png", metadata=dict(texts or {})))


def _draw_patch(axes: Axes, patch: Patch) -> None:
    axes.imshow(patch.picture, interpolation="nearest")
    left, top, wide, high = patch.box
    for colour, thickness in (("white", 2.4), (_BOX, 1.3)):
        axes.add_patch(
            Rectangle((left - 0.5, top - 0.5), wide, high, fill=False, linewidth=thickness, edgecolor=colour)
        )
    _bare(axes)


def _draw_bars(axes: Axes, points: np.ndarray, classes: Sequence[str], decided: int, truth: int) -> None:
    """Points of the classes that have most, the highest above; the true class is marked."""
    order = np.argsort(-points, kind="stable")[:_BARS]
    axes.barh(range(len(order)), points[order], color=[_DECIDED if c == decided else _OTHER for c in order], height=0.7)
    axes.set_yticks(range(len(order)), [f"{_short(classes[c], 16)}{' ●' if c == truth else ''}" for c in order])
    axes.invert_yaxis()
    axes.tick_params(labelsize=6, length=2, pad=2)
    axes.set_title("points (● true class)", fontsize=6.5, pad=3)
    axes.axvline(0, color="0.3", linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])


def _short(name: str, most: int = 20) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
