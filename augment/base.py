"""kornia augmentations whose parameters are a pure function of uniform random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from kornia.augmentation import GeometricAugmentationBase2D, IntensityAugmentationBase2D
from kornia.augmentation.base import _AugmentationBase
from kornia.geometry.transform import warp_affine
from torch import Tensor

from simclr.augment import checks
from simclr.augment.needs import Need

# What kornia puts among the parameters for itself.
_KORNIAS_NOTES = ("batch_prob", "forward_input_shape")


class Drawn(NamedTuple):
    """What was drawn for an operation on a batch.

    Attributes:
        applied: (B,) bool, the gate.
        parameters: name -> (B, ...), as ``operate`` takes them.
    """

    applied: Tensor
    parameters: dict[str, Tensor]

    def of(self, rows: Tensor | slice) -> Drawn:
        """Those of some rows, in their order."""
        return Drawn(self.applied[rows], {name: value[rows] for name, value in self.parameters.items()})


class AddressedOperation(_AugmentationBase):
    """What the operations add to kornia's 2D bases: parameters computed from given uniforms, per sample.

    An operation declares how many uniforms a sample needs (``draws``), turns them into parameters
    (``compute_parameters``) and applies those (``operate``). Used alone or in kornia's ``AugmentationSequential`` it
    draws the uniforms from torch's global generator; ``Views`` hands in addressed ones. Column 0 is the gate: applied
    where ``u < p``.
    """

    needs: ClassVar[frozenset[Need]] = frozenset()
    """What the operation takes from the source of its samples besides the samples."""

    keeps_label: ClassVar[bool] = True
    """Whether the label of a sample still holds for what the operation makes of it; if not, supervised training leaves
    it out."""

    acts_on_bands: ClassVar[bool] = True
    """Whether band values change other than by moving or averaging pixels, so that a per-pixel linear map of the
    bands does not commute with the operation."""

    def __init__(self, p: float, keepdim: bool = False, **flags: Any) -> None:
        super().__init__(p=checks.probability("p", p), keepdim=checks.switch("keepdim", keepdim))
        self.flags = flags

    def draws(self, shape: Sequence[int]) -> int:
        """How many uniforms a sample of a (B, C, H, W) batch needs, the gate's not counted."""
        raise NotImplementedError

    def compute_parameters(self, u: Tensor, shape: Sequence[int]) -> dict[str, Tensor]:
        """Parameters of each sample, on the device of ``u``: a pure function of its row of ``u`` (B, draws) and of
        (C, H, W), the rest of the shape."""
        raise NotImplementedError

    def work_key(self, drawn: Drawn) -> Tensor | None:
        """(B,) integers: samples of one key are worked on faster side by side, on a CPU; None if nothing is gained."""
        return None

    def operate(self, x: Tensor, parameters: dict[str, Tensor], flags: dict[str, Any]) -> Tensor:
        """The operation on every sample of ``x`` (B, C, H, W), which is kept; the result may be written to."""
        raise NotImplementedError

    def mix(self, x: Tensor, others: Tensor, drawn: Drawn) -> Tensor:
        """The operation as it was drawn with the neighbours that it needs (``Need.NEIGHBOURS``).

        Args:
            x: (B, C, H, W).
            others: (B, C, H, W), the neighbour of each sample.
            drawn: of these rows.
        """
        raise NotImplementedError

    def output_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Shape of the result for a (B, C, H, W) input."""
        return tuple(shape)

    def check_bands(self, bands: int) -> None:
        """Raise a ValueError if the operation does not take images of so many bands."""

    def check_size(self, height: int, width: int) -> None:
        """Raise a ValueError if the operation does not take images of this size."""

    def note(self, parameters: dict[str, Tensor], row: int) -> dict[str, Any]:
        """The drawn parameters of one sample in plain numbers, for a reader; long ones (noise, curves) are left out."""
        notes: dict[str, Any] = {}
        for name, value in parameters.items():
            if name not in (*_KORNIAS_NOTES, "runs") and value[row].numel() <= 4:
                numbers = value[row].tolist()
                notes[name] = [_plain(n) for n in numbers] if isinstance(numbers, list) else _plain(numbers)
        return notes

    def describe(self) -> str:
        """The arguments in a line."""
        return ", ".join(f"{k}={_argument(v)}" for k, v in {**self.flags, "p": self.p}.items())

    def forward(self, input: Tensor, params: dict[str, Tensor] | None = None, **kwargs: Any) -> Tensor:
        """kornia's call: the operation on images (B, C, H, W), (C, H, W) or (H, W), floating point.

        Raises:
            ValueError: if ``input`` is no such tensor, or the operation does not take such images.
        """
        check_images("the input", input, (2, 3, 4))
        if not input.is_floating_point():
            raise ValueError(f"the input is {_dtype(input)}, but must be floating point.")
        return super().forward(input, params, **kwargs)

    def forward_parameters(self, batch_shape: Sequence[int], uniforms: Tensor | None = None) -> dict[str, Tensor]:
        """Draw the parameters of a batch.

        Args:
            batch_shape: (B, C, H, W).
            uniforms: (B, 1 + draws) in [0, 1), the first column the gate; from torch's global generator if None, and
                then the same for all samples where kornia has set ``same_on_batch``.

        Returns:
            Tensors with B rows, and kornia's ``batch_prob`` and ``forward_input_shape``.

        Raises:
            ValueError: if ``uniforms`` has another shape.
        """
        expected = (batch_shape[0], 1 + self.draws(batch_shape))
        if uniforms is None and self.same_on_batch:
            uniforms = torch.rand((1, expected[1]), device=self.device).repeat(expected[0], 1)
        elif uniforms is None:
            uniforms = torch.rand(expected, device=self.device)
        elif tuple(uniforms.shape) != expected:
            raise ValueError(f"uniforms are {tuple(uniforms.shape)}, but this operation takes {expected}.")
        drawn = self.compute_parameters(uniforms[:, 1:], batch_shape)
        drawn["batch_prob"] = (uniforms[:, 0] < self.p).float()
        drawn["forward_input_shape"] = torch.tensor(tuple(batch_shape))
        return drawn

    def apply_transform(
        self, input: Tensor, params: dict[str, Tensor], flags: dict[str, Any], transform: Tensor | None = None
    ) -> Tensor:
        """kornia's hook: the operation on every sample; kornia then keeps the samples that the gate selects."""
        # Not all of kornia's notes are tensors.
        drawn = {k: v.to(input.device) for k, v in params.items() if isinstance(v, Tensor) and k not in _KORNIAS_NOTES}
        # Autocast would blur and resample in half precision.
        with torch.autocast(input.device.type, enabled=False):
            return self.operate(input, drawn, flags)

    def draw(self, uniforms: Tensor, shape: Sequence[int]) -> Drawn:
        """Gate and parameters of a (B, C, H, W) batch from ``uniforms`` (B, 1 + draws), on their device."""
        return Drawn(uniforms[:, 0] < self.p, self.compute_parameters(uniforms[:, 1:], shape))

    def apply_drawn(self, x: Tensor, drawn: Drawn, **given: Tensor) -> Tensor:
        """The operation as it was drawn; ``x`` may be overwritten, and nothing of the call is kept.

        Args:
            x: (B, C, H, W).
            drawn: of these rows.
            given: further parameters for ``operate``, each with B rows.
        """
        if self.p == 1.0 or x.device.type != "cpu":
            out = self.operate(x, drawn.parameters | given, self.flags)
            return out if self.p == 1.0 else torch.where(drawn.applied.view(-1, 1, 1, 1), out, x)
        # On a CPU, picking the rows costs little and saves the work on the others; a GPU would have to wait.
        rows = rows_where(drawn.applied)
        memory = as_in_memory(x)
        chosen = memory[rows] if isinstance(rows, slice) else memory.index_select(0, rows)
        parameters = {name: value[rows] for name, value in (drawn.parameters | given).items()}
        out = self.operate(chosen if memory is x else chosen.permute(0, 3, 1, 2), parameters, self.flags)
        out = out if memory is x else out.permute(0, 2, 3, 1)
        if isinstance(rows, slice):
            memory[rows] = out
        else:
            memory.index_copy_(0, rows, out)
        return x


