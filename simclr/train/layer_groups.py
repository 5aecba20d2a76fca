"""The layers of an encoder from its input to its output, and a learning rate for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from torch import nn

Layer = tuple[str, list[nn.Parameter]]


def layers_of(encoder: nn.Module) -> list[Layer]:
    """Names and parameters of an encoder's layers, from the input on.

    A layer is a child of the encoder, or a block of a child that is a sequence of blocks; a normalisation belongs to
    what stands before it, and parameters that are in no child (a class token) to the first layer. So a ResNet has its
    stem and one layer for each residual block, a vision transformer its patch embedding and one for each block.

    Raises:
        ValueError: if the encoder has no parameters.
    """
    found: list[Layer] = []
    for name, module in _children(_unwrapped(encoder)):
        parameters = list(module.parameters())
        if not parameters:
            continue
        if found and all(p.ndim < 2 for p in parameters):
            found[-1][1].extend(parameters)
        else:
            found.append((name, parameters))
    if not found:
        raise ValueError("the encoder has no parameters to train.")
    placed = {p for _, parameters in found for p in parameters}
    found[0][1].extend(p for p in encoder.parameters() if p not in placed)
    return found


def layer_groups(layers: Sequence[Layer], lr: float, layer_decay: float, weight_decay: float) -> list[dict[str, Any]]:
    """Parameter groups whose rate falls by the factor ``layer_decay`` with each layer that lies nearer to the input.

    Layer i of L has lr·layer_decay^(L - 1 - i); weights of two or more dimensions have weight decay, others none.

    Args:
        layers: from the input to the output, as of :func:`layers_of`.
        lr: rate of the last layer.
        layer_decay: in (0, 1]; 1 gives all layers the same rate.
        weight_decay: of weights.

    Returns:
        Groups with ``params``, ``lr``, ``weight_decay`` and ``name``; parameters that need no gradient are left out.

    Source: Howard & Ruder, ACL 2018, section 3.2 (discriminative rates); Bao et al., "BEiT", ICLR 2022, appendix H.
    """
    groups = []
    for index, (name, parameters) in enumerate(layers):
        rate = lr * layer_decay ** (len(layers) - 1 - index)
        trained = [p for p in parameters if p.requires_grad]
        for decay, chosen in (
            (weight_decay, [p for p in trained if p.ndim >= 2]),
            (0.0, [p for p in trained if p.ndim < 2]),
        ):
            if chosen:
                groups.append({"params": chosen, "lr": rate, "weight_decay": decay, "name": name})
    return groups


def _unwrapped(module: nn.Module) -> nn.Module:
    """Down to the first module that has more than one child with parameters."""
    while True:
        children = [child for child in module.children() if any(True for _ in child.parameters())]
        if len(children) != 1 or isinstance(module, nn.Sequential | nn.ModuleList):
            return module
        module = children[0]


def _children(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, child in module.named_children():
        blocks = list(child.named_children())
        if isinstance(child, nn.Sequential | nn.ModuleList) and all(any(True for _ in b.children()) for _, b in blocks):
            yield from ((f"{name}.{index}", block) for index, block in blocks)
        else:
            yield name, child
