import pytest
import torch

from simclr.losses.distances import distances, distances_of_pairs, products, root


def rows(n, dim, seed=0, dtype=torch.float64):
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_all_pairs_equal_their_differences(squared, dtype):
    a, b = rows(7, 5, 0, dtype), rows(9, 5, 1, dtype)
    expected = (a.double()[:, None] - b.double()).square().sum(2)
    expected = expected if squared else expected.sqrt()
    found = distances(a, b, squared)
    assert found.dtype == dtype
    torch.testing.assert_close(found, expected.to(dtype), rtol=2e-7 if dtype == torch.float32 else 1e-13, atol=0)
    pairs = distances_of_pairs(a, b[:7], squared)
    torch.testing.assert_close(
        pairs, expected.diagonal().to(dtype), rtol=1e-6 if dtype == torch.float32 else 1e-13, atol=0
    )


def test_near_rows_of_float32_far_from_the_origin_keep_their_distance():
    a = rows(2, 64, 0, torch.float32) + 100
    a[1] = a[0] + 1e-2
    expected = (a[0].double() - a[1].double()).norm()
    assert distances(a, a)[0, 1].item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_rows_have_no_distance_and_no_gradient(dtype):
    x = rows(4, 300, 3, dtype)
    x[2] = x[0]
    x.requires_grad_()
    d = distances(x, x)
    assert d[0, 2] == d[2, 0] == 0
    assert (d.diagonal() == 0).all()
    (gradient,) = torch.autograd.grad(d[0, 2] + d.diagonal().sum() + distances_of_pairs(x, x).sum(), x)
    assert torch.equal(gradient, torch.zeros_like(x))


def test_gradients():
    a, b = rows(4, 3, 0).requires_grad_(), rows(5, 3, 1).requires_grad_()
    for squared in (False, True):
        assert torch.autograd.gradcheck(lambda a, b, squared=squared: distances(a, b, squared), (a, b))
    assert torch.autograd.gradcheck(lambda a, b: distances_of_pairs(a, b[:4]), (a, b))
    assert torch.autograd.gradcheck(products, (a, b))


def test_the_root_has_the_gradient_0_at_0():
    x = torch.tensor([0.0, 4.0], requires_grad=True)
    root(x).sum().backward()
    assert x.grad.tolist() == [0.0, 0.25]


def test_autocast_outside_changes_nothing():
    a, b = rows(4, 30, 0, torch.float32), rows(5, 30, 1, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        inside = distances(a, b), products(a, b)
    assert torch.equal(inside[0], distances(a, b))
    assert torch.equal(inside[1], products(a, b))