class IntensityOperation(AddressedOperation, IntensityAugmentationBase2D):
    """Changes values and moves nothing: masks, boxes and keypoints pass."""


class GeometricOperation(AddressedOperation, GeometricAugmentationBase2D):
    """Moves pixels: masks, boxes and keypoints follow, by the matrix of ``compute_transformation``."""

    acts_on_bands = False
    # The images never read the matrix, so kornia builds it only when asked.
    _compute_matrix_lazily = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # Marked so, kornia keeps the batch's shape for a matrix asked for later, and not the batch.
        if method := cls.__dict__.get("compute_transformation"):
            method._kornia_input_metadata_only = method

    def inverse_transform(
        self,
        input: Tensor,
        flags: dict[str, Any],
        transform: Tensor | None = None,
        size: tuple[int, int] | None = None,
    ) -> Tensor:
        """kornia's hook: warp back on the original canvas; what was cropped away is zero."""
        if transform is None:
            raise ValueError("inverse needs the matrix of the call to be undone: run the operation forward first.")
        return warp_affine(input, transform[:, :2], size or (input.shape[-2], input.shape[-1]), align_corners=True)


def check_images(name: str, x: Tensor, axes: Sequence[int]) -> None:
    """Raise a ValueError if ``x`` is no dense tensor of real numbers with bands and pixels, of so many axes."""
    if not isinstance(x, Tensor):
        raise ValueError(f"{name} is a {type(x).__name__}, but must be a tensor (samples, bands, height, width).")
    if x.dim() not in axes:
        raise ValueError(f"{name} is {tuple(x.shape)}, but must be (samples, bands, height, width).")
    if 0 in x.shape[-3:]:
        raise ValueError(f"{name} is {tuple(x.shape)}, and has no bands or no pixels.")
    if x.layout != torch.strided or x.is_meta or x.is_complex():
        kind = "complex" if x.is_complex() else "on the meta device" if x.is_meta else "sparse"
        raise ValueError(f"{name} is {kind}, but must be a dense tensor of real numbers.")


