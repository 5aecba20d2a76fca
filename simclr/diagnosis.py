"""Why did the loss become NaN? One likely cause, looked for in the order in which causes produce it."""

import torch
from torch import Tensor, nn


def explain_divergence(views: Tensor, h: Tensor, model: nn.Module, lr: float) -> str:
    """The first non-finite thing on the way from the views to the loss, and what to do about it.

    Args:
        views: what went into the encoder, (V, b, C, h, w).
        h: representations, (V, b, feature_dim).
        model: encoder and head.
        lr: learning rate of the last update.
    """
    if not torch.isfinite(views).all():
        bad = (~torch.isfinite(views)).flatten(2).any(-1).sum().item()
        return f"{bad} views hold NaN or infinity, so the data or an augmentation is at fault: look at views.png"
    broken = [name for name, p in model.named_parameters() if not torch.isfinite(p).all()]
    if broken:
        return (
            f"{broken[0]} and {len(broken) - 1} other parameters became non-finite in the last update at learning rate "
            f"{lr:.3g}: lower train.lr or lengthen train.warmup_epochs"
        )
    broken = [name for name, b in model.named_buffers() if b.is_floating_point() and not torch.isfinite(b).all()]
    if broken or not torch.isfinite(h).all():
        where = f" (first in {broken[0]})" if broken else ""
        return f"activations overflow{where} at learning rate {lr:.3g}: lower train.lr, or use train.precision=fp32"
    return "the projections are zero or overflow: lower train.lr or raise loss.temperature"
