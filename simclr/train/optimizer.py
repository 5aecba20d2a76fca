"""Which parameter gets what, and the optimizer that does it."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from simclr.train.lars import LARS


class Kept(NamedTuple):
    """What tells the state of an optimizer: an option that its groups have, and what is kept for each parameter."""

    option: str
    entries: frozenset[str]


STATE_OF = {
    "LARS": Kept("adapt", frozenset({"momentum_buffer"})),
    "SGD": Kept("nesterov", frozenset({"momentum_buffer"})),
    "AdamW": Kept("betas", frozenset({"step", "exp_avg", "exp_avg_sq"})),
}
"""Of the optimizers of :func:`build_optimizer`."""


def parameter_groups(modules: Iterable[nn.Module], weight_decay: float) -> list[dict[str, Any]]:
    """Two groups: weights, and everything that is excluded from weight decay and from LARS's trust ratio.

    Excluded are biases and the parameters of normalisation layers: all with fewer than two dimensions, which is
    that set in ResNets and the spectral–spatial network.

    Returns:
        Groups with the keys ``params``, ``weight_decay`` and ``adapt`` (read by LARS); empty groups are left out.
    """
    trainable = [p for module in modules for p in module.parameters() if p.requires_grad]
    weights = [p for p in trainable if p.ndim >= 2]
    excluded = [p for p in trainable if p.ndim < 2]
    groups = [
        {"params": weights, "weight_decay": weight_decay, "adapt": True},
        {"params": excluded, "weight_decay": 0.0, "adapt": False},
    ]
    return [group for group in groups if group["params"]]


def parameter_table(modules: Iterable[nn.Module], optimizer: str, weight_decay: float) -> list[str]:
    """What `parameter_groups` decided, a line a group, for a reader."""
    lines = []
    for group in parameter_groups(modules, weight_decay):
        name = "weights" if group["adapt"] else "biases and normalisation"
        count = sum(p.numel() for p in group["params"])
        trust = "" if optimizer != "lars" else ", trust ratio" if group["adapt"] else ", no trust ratio"
        tensors = len(group["params"])
        lines.append(
            f"{optimizer}: {count:,} {name} in {tensors} tensors, weight decay {group['weight_decay']:g}{trust}"
        )
    return lines


def build_optimizer(
    name: str, modules: Iterable[nn.Module], *, lr: float, weight_decay: float, momentum: float = 0.9
) -> Optimizer:
    """LARS, SGD with Nesterov momentum, or AdamW over the groups of `parameter_groups`.

    Args:
        name: ``lars``, ``sgd`` or ``adamw``.
        modules: encoder and head.
        lr: the peak learning rate; the loop sets the rate of each step.
        weight_decay: of weights only.
        momentum: of LARS and SGD; β1 of AdamW.

    Raises:
        ValueError: unknown name.
    """
    groups = parameter_groups(modules, weight_decay)
    if name == "lars":
        return LARS(groups, lr=lr, momentum=momentum)
    for group in groups:
        del group["adapt"]
    if name == "sgd":
        return SGD(groups, lr=lr, momentum=momentum, nesterov=momentum > 0)
    if name == "adamw":
        return AdamW(groups, lr=lr, betas=(momentum, 0.999), fused=_has_fused(groups))
    raise ValueError(f"optimizer is {name!r}, but must be lars, sgd or adamw")


def set_lr(optimizer: Optimizer, lr: float) -> None:
    """Give every group the same learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = lr


def _has_fused(groups: list[dict[str, Any]]) -> bool:
    return all(p.device.type in ("cpu", "cuda") and p.dtype == torch.float32 for g in groups for p in g["params"])
