"""Gradient caching: the gradient of a large batch in the memory of a micro batch.

NT-Xent needs the projections of the whole batch, but not the activations that led to them. So every micro batch goes
through the network twice: first without a graph, only to learn z; then, once the gradient of the loss with respect to
z is known, again with a graph, to carry that gradient to the parameters. The price is one more forward pass.

The gradient is that of the whole batch wherever a row does not depend on its neighbours in the batch: with GroupNorm,
LayerNorm or frozen BatchNorm. BatchNorm in training mode normalises each micro batch by its own statistics, over all
processes; its running statistics are updated once for every micro batch of a step, in order, by the second pass alone.

Source: Gao et al., "Scaling deep contrastive learning batch size under memory limited setup", RepL4NLP 2021.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import torch
from torch import Tensor, nn

from simclr.errors import InputError

T = TypeVar("T")


def micro_batch_sizes(share: int, micro_batch: int | None, world_size: int = 1) -> list[int]:
    """Cut one process's images of a step into the fewest micro batches, as equal in size as can be.

    Args:
        share: images of a step that this process takes.
        micro_batch: the most that go through the network at once; all of them when None.
        world_size: number of processes, which normalise their micro batches together.

    Returns:
        The number of images in each micro batch, largest first; just ``[share]`` when nothing needs caching.

    Raises:
        InputError: a micro batch would hold a single image over all processes. BatchNorm would normalise the views of
            an image by themselves, which makes two views each other's negative, whatever they show.
    """
    count = -(-share // (micro_batch or share))
    least, larger = divmod(share, count)
    if count > 1 and least * world_size < 2:
        raise InputError(
            f"train.micro_batch is {micro_batch}, which leaves BatchNorm a single image to normalise: "
            f"set train.micro_batch={2 + share % 2} or more"
        )
    return [least + 1] * larger + [least] * (count - larger)


def project_without_graph(
    project: Callable[[T], tuple[Tensor, Tensor]], micro_batches: Sequence[T], model: nn.Module
) -> tuple[Tensor, Tensor]:
    """The first pass: h and z of the whole batch; z is a leaf that collects the gradient of the loss.

    The random generators and the model's buffers are afterwards as they were before, so that the second pass repeats
    this one: the same dropout, and running statistics that do not count anything twice.

    Args:
        project: micro batch → h (V, b, feature_dim) and z (V, b, dim), through ``model``; must give the same views of
            a micro batch every time.
        micro_batches: the whole batch in parts, in order.
        model: the network whose state is kept, on one device.

    Returns:
        h (V, batch, feature_dim), without gradient, and z (V, batch, dim), a leaf that requires it.
    """
    device = next(model.parameters()).device
    before = [buffer.clone() for buffer in model.buffers()]
    with torch.no_grad():
        with torch.random.fork_rng([] if device.type == "cpu" else [device], device_type=device.type):
            outputs = [project(micro_batch) for micro_batch in micro_batches]
        for buffer, value in zip(model.buffers(), before, strict=True):
            buffer.copy_(value)
        h, z = (torch.cat(parts, dim=1) for parts in zip(*outputs))
    return h, z.requires_grad_()


def backward_again(
    project: Callable[[T], tuple[Tensor, Tensor]],
    micro_batches: Sequence[T],
    z: Tensor,
    no_sync: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> None:
    """The second pass: carry the gradient that z has collected to the parameters, one micro batch after the other.

    Args:
        project: as in `project_without_graph`.
        micro_batches: as in `project_without_graph`.
        z: what that returned, after the backward pass of the loss; ``z.grad`` is used as it is, with the factors that
            a loss scaler or the number of processes has put into it.
        no_sync: DistributedDataParallel's context for a backward pass that is not the step's last one, so that
            gradients travel between processes once a step.
    """
    assert z.grad is not None
    done = 0
    for index, micro_batch in enumerate(micro_batches, start=1):
        with nullcontext() if index == len(micro_batches) else no_sync():
            _, part = project(micro_batch)
            part.backward(z.grad[:, done : done + part.shape[1]])
        done += part.shape[1]
