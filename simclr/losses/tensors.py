"""What is wrong with the tensors that a loss is given, each in a line; None where nothing is."""

from __future__ import annotations

import torch
from torch import Tensor


def complaint_of_beside(name: str, beside: object, rows: Tensor, axis: int, of: str, noun: str) -> str | None:
    """What is wrong with a tensor that has a row for each row of another.

    Args:
        name: of the tensor, in the plural; ``labels`` have to be integers of one axis.
        beside: the tensor.
        rows: what it belongs to.
        axis: of ``rows``, as long as the tensor.
        of: what ``rows`` is called.
        noun: what a row is.
    """
    if not isinstance(beside, Tensor):
        return f"{name} are a {type(beside).__name__}, but must be a tensor: torch.as_tensor({name}) makes one"
    if beside.layout != torch.strided or beside.is_quantized:
        return f"{name} are {'quantized' if beside.is_quantized else 'sparse'}: give a dense tensor"
    if name == "labels" and (beside.ndim != 1 or beside.is_floating_point() or beside.is_complex()):
        return f"labels are {shape_of(beside, 0)}, but must be integers, (batch,)"
    if beside.ndim == 0 or len(beside) != rows.shape[axis]:
        verb = "have" if of.endswith("s") else "has"
        return f"{name} have the shape {tuple(beside.shape)}, but {of} {verb} {rows.shape[axis]} {noun}"
    if beside.device != rows.device:
        be = "are" if of.endswith("s") else "is"
        return (
            f"{name} are on {beside.device}, but {of} {be} on {rows.device}: {name}.to({of}.device) brings them there"
        )
    return None


def complaint_of_floats(name: str, x: object) -> str | None:
    """What keeps a thing from being a dense tensor of floats.

    Args:
        name: of the thing, singular (z) or plural (embeddings).
        x: the thing.
    """
    be = "are" if name.endswith("s") else "is"
    if not isinstance(x, Tensor) or not x.is_floating_point() or x.dtype.itemsize < 2:
        return f"{name} {be} no float tensor: give float32, float64, bfloat16 or float16"
    if x.layout != torch.strided or x.is_meta:
        return f"{name} {be} {'on the meta device' if x.is_meta else 'sparse'}: give a dense tensor that holds numbers"
    return None


def shape_of(x: Tensor | None, free_axis: int) -> str:
    """Shape and dtype in words, with n for an axis that may differ over the processes; ``none`` for None."""
    if x is None:
        return "none"
    sides = ["n" if axis == free_axis else str(side) for axis, side in enumerate(x.shape)]
    return f"({', '.join(sides)}) {str(x.dtype).removeprefix('torch.')}"
