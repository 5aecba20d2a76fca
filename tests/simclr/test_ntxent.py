import math

import pytest
import torch
from torch.nn.functional import cosine_similarity

from simclr.ntxent import nt_xent


def brute_force(z: torch.Tensor, temperature: float) -> torch.Tensor:
    """Equation 1 of the paper, one pair at a time, in float64."""
    z = z.double()
    views, batch, _ = z.shape
    rows = [(v, b) for v in range(views) for b in range(batch)]

    def s(i, j):
        return torch.exp(cosine_similarity(z[i], z[j], dim=0) / temperature)

    losses = []
    for i in rows:
        denominator = sum(s(i, k) for k in rows if k != i)
        losses += [-torch.log(s(i, j) / denominator) for j in rows if j != i and j[1] == i[1]]
    return torch.stack(losses).mean()


@pytest.mark.parametrize(("views", "batch", "dim"), [(2, 1, 3), (2, 5, 8), (3, 4, 16), (4, 2, 2)])
@pytest.mark.parametrize("temperature", [0.05, 0.5, 3.0])
def test_equals_the_papers_equation(views, batch, dim, temperature):
    z = torch.randn(
        views, batch, dim, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True
    )
    expected = brute_force(z, temperature)
    (expected_grad,) = torch.autograd.grad(expected, z)
    loss = nt_xent(z, temperature)
    (grad,) = torch.autograd.grad(loss, z)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12, abs=1e-12)
    torch.testing.assert_close(grad, expected_grad, rtol=1e-9, atol=1e-12)


def test_two_images_with_orthogonal_projections_have_a_closed_form():
    z = torch.eye(2).expand(2, 2, 2)  # positives equal, negatives orthogonal
    assert nt_xent(z, 0.5).item() == pytest.approx(math.log(math.exp(2) + 2) - 2, rel=1e-6)


def test_the_length_of_z_does_not_matter_and_half_precision_is_computed_in_float32():
    z = torch.randn(2, 16, 32)
    assert nt_xent(z * 100, 0.2).item() == pytest.approx(nt_xent(z, 0.2).item(), rel=1e-5)
    assert nt_xent(z.bfloat16(), 0.2).dtype == torch.float32


@pytest.mark.parametrize("shape", [(4, 8), (1, 4, 8), (2, 2, 2, 2)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="views, batch, dim"):
        nt_xent(torch.randn(shape))


def test_temperature_must_be_positive():
    with pytest.raises(ValueError, match="temperature"):
        nt_xent(torch.randn(2, 3, 4), 0.0)
