"""Views of some samples as the run draws them, with all that was done to get them."""

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from simclr.augment.addressed import permutation
from simclr.augment.spectral_axis import segments
from simclr.augment.trace import trace
from simclr.augment.view_groups import ViewGroups
from simclr.data import Neighbours, Preprocess, SceneSource
from simclr.files import write_text
from simclr.views.colours import false_colour, own_colours
from simclr.views.inputs import Inputs

Box = tuple[int, int, int, int]
"""Left, top, width and height in pixels of the sample's picture."""


class Spectra(NamedTuple):
    """Spectra of the centre pixels, in the units that operations work in.

    Attributes:
        values: (names, n, bands).
        places: (bands,) wavelengths in nm where they are known, else numbers of bands.
        runs: (bands,) int, bands of one number have no gap (a bad band, a step in wavelength) between them.
        axis: what ``places`` are.
        unit: what ``values`` are.
    """

    values: np.ndarray
    places: np.ndarray
    runs: np.ndarray
    axis: str
    unit: str


class DrawnViews(NamedTuple):
    """Views of some samples and what was done to get them.

    Attributes:
        ids: the n samples.
        epoch: of the random numbers.
        about: what is known of each sample: its place in the scene, its class.
        names: of the pictures of a sample: the sample itself, then its views, small ones last.
        sizes: of these pictures, as a reader wants them.
        pictures: one (n, h, w, 3) in [0, 1] for each name.
        colours: what their colours mean; empty for photographs.
        notes: for each view, for each sample: operation → parameters, None where it was not applied.
        boxes: for each view, for each sample: what was cut out of the sample; None where nothing was, or where it was
            cut out of the patch of another pixel.
        spectra: of scenes whose operations work on bands; else None.
    """

    ids: list[int]
    epoch: int
    about: list[str]
    names: list[str]
    sizes: list[str]
    pictures: list[np.ndarray]
    colours: str
    notes: list[list[dict[str, Any]]]
    boxes: list[list[Box | None]]
    spectra: Spectra | None


def choose_samples(seed: int, n: int, samples: int) -> Tensor:
    """The samples that a picture shows when none are named: ``samples`` of 0..n-1."""
    return permutation(seed, 0, n, "cpu")[:samples]


@torch.no_grad()
def look_at_views(inputs: Inputs, ids: Tensor, epoch: int, device: torch.device) -> DrawnViews:
    """Draw the views of some samples as the loop does, and keep what was drawn.

    Args:
        inputs: of the run; with ``in_bands`` a scene's spectra are kept.
        ids: (n,) int64 on the CPU.
        epoch: as in the loop.
        device: where views are drawn.
    """
    batch = inputs.source[ids].to(device)
    scene = isinstance(inputs.source, SceneSource)
    sample = inputs.plain[ids].to(device) if scene else inputs.preprocess.finish(inputs.preprocess.to_units(batch))
    drawn = [sample.float().cpu()]
    notes: list[list[dict[str, Any]]] = []
    names = ["sample"]
    groups = [views for views in (inputs.augment, inputs.small) if views is not None]
    for views in groups:
        drawn += list(views(batch, ids, epoch).float().cpu())
        notes += [[dict(note) for note in row] for row in trace(views, ids, epoch, batch.shape[1:])]
        names += [f"view {view}" for view in views.views]
        _note_neighbours(views, ids, epoch, notes[-len(views.views) :])
    for note in (note for row in notes for note in row):
        dropped = note.get("band_dropout")
        if dropped:
            dropped["dropped"] = [inputs.bands[band] for band in dropped["dropped"]]
    spectra = None
    if scene and inputs.source is not inputs.plain:
        units = [view for views in groups for view in _unfinished(views)(batch, ids, epoch)]
        spectra = _spectra(inputs, [batch, *units])
    pictures, colours = pictures_of(inputs.preprocess, drawn)
    boxes = [[_box(note) for note in row] for row in notes]
    sizes = [_size(x, inputs.preprocess.pool) for x in drawn]
    about = [_about(inputs, sample) for sample in ids.tolist()]
    return DrawnViews(ids.tolist(), epoch, about, names, sizes, pictures, colours, notes, boxes, spectra)


