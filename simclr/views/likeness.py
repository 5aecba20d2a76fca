"""Which place of an image looks like which place of a training image, and the points that this gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from simclr.data.preprocess import Preprocess
from simclr.errors import InputError
from simclr.models.prototypes import EPS, Prototyped, similarity
from simclr.views.drawn_views import Box, pictures_of

Inputs = Callable[[Tensor], Tensor]
"""Ids (n,) int64 on the CPU → inputs of the encoder (n, C, H, W), without augmentation, on its device."""
_SHARE = 0.95
# Of a squared distance that ought to be 0: batches of other sizes round otherwise.
_ROUNDING = EPS


class Patch(NamedTuple):
    """An image as a reader sees it, (h, w, 3) in [0, 1], and the box around a place of it."""

    picture: np.ndarray
    box: Box


class Likeness(NamedTuple):
    """A place that looks like a prototype.

    Attributes:
        here: in the image that is explained.
        there: in the training image that the prototype is from.
        sample: id of that one.
        class_of: of the prototype.
        similarity: of the two places, 0 to 9.2.
        weight: in the class that was decided on; similarity·weight are its points.
    """

    here: Patch
    there: Patch
    sample: int
    class_of: int
    similarity: float
    weight: float


class Explained(NamedTuple):
    """Why an image was taken for a class.

    Attributes:
        picture: of the image, (h, w, 3) in [0, 1].
        points: of each class, (classes,).
        likenesses: the ones that gave most points to the class with most.
    """

    picture: np.ndarray
    points: np.ndarray
    likenesses: list[Likeness]


@torch.no_grad()
def source_patches(layer: Prototyped, prototypes: Sequence[int], inputs: Inputs, preprocess: Preprocess) -> list[Patch]:
    """Where prototypes are from.

    Args:
        layer: after a push, in eval mode.
        prototypes: numbers of some of them.
        inputs: of the training images.
        preprocess: raw → encoder input.

    Raises:
        InputError: the images are not those of the push: a prototype is not at its place.
    """
    chosen = torch.tensor(list(prototypes))
    x = inputs(layer.sample.cpu()[chosen])
    rows = torch.arange(len(chosen), device=x.device)
    squared = layer.distances(layer.places(x))[rows, chosen.to(x.device)]
    place = layer.place[chosen.to(x.device)]
    off = squared[rows, place[:, 0], place[:, 1]]
    if not bool((off <= _ROUNDING).all()):
        raise InputError("these are not the training images that the prototypes are places of")
    pictures = pictures_of(preprocess, [x.float().cpu()])[0][0]
    return [
        Patch(picture, box_around(similarity(one), (row, column), *picture.shape[:2]))
        for picture, one, (row, column) in zip(pictures, squared, place.tolist())
    ]


@torch.no_grad()
def explain(layer: Prototyped, x: Tensor, inputs: Inputs, preprocess: Preprocess, most: int = 3) -> list[Explained]:
    """What the prototypes say of images.

    Args:
        layer: after a push, in eval mode.
        x: inputs of the encoder, (n, C, H, W).
        inputs: of the training images.
        preprocess: raw → encoder input.
        most: likenesses of an image.

    Raises:
        InputError: as `source_patches`.
    """
    squared = layer.distances(layer.places(x))
    near, at = squared.flatten(2).min(2)
    alike = similarity(near)
    points = layer.logits(alike)
    decided = points.argmax(1)
    given = alike * layer.last.weight[decided]
    first = given.topk(min(most, layer.feature_dim)).indices.cpu()
    used = first.unique().tolist()
    sources = dict(zip(used, source_patches(layer, used, inputs, preprocess)))
    rows, columns = at // squared.shape[3], at % squared.shape[3]
    pictures = pictures_of(preprocess, [x.float().cpu()])[0][0]
    found = []
    for i, chosen in enumerate(first.tolist()):
        likenesses = []
        for p in chosen:
            place = int(rows[i, p]), int(columns[i, p])
            here = Patch(pictures[i], box_around(similarity(squared[i, p]), place, *pictures[i].shape[:2]))
            weight = float(layer.last.weight[decided[i], p])
            of = int(layer.sample[p]), int(layer.class_of[p])
            likenesses.append(Likeness(here, sources[p], *of, float(alike[i, p]), weight))
        found.append(Explained(pictures[i], points[i].cpu().numpy(), likenesses))
    return found


def box_around(similarities: Tensor, place: tuple[int, int], height: int, width: int) -> Box:
    """The most similar part of an image, as far as it hangs together with a place.

    The map is made as large as the image (bilinear); what is in its highest twentieth, and reaches the place, is boxed.

    Args:
        similarities: (h, w), highest at the place.
        place: row and column in the map.
        height, width: of the image.

    Source: Chen et al., "This looks like that", NeurIPS 2019, section 3.2, where all of the highest twentieth is boxed.
    """
    large = F.interpolate(similarities[None, None].float().cpu(), (height, width), mode="bilinear")[0, 0].numpy()
    row, column = (int((i + 0.5) * side / n) for i, side, n in zip(place, (height, width), similarities.shape))
    inside = large >= min(np.quantile(large, _SHARE), large[row, column])
    parts, _ = ndimage.label(inside)
    rows, columns = ndimage.find_objects((parts == parts[row, column]).astype(int))[0]
    return columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start
