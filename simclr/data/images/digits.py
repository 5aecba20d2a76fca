"""The 1797 handwritten digits (8x8, grey) that scikit-learn ships: the smallest real data set."""

from __future__ import annotations

import numpy as np
import torch

from simclr.data.source import Source, TensorSource
from simclr.recipe.images import DigitsData


def open_digits(data: DigitsData, part: str) -> Source | None:
    """The digits as a recipe names them; they have no test part."""
    return load_digits() if part == "train" else None


def load_digits() -> TensorSource:
    """scikit-learn's digits as a resident source: (1797, 1, 8, 8) uint8, the values 0..16 times 15; ten classes."""
    from sklearn.datasets import load_digits as load

    digits = load()
    images = torch.from_numpy((digits.images * 15).astype(np.uint8)).unsqueeze(1)
    labels = torch.from_numpy(digits.target.astype(np.int64))
    return TensorSource(images, labels, name="digits", class_names=[str(k) for k in range(10)])