def as_in_memory(x: Tensor) -> Tensor:
    """(B, C, H, W) as it is, or as (B, H, W, C) if it lies so: whole samples are then copied fast."""
    last = x.permute(0, 2, 3, 1)
    return last if last.is_contiguous() else x


def rows_where(chosen: Tensor) -> Tensor | slice:
    """The rows at which ``chosen`` (B,), on the CPU, is true: a slice if they lie side by side."""
    rows = chosen.nonzero()[:, 0]
    if not len(rows):
        return slice(0, 0)
    first, last = int(rows[0]), int(rows[-1])
    return slice(first, last + 1) if last - first + 1 == len(rows) else rows


def per_sample(value: Tensor, x: Tensor) -> Tensor:
    """(B,) to (B, 1, 1, 1) in the dtype of ``x``, to broadcast over an image batch."""
    return value.to(x.dtype).view(-1, 1, 1, 1)


def affine_matrix(rows: Sequence[Sequence[Tensor | float]], like: Tensor, batch: int) -> Tensor:
    """(B, 3, 3) matrix from the entries of its first two rows, each a number or a (B,) tensor."""
    rows = [*rows, (0.0, 0.0, 1.0)]
    entries = [torch.as_tensor(e, dtype=like.dtype, device=like.device).expand(batch) for row in rows for e in row]
    return torch.stack(entries, dim=-1).view(batch, 3, 3)


def _dtype(x: Tensor) -> str:
    return str(x.dtype).removeprefix("torch.")


def _argument(value: Any) -> str:
    """An argument as a reader wants it: ranges as from..to."""
    if isinstance(value, tuple):
        return "..".join(_argument(part) for part in value)
    return str(float(f"{value:.4g}") if isinstance(value, float) else value)


def _plain(number: float) -> float:
    """A number of four digits; whole ones as integers."""
    return int(number) if float(number).is_integer() else float(f"{number:.4g}")
