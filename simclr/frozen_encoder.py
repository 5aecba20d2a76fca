"""A pretrained encoder as other projects use it: it stays as it is, whatever the module around it does."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from simclr.data.content import SampleHashes
from simclr.data.preprocess import Preprocess
from simclr.encoder_metadata import EncoderMetadata
from simclr.errors import InputError
from simclr.models.encoder import random_encoder

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


class FrozenEncoder(nn.Module):
    """A pretrained encoder with the preprocessing that it was trained with; in eval mode, without gradients.

    Call ``encoder(encoder.preprocess(batch))`` with a raw batch (B, bands, H, W), in the units and dtype of the
    data that it was pretrained on.

    It may be a part of another module. Frozen, it stays so: of the parent's ``train()``, ``requires_grad_(True)`` and
    ``apply(…)`` nothing reaches it, so that no weight and no statistic of it ever moves; gradients with respect to its
    input flow. It goes along to another device, and takes on the parent's ``half()``, ``bfloat16()`` or ``double()``:
    the representation is then of that dtype. The preprocessing stays in float32. To fine-tune the network, take
    ``trainable_copy()``.

    Attributes:
        preprocess: raw batch → input of the encoder.
        feature_dim: width of the representation.
        metadata: what it saw and how it was made; a read-only mapping with typed names.
        saw: hashes of the samples that it was pretrained on, in their order; None where its file holds none.
    """

    def __init__(
        self,
        encoder: nn.Module,
        preprocess: Preprocess,
        metadata: Mapping[str, Any],
        saw: SampleHashes | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.preprocess = preprocess
        self.metadata = EncoderMetadata(metadata)
        self.saw = saw
        self.feature_dim: int = self.metadata.feature_dim
        preprocess.patch_size = self.metadata.source.patch_size
        self.eval().requires_grad_(False)
        # Convolutions are up to twice as fast this way; the numbers are the same.
        self.encoder.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """Preprocessed batch (B, C, H, W) → representations (B, feature_dim), of the dtype of the weights: float32.

        Args:
            x: as ``preprocess`` gives it; any float type.

        Raises:
            InputError: no float tensor, wrong rank or number of channels, no pixels or not as many as the
                network takes, or on another device.
        """
        self._freeze()
        weight = next(filter(torch.is_floating_point, chain(self.encoder.parameters(), self.encoder.buffers())), None)
        self._check(x, weight)
        dtype = torch.float32 if weight is None else weight.dtype
        try:
            return self.encoder(x.to(dtype).contiguous(memory_format=torch.channels_last)).to(dtype)
        except AssertionError as error:  # so say timm's networks of a fixed size
            raise InputError(f"this encoder does not take {x.shape[2]}x{x.shape[3]} pixels: {error}") from None

    def random_twin(self, seed: int) -> FrozenEncoder:
        """The same architecture and preprocessing with fresh random weights: the baseline of every result.

        Raises:
            InputError: ``seed`` is no integer from 0 to 2^63 - 1.
        """
        weight = next(self.encoder.parameters())
        encoder = random_encoder(seed, **self.metadata.architecture).to(weight.device, weight.dtype)
        metadata = self.metadata.with_entries(random_weights_seed=seed)
        return FrozenEncoder(encoder, copy.deepcopy(self.preprocess), metadata)

    def trainable_copy(self) -> nn.Module:
        """A copy of the network alone, to be fine-tuned: in training mode, with gradients. This one stays frozen.

        Returns:
            Input of the encoder (B, C, H, W) → representations (B, feature_dim).

        Example:
            >>> net = nn.Sequential(encoder.trainable_copy(), nn.Linear(encoder.feature_dim, 10))
            >>> scores = net(encoder.preprocess(batch))
        """
        return copy.deepcopy(self.encoder).requires_grad_(True).train()

    def train(self, mode: bool = True) -> FrozenEncoder:
        """Eval mode, whatever ``mode``: a parent's ``train()`` comes here."""
        return super().train(False)

    def requires_grad_(self, requires_grad: bool = True) -> FrozenEncoder:
        """Without gradients it stays.

        Raises:
            InputError: if ``requires_grad``.
        """
        if requires_grad:
            raise InputError("this encoder is frozen: train encoder.trainable_copy(), a copy of its network, instead")
        return super().requires_grad_(False)

    def apply(self, fn: Callable[[nn.Module], None]) -> FrozenEncoder:
        """Nothing: a parent's ``apply``, for weights to start from, say, is not for weights that are frozen."""
        return self

    def named_modules(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, nn.Module]]:
        """As of any module. Every walk through a parent's parameters comes here and finds this one's frozen: a parent's
        ``requires_grad_(True)`` passes by the methods of its parts, and is undone before anyone looks."""
        self._freeze()
        return super().named_modules(*args, **kwargs)

    def _freeze(self) -> None:
        if any(module.training for module in self.encoder.modules()):
            self.encoder.eval()
        for parameter in self.encoder.parameters():
            if parameter.requires_grad:
                parameter.requires_grad_(False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> FrozenEncoder:
        """torch's hook behind ``to()``, ``half()`` and their like."""
        exact = [(module, name, value) for module in self.preprocess.modules() for name, value in _buffers(module)]
        super()._apply(fn, recurse)
        for module, name, value in exact:
            now = getattr(module, name)
            if now.dtype != value.dtype:  # half precision would spoil raw values of five digits
                setattr(module, name, value.to(now.device))
        for name, value in chain(self.encoder.named_parameters(), self.encoder.named_buffers()):
            if (value.is_floating_point() or value.is_complex()) and value.dtype not in DTYPES:
                raise InputError(
                    f"this encoder cannot work in {value.dtype}: use float32, float64, bfloat16 or float16"
                )
            if value.dtype == torch.float16 and value.device.type != "meta" and not bool(value.isfinite().all()):
                raise InputError(f"float16 ends at 65,504, and {name} lies beyond it: use bfloat16, or autocast")
        return self

    def _check(self, x: Tensor, weight: Tensor | None) -> None:
        expected = self.metadata.in_chans
        advice = "call encoder(encoder.preprocess(batch)) with a raw batch"
        if not isinstance(x, Tensor):
            raise InputError(f"the batch is a {type(x).__name__}: {advice}, a tensor (torch.from_numpy makes one)")
        if x.ndim != 4 or x.shape[1] != expected:
            raise InputError(
                f"the encoder takes (B, {expected}, H, W), but the batch has shape {tuple(x.shape)}: {advice}"
            )
        if 0 in x.shape[2:]:
            raise InputError(f"the batch has shape {tuple(x.shape)}, which is without pixels: {advice}")
        patch = self.metadata.source.patch_size
        side = None if patch is None else patch // self.preprocess.pool
        if side is not None and tuple(x.shape[2:]) != (side, side):
            raise InputError(
                f"the encoder was pretrained on patches of {patch}x{patch} pixels, but the batch has shape "
                f"{tuple(x.shape)}: give patches of that size"
            )
        if not x.is_floating_point():
            raise InputError(f"the encoder takes floats, but the batch is {str(x.dtype).split('.')[-1]}: {advice}")
        if weight is not None and x.device != weight.device:
            raise InputError(f"the encoder is on {weight.device}, but the batch on {x.device}: move one of the two")


def _buffers(module: nn.Module) -> list[tuple[str, Tensor]]:
    return list(module.named_buffers(recurse=False))
