"""LARS, the optimizer of large-batch SimCLR."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class LARS(Optimizer):
    """Layer-wise adaptive rate scaling, as in the authors' code: the learning rate acts inside the momentum buffer.

    For a parameter w with gradient g::

        g ← g + weight_decay · w
        v ← momentum · v + lr · trust · g        trust = eta · ‖w‖ / ‖g‖, or 1 where a norm is zero
        w ← w − v

    A group with ``adapt=False`` (biases, normalisation) has trust 1; give it ``weight_decay=0`` too, as
    `simclr.train.optimizer.parameter_groups` does. All parameters of a group move in a few fused calls, without waiting
    for the device.

    Args:
        params: parameters or groups.
        lr: learning rate.
        momentum: in [0, 1).
        weight_decay: L2 term, added to the gradient before the trust ratio.
        eta: trust coefficient.
        adapt: whether the group has a trust ratio.

    Source: You et al., "Large batch training of convolutional networks", 2017; hyper-parameters of Chen et al. 2020.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 1e-6,
        eta: float = 1e-3,
        adapt: bool = True,
    ) -> None:
        if not lr >= 0 or not 0 <= momentum < 1 or not weight_decay >= 0:
            raise ValueError(
                f"lr is {lr}, momentum {momentum}, weight_decay {weight_decay}, but lr and weight_decay must be "
                "at least 0 and momentum in [0, 1)"
            )
        super().__init__(
            params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "eta": eta, "adapt": adapt}
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:  # type: ignore[override]
        """One step; ``closure`` re-evaluates the loss when given."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = [p for p in group["params"] if p.grad is not None]
            if not weights:
                continue
            buffers = [self._buffer(p) for p in weights]
            updates = torch._foreach_add([p.grad for p in weights], weights, alpha=group["weight_decay"])
            if group["adapt"]:
                trust = [
                    torch.where((w > 0) & (g > 0), group["eta"] * w / g, 1.0)
                    for w, g in zip(torch._foreach_norm(weights), torch._foreach_norm(updates))
                ]
                torch._foreach_mul_(updates, trust)
            torch._foreach_mul_(buffers, group["momentum"])
            torch._foreach_add_(buffers, updates, alpha=group["lr"])
            torch._foreach_sub_(weights, buffers)
        return loss

    def _buffer(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        return state["momentum_buffer"]
