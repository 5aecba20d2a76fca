"""A picture of the views really drawn, with the parameters of each, to be looked at before anything else."""

import copy
import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from torch import Tensor

from augment.addressed import MAX_EPOCHS, permutation
from augment.spectral_axis import segments
from augment.trace import trace
from augment.view_groups import ViewGroups
from simclr.build import Inputs, build_inputs
from simclr.data import Neighbours, SceneSource
from simclr.errors import InputError
from simclr.files import write_atomically, write_text
from simclr.schema import Recipe


class DrawnViews(NamedTuple):
    """Views of some samples and what was done to get them.

    Attributes:
        ids: the n samples.
        epoch: of the random numbers.
        names: of the pictures of a sample: the sample itself, then its views, small ones last.
        pictures: one (n, h, w, 3) in [0, 1] for each name.
        notes: for each view, for each sample: operation → parameters, None where it was not applied.
        spectra: of scenes, (names, n, bands) of the centre pixel in the operations' units; else None.
        wavelengths: of those bands in nm, where known.
    """

    ids: list[int]
    epoch: int
    names: list[str]
    pictures: list[np.ndarray]
    notes: list[list[dict[str, Any]]]
    spectra: np.ndarray | None
    wavelengths: tuple[float, ...] | None


def choose_samples(seed: int, n: int, samples: int) -> Tensor:
    """The samples that a picture shows when none are named: ``samples`` of 0..n-1."""
    return permutation(seed, 0, n, "cpu")[:samples]


