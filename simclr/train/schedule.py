"""The learning rate of a step: linear warm-up, then a cosine to zero."""

import math


def scaled_lr(lr: float, batch_size: int, scaling: str) -> float:
    """The peak rate for a global batch: ``linear`` is lr·B/256, ``sqrt`` is lr·√B, ``none`` is lr.

    Source: Chen et al., ICML 2020, section 2.2 (linear, 0.3·B/256) and B.1 (square root, 0.075·√B).
    """
    factors = {"none": 1.0, "linear": batch_size / 256, "sqrt": math.sqrt(batch_size)}
    return lr * factors[scaling]


def run_length(
    epochs: int, steps_per_epoch: int, warmup_epochs: float, max_steps: int | None = None
) -> tuple[int, int]:
    """Steps of the whole run, and of its warm-up, which takes at most half of it."""
    total_steps = min(epochs * steps_per_epoch, max_steps or epochs * steps_per_epoch)
    return total_steps, min(round(warmup_epochs * steps_per_epoch), total_steps // 2)


def warmup_cosine(step: int, total_steps: int, warmup_steps: int, peak: float) -> float:
    """The rate at ``step`` (from 0): rises linearly to ``peak`` over the warm-up, then follows a cosine to 0.

    The first step has ``peak/warmup_steps``, not zero, which would waste it; the rate would be 0 at
    ``step == total_steps``, one after the last.
    """
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
