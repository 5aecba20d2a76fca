import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.stats import norm

from simclr.errors import InputError
from simclr.eval.metrics.mutual_information import mutual_information


def known(shift):
    """Of a normal number and which of two equally likely means it has, in nats."""

    def density(x):
        return (norm.pdf(x) + norm.pdf(x - shift)) / 2

    entropy = -quad(lambda x: density(x) * np.log(density(x)), -10, 10 + shift)[0]
    return entropy - norm.entropy()


def test_equals_the_integral_for_two_gaussians():
    generator = torch.Generator().manual_seed(0)
    shifts = [0.0, 1.0, 2.0, 6.0]
    a = torch.randn(2000, 4, generator=generator)
    b = torch.randn(2000, 4, generator=generator) + torch.tensor(shifts)
    found = mutual_information(a, b)
    assert found.tolist() == pytest.approx([known(shift) for shift in shifts], abs=0.03)
    assert found[3].item() == pytest.approx(math.log(2), abs=0.01)
    assert torch.equal(found, mutual_information(a, b))


def test_mistakes_are_named():
    with pytest.raises(InputError, match="must have 4 rows or more"):
        mutual_information(torch.zeros(3, 2), torch.zeros(9, 2))