@torch.no_grad()
def look_at_views(inputs: Inputs, ids: Tensor, epoch: int, device: torch.device) -> DrawnViews:
    """Draw the views of some samples as the loop does, and keep what was drawn.

    Many-band scenes are shown as false colour: their first three principal components.

    Args:
        inputs: of the run; with ``in_bands`` a scene's spectra are kept.
        ids: (n,) int64 on the CPU.
        epoch: as in the loop.
        device: where views are drawn.
    """
    batch = inputs.source[ids].to(device)
    drawn = [inputs.embed(inputs.plain[ids].to(device)).float().cpu()]
    notes: list[list[dict[str, Any]]] = []
    names = ["sample"]
    sizes = [views for views in (inputs.augment, inputs.small) if views is not None]
    for views in sizes:
        drawn += list(views(batch, ids, epoch).float().cpu())
        notes += [[dict(note) for note in row] for row in trace(views, ids, epoch, batch.shape[1:])]
        names += [f"view {view}" for view in views.views]
        _note_neighbours(views, ids, epoch, notes[-len(views.views) :])
    spectra, wavelengths = None, None
    if isinstance(inputs.source, SceneSource) and inputs.source is not inputs.plain:
        units = [view for views in sizes for view in _unfinished(views)(batch, ids, epoch)]
        whole = [x.float().cpu() for x in (batch, *units)]
        spectra = torch.stack([x[:, :, x.shape[2] // 2, x.shape[3] // 2] for x in whole]).numpy()
        wavelengths = inputs.source.wavelengths
    whitened = inputs.preprocess.whiten is not None
    return DrawnViews(ids.tolist(), epoch, names, false_colour(drawn, whitened), notes, spectra, wavelengths)


def _unfinished(views: ViewGroups) -> ViewGroups:
    """The same views in the units that operations work in."""
    groups = [copy.copy(group) for group in views.members()]
    for group in groups:
        group.after = None
    return ViewGroups(groups)


def _note_neighbours(views: ViewGroups, ids: Tensor, epoch: int, notes: list[list[dict[str, Any]]]) -> None:
    """Adds to each view's notes, in first place, which pixel took the sample's."""
    place = {view: row for row, view in enumerate(views.views)}
    for group in views.members():
        if not isinstance(group.neighbours, Neighbours):
            continue
        address = group.address(ids, epoch)
        width = group.neighbours.patches.width
        chosen = group.neighbours.ids(address)
        rows = (chosen // width - address.ids // width).view(-1, len(ids)).tolist()
        columns = (chosen % width - address.ids % width).view(-1, len(ids)).tolist()
        for k, view in enumerate(group.views):
            if view > 0:
                row = notes[place[view]]
                for i, note in enumerate(row):
                    row[i] = {"center_shift": {"rows": rows[k][i], "columns": columns[k][i]}, **note}


def draw_views(drawn: DrawnViews, path: Path) -> None:
    """Write the picture: a row a sample, with its views, what was done to each, and of scenes the spectra."""
    texts = [[describe_notes(note) for note in row] for row in drawn.notes]
    n, columns = len(drawn.ids), len(drawn.names)
    lines = [max((text[i].count("\n") + 1 for text in texts), default=1) for i in range(n)]
    wide = 0 if drawn.spectra is None else 2.4
    heights = [1.55 + 0.105 * count for count in lines]
    figure = Figure(figsize=(1.5 * columns + 1.5 * wide, sum(heights) + 0.2), dpi=150)
    figure.set_layout_engine(ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, wspace=0.02, hspace=0.02))
    ratios = {"width_ratios": [1.0] * columns + ([wide] if wide else []), "height_ratios": heights}
    axes = figure.subplots(n, columns + bool(wide), squeeze=False, gridspec_kw=ratios)
    for i, sample in enumerate(drawn.ids):
        for column, name in enumerate(drawn.names):
            axis = axes[i, column]
            axis.imshow(drawn.pictures[column][i], interpolation="nearest")
            axis.set_xticks([])
            axis.set_yticks([])
            axis.set_anchor("N")
            height, width = drawn.pictures[column].shape[1:3]
            label = f"sample {sample}" if column == 0 else name
            axis.set_title(f"{label} · {width}×{height}", fontsize=6.5, pad=2)
            if column:
                axis.set_xlabel(texts[column - 1][i], fontsize=5.2, loc="left", labelpad=2, family="monospace")
        if drawn.spectra is not None:
            _draw_spectra(axes[i, -1], drawn, i)
    write_atomically(path, lambda temporary: figure.savefig(temporary))


def _draw_spectra(axis: Axes, drawn: DrawnViews, i: int) -> None:
    """The centre pixel's spectrum of a sample and of each of its views; lines break at gaps in the wavelengths."""
    assert drawn.spectra is not None
    bands = drawn.spectra.shape[2]
    places = np.arange(bands) if drawn.wavelengths is None else np.array(drawn.wavelengths)
    breaks = np.flatnonzero(np.diff(segments(torch.from_numpy(places.astype(np.float64))).numpy())) + 1
    for row, name in enumerate(drawn.names):
        curve = np.insert(drawn.spectra[row, i].astype(float), breaks, np.nan)
        style = {"color": "0.8", "linewidth": 2.5} if row == 0 else {"linewidth": 0.7}
        axis.plot(np.insert(places.astype(float), breaks, np.nan), curve, label=name, **style)
    axis.set_title("spectrum of the centre pixel, normalised", fontsize=6.5, pad=2)
    axis.set_xlabel("band" if drawn.wavelengths is None else "wavelength in nm", fontsize=6, labelpad=1)
    axis.tick_params(labelsize=5.5, length=2, pad=1)
    axis.legend(fontsize=5, frameon=False, loc="best", handlelength=1.2, labelspacing=0.2)


def describe_notes(note: dict[str, Any], width: int = 27) -> str:
    """The operations of one view, applied ones only, a line each, in the order of application."""
    lines: list[str] = []
    for name, parameters in note.items():
        if parameters is None:
            continue
        words = [f"{key}={_short(value)}" for key, value in parameters.items()]
        text = " ".join([name, *words])
        lines += textwrap.wrap(text, width, subsequent_indent="  ", break_long_words=False) or [name]
    return "\n".join(lines)


def _short(value: Any) -> str:
    if isinstance(value, list):
        shown = ",".join(_short(v) for v in (value if len(value) <= 4 else value[:3]))
        return f"{shown},…({len(value)})" if len(value) > 4 else shown
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def write_notes(drawn: DrawnViews, path: Path) -> None:
    """Write the parameters of every view as JSON."""
    samples = []
    for i, sample in enumerate(drawn.ids):
        views = []
        for name, picture, row in zip(drawn.names[1:], drawn.pictures[1:], drawn.notes, strict=True):
            views.append({"view": int(name.split()[1]), "size": list(picture.shape[1:3]), "operations": row[i]})
        samples.append({"id": sample, "views": views})
    write_text(path, json.dumps({"epoch": drawn.epoch, "samples": samples}, indent=1) + "\n")


def false_colour(rows: Sequence[Tensor], whitened: bool = False) -> list[np.ndarray]:
    """Batches (B, C, h, w) of any channels → pictures (B, h, w, 3) in [0, 1], on one common colour scale.

    Args:
        rows: batches, which may differ in h and w.
        whitened: the channels are principal components already, the first three are shown.
    """
    channels = rows[0].shape[1]
    if channels > 3 and whitened:
        rows, channels = [row[:, :3] for row in rows], 3
    pixels = torch.cat([row.movedim(1, -1).reshape(-1, channels) for row in rows])
    if channels > 3:
        center = pixels.mean(0)
        basis = torch.linalg.svd((pixels - center)[:20000], full_matrices=False).Vh[:3].T
        rows = [((row.movedim(1, -1) - center) @ basis).movedim(-1, 1) for row in rows]
        pixels = (pixels - center) @ basis
    if channels == 2:
        rows, pixels = [F.pad(row, (0, 0, 0, 0, 0, 1)) for row in rows], F.pad(pixels, (0, 1))
    low, high = np.quantile(pixels.numpy(), [0.01, 0.99], axis=0)
    pictures = [(row.movedim(1, -1).numpy() - low) / np.maximum(high - low, 1e-6) for row in rows]
    return [np.clip(np.broadcast_to(p, (*p.shape[:-1], 3)) if channels == 1 else p, 0, 1) for p in pictures]


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


def _ids(text: str, n: int) -> Tensor:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or not all(0 <= number < n for number in numbers):
        raise InputError(f"--ids is {text!r}, but must be some of 0 to {n - 1}, such as 3,17")
    return torch.tensor(numbers)
