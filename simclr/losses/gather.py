"""The parts of a global batch from all processes, in one tensor; nothing of it carries a gradient."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

# torch has renamed it, and warns of the old name.
_all_gather = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor


class Part(NamedTuple):
    """What a process says of its part of a global batch.

    Attributes:
        images: how many it gives.
        complaint: what is wrong with it, in a line.
        common: by name, what has to be the same in every process.
    """

    images: int
    complaint: str | None
    common: Mapping[str, str]


def agree(mine: Part, check: bool, least: int = 2) -> list[int]:
    """How many images each process gives: this one first, the others by rank.

    Args:
        mine: this process's part.
        check: ask the other processes; else their parts are taken to be like this one.
        least: images of a global batch.

    Raises:
        ValueError: in every process, if one of them complains or they do not fit together.
    """
    world_size = dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
    parts = [mine] * world_size
    if check and world_size > 1:
        dist.all_gather_object(parts, mine)
    for i, part in enumerate(parts):
        if part.complaint:
            raise ValueError((f"process {i}: " if world_size > 1 and check else "") + part.complaint)
        for name, value in part.common.items():
            if value != parts[0].common[name]:
                raise ValueError(
                    f"{name} differs over the processes: {parts[0].common[name]} in process 0, {value} in process {i}"
                )
    images = [part.images for part in parts]
    if sum(images) < least:
        raise ValueError("the global batch is one image, which has no negatives: give two or more")
    if world_size > 1:
        images.insert(0, images.pop(dist.get_rank()))
    return images


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
    # As bytes, for not every backend knows every dtype; as a copy, for an axis of one may have any stride.
    part = x.detach().reshape(len(x), -1).clone(memory_format=torch.contiguous_format).view(torch.uint8)
    if len(x) < longest:
        part = torch.cat([part, part.new_zeros(longest - len(x), part.shape[1])])
    everyone = part.new_empty(len(lengths) * longest, part.shape[1])
    _all_gather(everyone, part)
    parts = list(everyone.view(x.dtype).split(longest))
    parts.insert(0, parts.pop(dist.get_rank()))
    return torch.cat([p[:length] for p, length in zip(parts, lengths)]).view(-1, *x.shape[1:])
