"""Features of two sets side by side: the encoder's, those of random weights, and the input's own; or given ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from simclr.data.images.arrays import pick
from simclr.data.numpy_file import read_arrays
from simclr.data.scenes.scene import SceneSource
from simclr.encoder_file import FrozenEncoder
from simclr.errors import InputError
from simclr.eval.set_words import NamedSet
from simclr.eval.subject.baselines import calibrated_twin, fit_pca, raw_features, window_mean
from simclr.eval.subject.features import extract_features
from simclr.eval.subject.given import numbers_of
from simclr.eval.subject.representations import Progress
from simclr.eval.subject.sets import SeenPair

_MOST = 1e15


class FeaturePair(NamedTuple):
    """Both sets under one representation.

    Attributes:
        name: what results call it.
        seed: of random weights, else None.
        a, b: (n, dim) and (m, dim) float.
    """

    name: str
    seed: int | None
    a: Tensor
    b: Tensor


class SetView(NamedTuple):
    """Both sets in the first two principal components of one representation, fitted to both together.

    Attributes:
        representation: which one.
        a, b: (n, 2) and (m, 2); the second column is 0 where there is one component.
        shares: of all variance that the two components hold.
    """

    representation: str
    a: np.ndarray
    b: np.ndarray
    shares: tuple[float, float]


def feature_pairs(pair: SeenPair, seed: int, device: torch.device, report: Progress) -> Iterator[FeaturePair]:
    """``pretrained``, ``random`` weights, the ``raw`` input and of scenes the ``window mean``, one after the other.

    Images of two sizes have no ``raw`` input in common.

    Args:
        pair: the sets.
        seed: of the random weights, whose BatchNorm has the statistics of A's source.
        device: where the encoders run.
        report: called with (what, done, all of it).
    """

    def extract(encoder: FrozenEncoder, what: str) -> tuple[Tensor, Tensor]:
        total, sets = len(pair.a.ids) + len(pair.b.ids), []
        for part, before in ((pair.a, 0), (pair.b, len(pair.a.ids))):

            def show(done: int, _: int, before: int = before) -> None:
                report(f"features: {what}", before + done, total)

            sets.append(extract_features(encoder, part.source, part.ids, device=device, progress=show))
        return sets[0], sets[1]

    encoder = pair.encoder.to(device)
    yield FeaturePair("pretrained", None, *extract(encoder, "pretrained"))
    twin = calibrated_twin(encoder, seed, pair.a.source, device)
    yield FeaturePair("random", seed, *extract(twin, "random weights"))
    preprocess, both = encoder.preprocess, (pair.a, pair.b)
    raw = [raw_features(preprocess, part.source, part.ids) for part in both]
    if raw[0].shape[1] == raw[1].shape[1]:
        yield FeaturePair("raw", None, *raw)
    if isinstance(pair.a.source, SceneSource) and isinstance(pair.b.source, SceneSource):
        means = [
            window_mean(preprocess, part.source, part.ids) for part in both if isinstance(part.source, SceneSource)
        ]
        yield FeaturePair("window mean", None, *means)


def first_components(pair: FeaturePair) -> SetView:
    """Both sets in the plane in which both together vary most."""
    both = torch.cat([pair.a, pair.b])
    mean, found = fit_pca(both, 2)
    points = torch.zeros(len(both), 2)
    points[:, : found.shape[1]] = (both.float() - mean) @ found
    total = float((both.float() - mean).square().sum())
    shares = [float(column.square().sum()) / total if total else 0.0 for column in points.T]
    return SetView(pair.name, points[: len(pair.a)].numpy(), points[len(pair.a) :].numpy(), (shares[0], shares[1]))


def features_of(value: object, what: str) -> Tensor:
    """A set as a matrix of features, (n, dim) float.

    Args:
        value: in torch or numpy.
        what: the set, for the error.

    Raises:
        InputError: no matrix of numbers, an empty one, or one with NaN, infinity or numbers beyond ``_MOST``.
    """
    features = numbers_of(value, what)
    if features.ndim == 2 and 0 in features.shape:
        raise InputError(f"{what} is of shape {tuple(features.shape)}: it holds no samples, or no features")
    if features.ndim != 2:
        advice = ". Images need an encoder: see --encoder" if features.ndim > 2 else ", a row for each sample"
        raise InputError(f"{what} is of shape {tuple(features.shape)}: give features (N, dim){advice}")
    features = features if features.is_floating_point() else features.double()
    bad = ~features.isfinite().all(1)
    if bool(bad.any()):
        raise InputError(
            f"{what} holds NaN or infinity in {int(bad.sum()):,} of {len(features):,} rows, first in row "
            f"{int(bad.nonzero()[0])}: leave such samples out"
        )
    if float(most := features.abs().max()) > _MOST:
        raise InputError(f"{what} holds numbers up to {most:.3g}: scale features to at most {_MOST:g}")
    return features


def read_features(named: NamedSet) -> Tensor:
    """`features_of` a .npy or .npz file; a part names the array of an .npz.

    Raises:
        InputError: it is neither, or as of `features_of`.
    """
    if named.place.is_dir():
        raise InputError(f"{named.text} is a folder: name the encoder that sees its images, such as --encoder RUN")
    arrays = read_arrays(named.place, "the set")
    if "" in arrays and named.part is not None:
        raise InputError(f"{named.text} is a .npy file, which has no part {named.part}: leave the colon out")
    if len(arrays) == 1 and named.part is None:
        return features_of(np.array(next(iter(arrays.values()))), named.text)
    if named.part is None and sum(array.ndim == 2 for array in arrays.values()) > 1:
        held = ", ".join(name for name, array in arrays.items() if array.ndim == 2)
        raise InputError(f"{named.text} holds several matrices: name one behind a colon, of {held}")
    array = pick(arrays, named.part, (2,), named.place, "the part behind the colon")
    return features_of(np.array(array), named.text)  # of its own: a memory-mapped file cannot be written
