"""A source whose samples are one tensor, on whatever device the training runs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from simclr.data.source import Source
from simclr.errors import InputError

_VALUE_MAX = {torch.uint8: 255, torch.int8: 127, torch.int16: 32767}


class TensorSource(Source):
    """A resident source over images that already are a tensor.

    Args:
        images: (N, C, H, W), any real dtype that torch can index; kept as it is.
        labels: (N,) class index 0..K-1, -1 = unlabelled, or None.
        name: what it is called in logs.
        class_names: K names; the class numbers as text when empty.
        value_max: largest possible value of the stored pixels; taken from the dtype when None.

    Raises:
        InputError: if the images are not 4-D or empty, or the labels do not fit them.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor | None = None,
        *,
        name: str = "tensor",
        class_names: Sequence[str] = (),
        value_max: int | None = None,
    ) -> None:
        if images.ndim != 4 or len(images) == 0:
            raise InputError(
                f"{name} has images of shape {tuple(images.shape)}: give (N, C, H, W) with N of at least 1."
            )
        super().__init__(
            name,
            images.shape[1],
            labels=labels,
            class_names=class_names,
            value_max=_VALUE_MAX.get(images.dtype) if value_max is None else value_max,
        )
        self.images = images
        self._check_labels()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, ids: Tensor) -> Tensor:
        return self.images[ids.to(self.images.device)]

    @property
    def device(self) -> torch.device:
        return self.images.device

    def to(self, device: torch.device | str) -> TensorSource:
        self.images = self.images.to(device)
        return self
