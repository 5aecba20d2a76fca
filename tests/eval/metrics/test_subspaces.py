import math

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles

from simclr.errors import InputError
from simclr.eval.metrics.subspaces import geodesic_distance, grassmann_angles, leading_subspace, principal_angles


def basis(features, dim, seed=0):
    x = torch.randn(features, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.linalg.qr(x)[0]


@pytest.mark.parametrize(("features", "dim"), [(8, 3), (20, 10), (6, 5), (4, 4), (5, 1)])
def test_equals_scipy(features, dim):
    a, b = basis(features, dim), basis(features, dim, 1)
    expected = np.sort(subspace_angles(a.numpy(), b.numpy()))
    np.testing.assert_allclose(principal_angles(a, b).numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("angle", [0.0, 1e-12, 1e-9, 1e-3, math.pi / 4, math.pi / 2 - 1e-9, math.pi / 2])
def test_a_rotation_by_a_known_angle_keeps_its_digits(angle):
    a = torch.eye(5, dtype=torch.float64)[:, :2]
    b = a.clone()
    b[:, 1] = 0
    b[1, 1], b[3, 1] = math.cos(angle), math.sin(angle)
    found = principal_angles(a, b)
    assert found[0].item() == 0.0
    assert found[1].item() == pytest.approx(angle, rel=1e-9, abs=1e-16)


def test_the_subspace_of_most_variance_whatever_the_mean():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(200, 2, generator=generator, dtype=torch.float64) * torch.tensor([5.0, 3.0])
    plane = basis(7, 2)
    h = 40 + scores @ plane.T + 0.01 * torch.randn(200, 7, generator=generator, dtype=torch.float64)
    assert principal_angles(leading_subspace(h, 2), plane).max() < 0.01
    assert grassmann_angles(h, h - 99, 2).max() < 1e-10
    turned = h @ basis(7, 7, 3)
    expected = subspace_angles(leading_subspace(h, 2).numpy(), leading_subspace(turned, 2).numpy())
    found = grassmann_angles(h, turned, 2)
    np.testing.assert_allclose(found.numpy(), np.sort(expected), atol=1e-10)
    assert geodesic_distance(found) == pytest.approx(math.hypot(*expected))


def test_more_dimensions_than_samples_span_are_named():
    with pytest.raises(InputError, match="a subspace of 4 dimensions was asked for, but the samples span 3: give 1 to"):
        leading_subspace(torch.randn(4, 9, generator=torch.Generator().manual_seed(0)), 4)
    with pytest.raises(InputError, match="samples span 0"):
        leading_subspace(torch.ones(4, 9), 1)
