"""A layer of prototypes behind an encoder: how much a place of the image looks like a place of a training image."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from simclr.errors import InputError
from simclr.models.memory import check_memory

EPS = 1e-4
"""Added to a squared distance of 0, whose similarity is then log(1e4 + 1) = 9.2."""
OWN, OTHER = 1.0, -0.5
"""What the last layer starts with, for prototypes of the class and of other classes."""
_LIMITS = {"classes": (2, 10**6), "per_class": (1, 10_000), "dim": (1, 10_000), "level": (1, 8)}


class Prototyped(nn.Module):
    """x (B, C, H, W) → map of the encoder → add-on layers → similarity of each prototype's nearest place (B, P).

    Prototypes are vectors that are compared with each place of the map, by squared distance; the first ``per_class``
    are those of class 0, and so on. `logits` adds similarities up, with weights: points for each class.

    Args:
        encoder: with ``maps`` (x → one map for each stage) and ``map_chans``, its channels: a ResNet, a pyramid.
        classes: how many.
        per_class: prototypes of a class.
        dim: of a prototype.
        level: which of the encoder's maps, counted from the last: 1 is the coarsest.

    Attributes:
        prototypes: the vectors, (P, dim).
        last: similarities (B, P) → points (B, classes), without bias; not for an optimizer to learn.
        class_of: class of each prototype, (P,) int64.
        sample: id of the training image that it is a place of, (P,) int64; -1 as long as it is of none.
        place: row and column in the map, (P, 2) int64.

    Raises:
        InputError: an encoder without a map, or numbers that make no sense.

    Source: Chen et al., "This looks like that: deep learning for interpretable image recognition", NeurIPS 2019.
    """

    class_of: Tensor
    sample: Tensor
    place: Tensor

    def __init__(self, encoder: nn.Module, classes: int, per_class: int = 10, dim: int = 64, level: int = 1) -> None:
        super().__init__()
        given = {"classes": classes, "per_class": per_class, "dim": dim, "level": level}
        for name, (low, high) in _LIMITS.items():
            if isinstance(given[name], bool) or not isinstance(given[name], int) or not low <= given[name] <= high:
                raise InputError(f"prototypes: {name} is {given[name]!r:.40}, but must be {low:,} to {high:,}")
        channels: list[int] | None = getattr(encoder, "map_chans", None)
        if channels is None:
            raise InputError(
                "prototypes are places in an encoder's map of features, and this encoder has none: take a ResNet or a "
                "pyramid (encoder.name), without an embedding layer (embedding=null)"
            )
        if level > len(channels):
            raise InputError(f"prototypes: level is {level}, but the encoder has {len(channels)} maps")
        self.config, self.feature_dim, self.level = given, classes * per_class, level
        check_memory("the prototypes", 4 * self.feature_dim * (dim + classes), "set a smaller per_class")
        self.encoder = encoder
        self.add_on = nn.Sequential(
            nn.Conv2d(channels[-level], dim, 1), nn.ReLU(), nn.Conv2d(dim, dim, 1), nn.Sigmoid()
        )
        self.prototypes = nn.Parameter(torch.rand(self.feature_dim, dim))
        self.register_buffer("class_of", torch.arange(classes).repeat_interleave(per_class))
        self.register_buffer("sample", torch.full((self.feature_dim,), -1))
        self.register_buffer("place", torch.full((self.feature_dim, 2), -1))
        self.last = nn.Linear(self.feature_dim, classes, bias=False).requires_grad_(False)
        self.last.weight.copy_(torch.where(self.own(), OWN, OTHER))

    def forward(self, x: Tensor) -> Tensor:
        """Similarities, (B, P)."""
        return similarity(self.nearest(x))

    def own(self) -> Tensor:
        """Whether a prototype is of a class, (classes, P)."""
        return self.class_of == torch.arange(self.config["classes"], device=self.class_of.device)[:, None]

    def nearest(self, x: Tensor) -> Tensor:
        """Squared distance of each prototype to the nearest place of an image, (B, P)."""
        return self.distances(self.places(x)).amin((2, 3))

    def places(self, x: Tensor) -> Tensor:
        """The map after the add-on layers, (B, dim, h, w), values 0 to 1."""
        maps: list[Tensor] = cast(Any, self.encoder).maps(x)
        chosen = maps[-self.level]
        if self.training:  # every parameter has a gradient, which DistributedDataParallel waits for
            for later in maps[len(maps) - self.level + 1 :]:
                chosen = chosen + 0 * later.mean()
        places: Tensor = self.add_on(chosen)
        return places

    def distances(self, places: Tensor) -> Tensor:
        """Squared distances of places (B, dim, h, w) to prototypes, (B, P, h, w), in float32 at least."""
        with torch.autocast(places.device.type, enabled=False):
            exact = torch.promote_types(places.dtype, torch.float32)
            # By differences: the distance of what is equal is 0, to the last bit.
            rows = places.to(exact).flatten(2).transpose(1, 2)
            d = torch.cdist(rows, self.prototypes.to(exact)[None], compute_mode="donot_use_mm_for_euclid_dist")
            return d.square().transpose(1, 2).unflatten(2, places.shape[2:])

    def logits(self, similarities: Tensor) -> Tensor:
        """Points for each class, (B, P) → (B, classes)."""
        points: Tensor = self.last(similarities)
        return points


def similarity(squared: Tensor) -> Tensor:
    """log((d² + 1) / (d² + ε)) of squared distances: 9.2 where the distance is 0, and falling to 0.

    Source: Chen et al., NeurIPS 2019, section 2.1.
    """
    return ((squared + 1) / (squared + EPS)).log()
