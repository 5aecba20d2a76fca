import itertools
import statistics

import numpy as np
import pytest
import torch

from simclr.losses.mmd import FACTORS, kernel_weights, mmd


def rows(n, dim, seed=0, shift=0.0):
    return shift + torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def one_pair_at_a_time(x, y, factors, weights=None):
    z = torch.cat([x, y])
    median = statistics.median_low((a - b).square().sum().item() for a, b in itertools.combinations(z.detach(), 2))
    weights = [1 / len(factors)] * len(factors) if weights is None else weights

    def k(a, b):
        d2 = (a - b).square().sum()
        return sum(w * torch.exp(-d2 / (2 * f**2 * median)) for w, f in zip(weights, factors))

    n, m = len(x), len(y)
    within_x = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    within_y = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return within_x + within_y - 2 * sum(k(a, b) for a in x for b in y) / (n * m)


@pytest.mark.parametrize(("n", "m"), [(5, 5), (6, 4), (2, 7)])
@pytest.mark.parametrize("factors", [(1.0,), FACTORS])
def test_equals_loops_for_any_two_sizes(n, m, factors):
    x, y = rows(n, 3).requires_grad_(), rows(m, 3, 1, 0.5).requires_grad_()
    for weights in (None, torch.linspace(0.1, 1, len(factors))):
        expected = one_pair_at_a_time(x, y, factors, weights)
        found = mmd(x, y, factors=factors, weights=weights)
        assert found.item() == pytest.approx(expected.item(), rel=1e-10, abs=1e-14)
        torch.testing.assert_close(torch.autograd.grad(found, (x, y)), torch.autograd.grad(expected, (x, y)))


def test_equal_distributions_have_the_mean_0_and_equal_batches_less():
    values = [mmd(rows(12, 4, 2 * i), rows(8, 4, 2 * i + 1)).item() for i in range(400)]
    assert abs(statistics.mean(values)) < 3 * statistics.stdev(values) / 20
    x = rows(10, 4)
    assert mmd(x, x).item() < 0
    assert mmd(rows(40, 4), rows(30, 4, 1, 2.0)).item() > 0.3


def test_half_precision_and_equal_points():
    assert mmd(rows(9, 4).bfloat16(), rows(9, 4, 1).bfloat16()).dtype == torch.float32
    x = torch.ones(4, 3, requires_grad=True)
    value = mmd(x, torch.ones(3, 3))
    assert value.item() == 0.0
    assert torch.autograd.grad(value, x)[0].isfinite().all()


def test_weights_of_kernels_are_the_best_on_a_grid():
    x, y = rows(400, 2), 1.3 * rows(400, 2, 1)
    factors = (0.05, 0.5, 1.5)
    weights = kernel_weights(x, y, factors)
    assert weights.sum().item() == pytest.approx(1.0)
    assert (weights >= 0).all()
    z = torch.cat([x, y])
    median = torch.pdist(z).square().median().item()

    def h(w):
        def k(a, b):
            d2 = (a - b).square().sum(1)
            return sum(wu * torch.exp(-d2 / (2 * f**2 * median)) for wu, f in zip(w, factors))

        return k(x[::2], x[1::2]) + k(y[::2], y[1::2]) - k(x[::2], y[1::2]) - k(x[1::2], y[::2])

    def power(w):
        terms = h(w).numpy()
        return terms.mean() / terms.std(ddof=1)

    grid = [(a, b, 1 - a - b) for a in np.linspace(0, 1, 21) for b in np.linspace(0, 1, 21) if a + b <= 1]
    best = max(map(power, grid))
    assert power(weights.tolist()) >= 0.995 * best
    assert power(weights.tolist()) > max(power(w) for w in np.eye(3)) - 1e-3


def test_where_no_kernel_sees_a_difference_one_of_them_is_taken():
    x = rows(40, 2)
    y = torch.stack([x[1::2], x[::2]], 1).flatten(0, 1)  # then h of each quad is below 0
    assert sorted(kernel_weights(x, y).tolist()) == [0.0, 0.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("source", "target", "options", "message"),
    [
        (rows(1, 3), rows(4, 3), {}, "source is a single sample"),
        (rows(4, 3), rows(1, 3), {}, "target is a single sample"),
        (rows(4, 3), rows(4, 2), {}, "source has 3 features, but target has 2"),
        (rows(4, 3), rows(4, 3) / 0, {}, "target: embeddings hold NaN or infinity"),
        (rows(4, 3), rows(4, 3), {"factors": (0.0,)}, "factors is 0"),
    ],
)
def test_mistakes_are_named(source, target, options, message):
    with pytest.raises(ValueError, match=message):
        mmd(source, target, **options)


def test_too_few_samples_for_weights_are_named():
    with pytest.raises(ValueError, match="four samples of each set"):
        kernel_weights(rows(3, 2), rows(9, 2))
