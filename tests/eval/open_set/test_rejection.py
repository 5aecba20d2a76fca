import math

import numpy as np
import pytest
import torch
from scipy.stats import weibull_min

from simclr.errors import InputError
from simclr.eval.open_set.rejection import Tail, fit_tail, reject, reject_by_class


def errors(n, shape=4.0, scale=0.3, seed=0):
    return torch.from_numpy(weibull_min.rvs(shape, scale=scale, size=n, random_state=np.random.default_rng(seed)))


@pytest.mark.parametrize(("n", "samples", "scale"), [(160, 40, 0.3), (40, 20, 5e3), (8, 3, 1e-5)])
def test_a_tail_is_scipys_most_likely_weibull_distribution_of_the_largest_errors(n, samples, scale):
    found = fit_tail(errors(n, scale=scale)[torch.randperm(n)], samples)
    largest = np.sort(errors(n, scale=scale).numpy())[-samples:]
    shape, _, expected = weibull_min.fit(largest / scale, floc=0)
    assert found.shape == pytest.approx(shape, rel=1e-3)
    assert found.scale == pytest.approx(expected * scale, rel=1e-4)
    assert found.samples == samples
    # No other is more likely.
    best = weibull_min.logpdf(largest, found.shape, scale=found.scale).sum()
    for factors in ((1.01, 1.0), (0.99, 1.0), (1.0, 1.01), (1.0, 0.99)):
        assert weibull_min.logpdf(largest, found.shape * factors[0], scale=found.scale * factors[1]).sum() < best


def test_the_median_of_a_tail_is_where_its_cdf_is_one_half():
    tail = Tail(3.0, 2.0, 10)
    assert weibull_min.cdf(tail.median, 3.0, scale=2.0) == pytest.approx(0.5)
    assert tail.median == pytest.approx(2 * math.log(2) ** (1 / 3))


def test_global_rejection_looks_at_the_largest_of_all():
    train, classes = errors(160), torch.arange(8).repeat(20)
    asked = torch.linspace(0.01, 2, 300, dtype=torch.float64)
    found = reject(train, classes, asked)
    (tail,) = found.tails.values()
    assert tail == fit_tail(train, 40)  # 2 · 20 shots
    cdf = weibull_min.cdf(asked.numpy(), tail.shape, scale=tail.scale)
    assert found.rejected.tolist() == (cdf > 0.5).tolist()
    assert 0 < found.rejected.sum() < 300
    assert reject(errors(24), torch.arange(8).repeat(3), asked).tails[None].samples == 20
    assert reject(errors(12), torch.arange(4).repeat(3), asked).tails[None].samples == 12


def test_copies_of_a_training_sample_do_not_lengthen_the_tail():
    classes = torch.arange(8).repeat(80)
    found = reject(errors(640), classes, errors(5), copies=4)
    assert found.tails[None].samples == 40
    of_class = reject_by_class(errors(640), classes, errors(5), torch.zeros(5, dtype=torch.int64), copies=4)
    assert {tail.samples for tail in of_class.tails.values()} == {4}


def test_class_wise_rejection_asks_the_tail_of_the_class_that_was_found():
    train = torch.cat([errors(20, scale=0.1), errors(15, scale=1.0, seed=1), errors(2, scale=9.0, seed=2)])
    classes = torch.tensor([3] * 20 + [7] * 15 + [9] * 2)
    asked = torch.tensor([0.05, 0.5, 0.5, 3.0, 3.0, 30.0])
    found = reject_by_class(train, classes, asked, torch.tensor([3, 3, 7, 7, 9, 9]))
    assert {k: tail.samples for k, tail in found.tails.items()} == {3: 4, 7: 3, 9: 2}
    assert found.rejected.tolist() == [False, True, False, True, False, True]
    # The global tail would have rejected otherwise: neither is applied after the other.
    assert reject(train, classes, asked).rejected.tolist() != found.rejected.tolist()


def test_unknownness_orders_by_the_cdf_also_where_that_is_1():
    train, classes = errors(40), torch.arange(2).repeat(20)
    far = torch.tensor([0.1, 0.3, 5.0, 50.0, 500.0])
    found = reject(train, classes, far)
    (tail,) = found.tails.values()
    assert weibull_min.cdf(50.0, tail.shape, scale=tail.scale) == 1.0
    assert found.unknownness.diff().min() > 0
    hazard = -weibull_min.logsf(far.numpy()[:3], tail.shape, scale=tail.scale)
    expected = np.log(hazard) - math.log(math.log(2))
    assert found.unknownness[:3].tolist() == pytest.approx(expected.tolist())
    assert torch.equal(found.rejected, found.unknownness > 0)


def test_errors_that_are_all_alike_are_a_step():
    alike, classes = torch.full((6,), 0.25), torch.zeros(6, dtype=torch.int64)
    asked = torch.tensor([0.0, 0.2499, 0.2501, 1.0])
    assert reject(alike, classes, asked).rejected.tolist() == [False, False, True, True]
    assert reject(alike[:1], classes[:1], asked).rejected.tolist() == [False, False, True, True]
    assert reject(torch.zeros(6), classes, asked).rejected.tolist() == [False, True, True, True]


def test_mistakes_are_named():
    good, classes = errors(6), torch.arange(2).repeat(3)
    with pytest.raises(InputError, match="errors of training samples hold a negative number, NaN or infinity"):
        reject(-good, classes, good)
    with pytest.raises(InputError, match=r"^errors hold a negative number, NaN or infinity"):
        reject(good, classes, good * torch.nan)
    with pytest.raises(InputError, match="there are none"):
        fit_tail(good[:0], 3)
    with pytest.raises(InputError, match="6 training errors, but 5 classes"):
        reject(good, classes[:5], good)
    with pytest.raises(InputError, match="6 errors, but 2 classes"):
        reject_by_class(good, classes, good, classes[:2])
    with pytest.raises(InputError, match=r"class 4 has no training samples: give one of \[0, 1\]"):
        reject_by_class(good, classes, good, classes + 4)
    with pytest.raises(InputError, match=r"give one number for each sample"):
        reject(good, classes, good[None])
