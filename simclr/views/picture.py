"""A picture of the views really drawn, with the parameters of each, to be looked at before anything else."""

import textwrap
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from simclr.augment.addressed import MAX_EPOCHS
from simclr.errors import InputError
from simclr.files import write_atomically
from simclr.recipe.schema import Recipe
from simclr.views.drawn_views import Box, DrawnViews, Spectra, choose_samples, look_at_views, write_notes
from simclr.views.inputs import build_inputs

# Okabe and Ito's colours, which colour-blind readers tell apart; then once more, dashed.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# Inches.
_PICTURE, _GAP, _TITLE, _LINE, _SPECTRUM, _MARGIN = 1.56, 0.08, 0.27, 0.083, 3.9, 0.06
_CHARACTERS = 33  # that a line under a picture holds
_SHOWN = 16  # views, beside the sample


@mpl.rc_context({"text.parse_math": False})  # a file may be called $x$
def draw_views(drawn: DrawnViews, path: Path) -> None:
    """Write the picture: a row a sample, with its views, what was done to each, and of scenes the spectra."""
    shown = min(len(drawn.names) - 1, _SHOWN)
    texts = [[describe_notes(note) for note in row] for row in drawn.notes[:shown]]
    width = _MARGIN + (1 + shown) * (_PICTURE + _GAP) + (_SPECTRUM if drawn.spectra else 0) + _MARGIN
    caption = textwrap.wrap(_caption(drawn, shown), int(17.5 * width))
    under = [(about, *(row[i] for row in texts)) for i, about in enumerate(drawn.about)]
    lines = [max(text.count("\n") + 1 for text in row) for row in under]
    heights = [_TITLE + _PICTURE + _LINE * count + 0.15 for count in lines]
    head = 0.14 * len(caption) + 0.1
    height = head + sum(heights)
    figure = Figure(figsize=(width, height), dpi=150)
    figure.text(_MARGIN / width, 1 - 0.05 / height, "\n".join(caption), fontsize=7, va="top")

    top = height - head
    for i, row_height in enumerate(heights):
        bottom = top - _TITLE - _PICTURE
        for column in range(1 + shown):
            left = _MARGIN + column * (_PICTURE + _GAP)
            axis = figure.add_axes((left / width, bottom / height, _PICTURE / width, _PICTURE / height))
            boxes = [row[i] for row in drawn.boxes[:shown]] if column == 0 else []
            name = f"sample {drawn.ids[i]}" if column == 0 else drawn.names[column]
            _draw_picture(
                axis, drawn.pictures[column][i], f"{name}\n{drawn.sizes[column]}", under[i][column], column, boxes
            )
        if drawn.spectra:
            left = _MARGIN + (1 + shown) * (_PICTURE + _GAP) + 0.42
            extent = (left / width, (bottom - 0.02) / height, (_SPECTRUM - 0.45) / width, (_PICTURE + 0.02) / height)
            _draw_spectra(figure.add_axes(extent), drawn.spectra, drawn.names[: 1 + shown], i)
        top -= row_height
    write_atomically(path, lambda temporary: figure.savefig(temporary))


def describe_notes(note: dict[str, Any], width: int = _CHARACTERS) -> str:
    """The operations of one view, applied ones only, in the order of application, each on a line if it fits."""
    lines: list[str] = []
    for name, parameters in note.items():
        if parameters is None:
            continue
        words = [f"{key}={_short(value)}" for key, value in parameters.items()]
        whole = " ".join([name, *words])
        if len(whole) <= width:
            lines.append(whole)
        else:
            lines.append(name)
            lines += textwrap.wrap(
                " ".join(words), width, initial_indent="  ", subsequent_indent="  ", break_long_words=False
            )
    return "\n".join(lines)


def _short(value: Any) -> str:
    if isinstance(value, list):
        if len(value) == 2 and all(isinstance(v, float) for v in value):
            return "..".join(_short(v) for v in value)
        shown = ",".join(_short(v) for v in (value if len(value) <= 4 else value[:3]))
        return f"{shown},…({len(value)})" if len(value) > 4 else shown
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _caption(drawn: DrawnViews, shown: int) -> str:
    parts = [f"Views of epoch {drawn.epoch}, as the run draws them."]
    if shown < len(drawn.names) - 1:
        parts.append(f"The first {shown} of {len(drawn.names) - 1} views.")
    if drawn.colours:
        parts.append(drawn.colours)
    if any(box for row in drawn.boxes[:shown] for box in row):
        parts.append("Boxes on a sample: what its views were cut from, in the colours of their frames.")
    if drawn.spectra:
        parts.append("Right: spectra of the centre pixels, all on the same axes.")
    return " ".join(parts)


