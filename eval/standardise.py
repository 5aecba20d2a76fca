"""Features as linear probes see them: less the training mean, divided by the training deviation."""

from __future__ import annotations

from torch import Tensor


def standardised(train_x: Tensor, test_x: Tensor, scale: bool = True) -> tuple[Tensor, Tensor]:
    """Both sets in float64, centred on the training mean and, with ``scale``, divided by the training deviation.

    The deviation has n in its denominator, as scikit-learn's StandardScaler has it; a feature that is constant in
    training is only centred.

    Args:
        train_x: (n, dim), any float type.
        test_x: (m, dim), on the same device.
        scale: whether to divide.
    """
    train_x, test_x = train_x.double(), test_x.double()
    mean = train_x.mean(0)
    train_x, test_x = train_x - mean, test_x - mean
    if scale:
        deviation = train_x.square().mean(0).sqrt()
        # Rounding of the mean leaves a constant feature with a deviation of some 1e-16 of its size.
        deviation = deviation.where(deviation > 1e-13 * mean.abs(), 1.0)
        deviation = deviation.where(deviation > 0, 1.0)
        train_x, test_x = train_x.div_(deviation), test_x.div_(deviation)
    return train_x, test_x
