"""Why a step went wrong, and what to do about it, from what the step has left."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Left(NamedTuple):
    """What a step that went wrong leaves.

    Attributes:
        views: what went into the encoder, (V, b, C, h, w).
        h: representations, (V, b, feature_dim).
        loss: of the global batch.
        updated: the step of the last update.
        lr: its learning rate.
        named: places in the batch, (n,) int64 -> the samples there, for a message.
    """

    views: Tensor
    h: Tensor
    loss: float
    updated: int
    lr: float
    named: Callable[[Tensor], str]


class Cause(NamedTuple):
    """A sentence, and whether it tells the cause itself: what follows from it, all processes of a launch see."""

    text: str
    sure: bool = True


def explain_divergence(model: nn.Module, left: Left) -> Cause:
    """The first thing that is not finite on the way from the views to the loss, as far as a step tells afterwards.

    Which module was the first, `simclr replay` tells, which makes the step again.

    Args:
        model: what learns.
        left: by the step.
    """
    rows = (~torch.isfinite(left.views)).flatten(2).any(2).any(0)
    if rows.any():
        return Cause(
            f"views hold NaN or infinity, of {left.named(rows.nonzero()[:, 0])}, so the data or an augmentation is at "
            "fault: look at views.png"
        )
    at = f"at learning rate {left.lr:.3g}"
    exactly = "" if left.h.dtype == torch.float32 else ", or use train.precision=fp32"
    broken = [name for name, p in model.named_parameters() if not torch.isfinite(p).all()]
    if broken:
        return Cause(
            f"{broken[0]} and {len(broken) - 1} other parameters became non-finite in the update of step "
            f"{left.updated} {at}: lower train.lr or lengthen train.warmup_epochs"
        )
    broken = [name for name, b in model.named_buffers() if b.is_floating_point() and not torch.isfinite(b).all()]
    if broken or not torch.isfinite(left.h).all():
        where = f" (as {broken[0]} shows)" if broken else ""
        return Cause(f"activations overflow{where} {at}: lower train.lr{exactly}", sure=False)
    if math.isfinite(left.loss):
        return Cause(f"gradients overflow {at}: lower train.lr{exactly}", sure=False)
    return Cause(
        "the projections are zero or overflow: lower train.lr, or raise the loss's temperature (lower an objective's "
        "weights)",
        sure=False,
    )
