"""The parts of a global batch from all processes, in one tensor; nothing of it carries a gradient."""

from collections.abc import Mapping, Sequence

import torch
import torch.distributed as dist
from torch import Tensor

_DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
# Between these, the length of a row neither overflows nor vanishes in float32.
_LEAST, _MOST = 1e-12, 1e17


def gather(x: Tensor, lengths: Sequence[int]) -> Tensor:
    """Concatenate the parts of all processes along the first axis: this process's own first, the others by rank.

    Args:
        x: this process's part, (lengths[0], …).
        lengths: of the parts, in that order.

    Returns:
        (sum of lengths, …).
    """
    if len(lengths) == 1:
        return x
    longest = max(lengths)
    # As bytes, for not every backend knows every dtype.
    part = x.detach().reshape(len(x), -1).contiguous().view(torch.uint8)
    if len(x) < longest:
        part = torch.cat([part, part.new_zeros(longest - len(x), part.shape[1])])
    everyone = part.new_empty(len(lengths) * longest, part.shape[1])
    dist.all_gather_into_tensor(everyone, part)
    parts = list(everyone.view(x.dtype).split(longest))
    parts.insert(0, parts.pop(dist.get_rank()))
    return torch.cat([p[:length] for p, length in zip(parts, lengths)]).view(-1, *x.shape[1:])


def parts_of(z: Tensor, beside: Mapping[str, Tensor | None], check: bool) -> list[int]:
    """How many images each process gives: this one first, the others by rank.

    Args:
        z: this process's projections, (views, batch, dim).
        beside: tensors with a row for each image, by name; None where not given.
        check: look at values, and at what the other processes give; else that is taken to be as here.

    Raises:
        ValueError: in every process, if one of them gives what is unfit, or they do not fit together.
    """
    world_size = dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
    rank, found = 0, [_facts(z, beside, check)]
    if world_size > 1 and check:
        rank = dist.get_rank()
        mine = torch.tensor(found[0], device=z.device)
        everyone = mine.new_empty(world_size * len(mine))
        dist.all_gather_into_tensor(everyone, mine)
        found = everyone.view(world_size, -1).tolist()
    elif world_size > 1:
        found *= world_size
    for i, facts in enumerate(found):
        complaint = _complaint(facts, list(beside))
        if complaint:
            raise ValueError((f"process {i}: " if world_size > 1 else "") + complaint)
        if facts[:4] != found[0][:4]:
            raise ValueError(
                f"z differs over the processes: {_describe(found[0])} in process 0, {_describe(facts)} in process {i}; "
                "only the number of images may differ"
            )
    batches = [facts[4] for facts in found]
    if sum(batches) < 2:
        raise ValueError("the global batch is one image, which has no negatives: give two or more")
    batches.insert(0, batches.pop(rank))
    return batches


def _facts(z: Tensor, beside: Mapping[str, Tensor | None], check: bool) -> list[int]:
    """What a process says of its part; the first four have to be the same everywhere."""
    views, batch, dim = z.shape if z.ndim == 3 else (0, 0, 0)
    dtype = _DTYPES.index(z.dtype) if z.dtype in _DTYPES else -1
    finite = nonzero = 1
    if check and z.numel() and z.ndim == 3 and dtype >= 0:
        largest = z.detach().abs().amax(-1)
        finite, nonzero = torch.stack(((largest < _MOST).all(), (largest > _LEAST).all())).tolist()
    lengths = [-1 if t is None else len(t) if t.ndim else 0 for t in beside.values()]
    return [z.ndim, dtype, views, dim, batch, int(finite), int(nonzero), *lengths]


def _complaint(facts: Sequence[int], names: Sequence[str]) -> str | None:
    rank, dtype, views, dim, batch, finite, nonzero, *lengths = facts
    if rank != 3:
        return f"z has {rank} axes, but must be (views, batch, dim): z.unflatten(0, (views, -1)) splits stacked views"
    if dtype < 0:
        return "z is no float tensor: give float32, float64, bfloat16 or float16"
    if views < 2 or batch < 1 or dim < 1:
        return f"z has shape {(views, batch, dim)}, but must be (views, batch, dim) with at least two views"
    if not finite:
        return f"z holds NaN, infinity or values beyond {_MOST:g}: the encoder has diverged"
    if not nonzero:
        return "z holds a row of zeros, which has no direction: the projection head has collapsed"
    for name, length in zip(names, lengths):
        if length not in (-1, batch):
            return f"{name} has {length} rows, but z has {batch} images"
    return None


def _describe(facts: Sequence[int]) -> str:
    _, dtype, views, dim, batch, *_ = facts
    return f"{(views, batch, dim)} {str(_DTYPES[dtype]).removeprefix('torch.')}"
