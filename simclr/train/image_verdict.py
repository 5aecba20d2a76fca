"""Whether a representation of images is worth more than their pixels, told without a label."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from simclr.augment.addressed import permutation
from simclr.augment.pipeline import build_views
from simclr.data.held_out import QUERY_STREAM
from simclr.data.preprocess import Preprocess
from simclr.data.source import Source
from simclr.train.verdict import Encode, Verdict, compared

QUERIES = 1_000
SIDE = 16
DEGREES, TRANSLATE, SCALE, NOISE = 16.0, 0.12, (0.9, 1.1), 0.1


class ImageJudge:
    """One question to a representation of images that nobody has learned from, and to the untrained baselines.

    Is an image found among all of them by another look at it, turned by up to 16 degrees, moved by up to 12 % of its
    side, 10 % larger or smaller, and with some noise? The looks are the same whatever views the recipe has: a
    representation that mistook what matters for what does not, or learned nothing, finds less.

    Args:
        source: raw images.
        preprocess: fitted, raw → encoder input.
        held_out: ids of the images that are not learned from.
        seed: of the looks.

    Attributes:
        ids: of the images that are looked at.
        baselines: what each of them finds.
    """

    def __init__(self, source: Source, preprocess: Preprocess, held_out: Tensor, seed: int) -> None:
        self.ids = held_out[permutation(seed, QUERY_STREAM, len(held_out))[:QUERIES]].sort().values
        raw = source[self.ids]
        device = preprocess.offset.device
        units = preprocess.to_units(raw.to(device), source.value_max)
        edge = torch.cat([units[..., 0, :], units[..., -1, :], units[..., 0], units[..., -1]], -1)
        operations: dict[str, dict[str, Any]] = {
            "affine": {
                "degrees": DEGREES,
                "translate": TRANSLATE,
                "scale": SCALE,
                "shear": 0.0,
                "fill": float(edge.median()),
            },
            "noise": {"sd": NOISE * float(units.std()), "p": 1.0},
        }
        views = build_views(
            operations, size=(units.shape[-2], units.shape[-1]), in_chans=units.shape[1], views=1, seed=seed
        )
        looks = views(units, self.ids.to(device), 0)[0]
        self._pairs = [preprocess.finish(x.contiguous()).cpu() for x in (units, looks)]
        small = [adaptive_avg_pool2d(x, min(SIDE, *x.shape[-2:])).flatten(1) for x in self._pairs]
        self.baselines = {"pixels": self.measure(*small)}

    def add_baseline(self, name: str, encode: Encode) -> None:
        """What an encoder finds, as one more baseline."""
        self.baselines[name] = self._found(encode)

    def look(self, encode: Encode) -> Verdict:
        """The verdict on an encoder."""
        return compared(self._found(encode), self.baselines)

    def measure(self, plain: Tensor, looks: Tensor) -> float:
        """Share of the looks (n, dim) whose most similar image, by the cosine of centred features, is their own."""
        mean = plain.mean(0)
        similar = F.normalize(looks - mean, dim=1) @ F.normalize(plain - mean, dim=1).T
        return float((similar.argmax(1) == torch.arange(len(plain))).float().mean())

    def _found(self, encode: Encode) -> float:
        return self.measure(*(torch.cat([encode(part) for part in x.split(512)]) for x in self._pairs))