def _draw_picture(axis: Axes, picture: np.ndarray, title: str, text: str, column: int, boxes: list[Box | None]) -> None:
    height, width = picture.shape[:2]
    axis.imshow(picture, interpolation="nearest")
    axis.set_xticks([])
    axis.set_yticks([])
    axis.set_anchor("N")
    axis.set_title(title, fontsize=6.5, pad=2)
    below = 1 - height / max(height, width)
    axis.text(0, below - 0.04, text, transform=axis.transAxes, va="top", fontsize=5.2, family="monospace")
    if column:
        for spine in axis.spines.values():
            spine.set(color=_colour(column), linewidth=1.6)
    for view, box in enumerate(boxes, start=1):
        if box is not None:
            left, top, w, h = box
            for colour, thickness, dashes in (("white", 1.7, "-"), (_colour(view), 1.0, _dashes(view))):
                line = Rectangle((left - 0.5, top - 0.5), w, h, fill=False, linewidth=thickness, linestyle=dashes)
                line.set_edgecolor(colour)
                axis.add_patch(line)


def _draw_spectra(axis: Axes, spectra: Spectra, names: list[str], i: int) -> None:
    """The centre pixel's spectrum of a sample and of each of its views; lines break at gaps."""
    ends = np.flatnonzero(np.diff(spectra.runs)) + 1
    places = np.insert(spectra.places, ends, np.nan)
    for row, name in enumerate(names):
        curve = np.insert(spectra.values[row, i].astype(float), ends, np.nan)
        colour, thickness = ("0.8", 2.5) if row == 0 else (_colour(row), 0.8)
        axis.plot(places, curve, label=name, color=colour, linewidth=thickness, linestyle=_dashes(row))
    low, high = float(spectra.values.min()), float(spectra.values.max())
    axis.set_ylim(low - 0.04 * (high - low) - 1e-6, high + 0.04 * (high - low) + 1e-6)
    axis.set_xlabel(spectra.axis, fontsize=6, labelpad=1)
    axis.set_ylabel(spectra.unit, fontsize=6, labelpad=1)
    axis.tick_params(labelsize=5.5, length=2, pad=1)
    axis.legend(
        loc="lower left",
        bbox_to_anchor=(-0.02, 0.99),
        borderaxespad=0.1,
        ncols=9,
        fontsize=5,
        frameon=False,
        handlelength=1.4,
        columnspacing=0.8,
        handletextpad=0.3,
    )


def _colour(column: int) -> str:
    return COLOURS[(column - 1) % len(COLOURS)]


def _dashes(column: int) -> str:
    return "-" if column <= len(COLOURS) else "--"


def run_views(recipe: Recipe, output: Path, *, samples: int, epoch: int, ids: str | None) -> None:
    """`simclr views`: the picture, and the parameters as JSON beside it.

    Raises:
        InputError: a file that cannot be written, ids that are not in the source, or what `build_inputs` refuses.
    """
    if output.suffix.lower() != ".png" or not output.parent.is_dir():
        raise InputError(f"--output is {output}, but must be a .png file in a folder that exists")
    if not 0 <= epoch < MAX_EPOCHS:
        raise InputError(f"--epoch is {epoch}, but epochs are 0 to {MAX_EPOCHS - 1}")
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    assert device is not None
    inputs = build_inputs(recipe, device, in_bands=True)
    chosen = choose_samples(recipe.seed, len(inputs.source), samples) if ids is None else _ids(ids, len(inputs.source))
    drawn = look_at_views(inputs, chosen, epoch, device)
    draw_views(drawn, output)
    write_notes(drawn, output.with_suffix(".json"))
    for line in inputs.describe():
        print(line)
    print(f"written: {output} and {output.with_suffix('.json').name}")


def _ids(text: str, n: int) -> torch.Tensor:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or not all(0 <= number < n for number in numbers):
        raise InputError(f"--ids is {text!r}, but must be some of 0 to {n - 1}, such as 3,17")
    return torch.tensor(numbers)