def write_notes(drawn: DrawnViews, path: Path) -> None:
    """Write the parameters of every view as JSON."""
    samples = []
    for i, sample in enumerate(drawn.ids):
        views = []
        for name, picture, row in zip(drawn.names[1:], drawn.pictures[1:], drawn.notes, strict=True):
            views.append({"view": int(name.split()[1]), "size": list(picture.shape[1:3]), "operations": row[i]})
        samples.append({"id": sample, "views": views})
    write_text(path, json.dumps({"epoch": drawn.epoch, "samples": samples}, indent=1) + "\n")


def _unfinished(views: ViewGroups) -> ViewGroups:
    """The same views in the units that operations work in."""
    groups = [copy.copy(group) for group in views.members()]
    for group in groups:
        group.after, group.dtype = None, torch.float32
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


def _spectra(inputs: Inputs, units: list[Tensor]) -> Spectra:
    assert isinstance(inputs.source, SceneSource)
    whole = [x.float().cpu() for x in units]
    values = torch.stack([x[:, :, x.shape[2] // 2, x.shape[3] // 2] for x in whole]).numpy()
    wavelengths = inputs.source.wavelengths
    numbers = np.array(inputs.bands)
    places = numbers.astype(float) if wavelengths is None else np.array(wavelengths)
    gaps = np.diff(segments(torch.from_numpy(places)).numpy()) + (np.diff(numbers) > 1)
    runs = np.concatenate([[0], np.cumsum(gaps > 0)])
    unit = {"standardize": "standard deviations", "minmax": "share of the range", "unit": "share of full scale"}
    axis = "band" if wavelengths is None else "wavelength in nm"
    if inputs.of_components:
        return Spectra(values, places, runs, "component", "as the encoder takes it")
    return Spectra(values, places, runs, axis, unit.get(inputs.preprocess.normalize, "value as stored"))


def pictures_of(preprocess: Preprocess, drawn: Sequence[Tensor]) -> tuple[list[np.ndarray], str]:
    """Pictures of encoder inputs, (n, h, w, 3) of each batch, and what their colours mean; empty for photographs."""
    channels = drawn[0].shape[1]
    if preprocess.whiten is None and preprocess.normalize == "unit" and channels in (1, 3):
        scale, offset = (x.cpu()[:, None, None] for x in (preprocess.matrix, preprocess.bias))
        return own_colours([(x - offset) / scale for x in drawn]), ""
    pictures = false_colour(drawn, preprocess.whiten is not None)
    if preprocess.whiten is None and channels in (1, 3):
        return pictures, "" if channels == 1 else "False colour: the three bands as red, green and blue."
    ways = ("1st as brightness", "2nd from blue to yellow", "3rd from green to red")[:channels]
    which = f"the encoder's {channels} channels" if preprocess.whiten is not None else f"the {channels} bands"
    return pictures, f"False colour, principal components of {which}: {', '.join(ways)}."


def _box(note: dict[str, Any]) -> Box | None:
    crop = note.get("resized_crop")
    if not crop or "center_shift" in note:
        return None
    return crop["left"], crop["top"], crop["width"], crop["height"]


def _size(x: Tensor, pool: int) -> str:
    height, width = x.shape[2:]
    if pool == 1:
        return f"{height}×{width} px"
    return f"{height}×{width} cells = {height * pool}×{width * pool} px"


def _about(inputs: Inputs, sample: int) -> str:
    source, lines = inputs.source, []
    if isinstance(source, SceneSource):
        lines.append(f"row {sample // source.width}, column {sample % source.width}")
    if source.labels is not None:
        label = int(source.labels[sample])
        lines.append("unlabelled" if label < 0 else f"class {source.class_names[label]}")
    return "\n".join(lines)
