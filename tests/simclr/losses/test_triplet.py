import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from simclr.losses.distances import distances
from simclr.losses.triplet import hardest, semi_hard, triplet, triplet_measured, triplets_given


def distance(x, i, j, squared):
    d2 = (x[i] - x[j]).square().sum()
    if squared:
        return d2
    return d2.sqrt() if d2 > 0 else 0 * d2


def loss_of(x, triplets, margin, squared, soft):
    """Losses of single triplets, and shares: easy, semi-hard, hard, active."""
    losses, kinds = [], [0, 0, 0, 0]
    for a, p, n in triplets:
        to_positive, to_negative = distance(x, a, p, squared), distance(x, a, n, squared)
        difference = to_positive - to_negative
        losses.append(torch.log1p(difference.exp()) if soft else (difference + margin).clamp_min(0))
        kind = 2 if to_negative <= to_positive else 1 if to_negative < to_positive + margin else 0
        kinds[kind] += 1
        kinds[3] += bool(losses[-1] > 0)
    return losses, [k / len(losses) for k in kinds]


def all_triplets(y):
    rows = range(len(y))
    return [(a, p, n) for a in rows for p in rows for n in rows if a != p and y[a] == y[p] != y[n]]


def hard_triplets(x, y, squared):
    found = []
    for a in range(len(y)):
        positives = [p for p in range(len(y)) if p != a and y[p] == y[a]]
        negatives = [n for n in range(len(y)) if y[n] != y[a]]
        if positives and negatives:
            found.append(
                (
                    a,
                    max(positives, key=lambda p: distance(x, a, p, squared)),
                    min(negatives, key=lambda n: distance(x, a, n, squared)),
                )
            )
    return found


def semi_hard_triplets(x, y, squared):
    found = []
    for a in range(len(y)):
        negatives = [n for n in range(len(y)) if y[n] != y[a]]
        for p in range(len(y)):
            if p == a or y[p] != y[a] or not negatives:
                continue
            farther = [n for n in negatives if distance(x, a, n, squared) > distance(x, a, p, squared)]
            n = (min if farther else max)(farther or negatives, key=lambda n: distance(x, a, n, squared))
            found.append((a, p, n))
    return found


def random_batch(n, dim, classes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, dim, generator=generator, dtype=torch.float64)
    return x.requires_grad_(), torch.randint(classes, (n,), generator=generator) * 3


def expected_of(x, y, mining, margin, squared, soft):
    if mining == "all":
        losses, shares = loss_of(x, all_triplets(y), margin, squared, soft)
        active = sum(bool(loss > 0) for loss in losses)
        return torch.stack(losses).sum() / max(1, active), shares
    mined = (hard_triplets if mining == "hard" else semi_hard_triplets)(x, y, squared)
    losses, shares = loss_of(x, mined, margin, squared, soft)
    return torch.stack(losses).mean(), shares


def usable(y):
    return len(set(y.tolist())) > 1 and len(set(y.tolist())) < len(y)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("mining", ["all", "hard", "semi-hard"])
@pytest.mark.parametrize(("n", "classes", "seed"), [(9, 3, 0), (12, 7, 1), (10, 2, 2)])
def test_value_gradient_and_shares_equal_loops(mining, squared, soft, n, classes, seed):
    x, y = random_batch(n, 3, classes, seed)
    expected, shares = expected_of(x, y, mining, 0.4, squared, soft)
    found = triplet_measured(x, y, margin=0.4, mining=mining, squared=squared, soft=soft)
    assert found.loss.item() == pytest.approx(expected.item(), rel=1e-12)
    assert list(found.metrics) == ["easy", "semi_hard", "hard", "active"]
    assert [float(share) for share in found.metrics.values()] == pytest.approx(shares)
    assert triplet(x, y, margin=0.4, mining=mining, squared=squared, soft=soft).item() == found.loss.item()
    (gradient,) = torch.autograd.grad(found.loss, x)
    (expected_gradient,) = torch.autograd.grad(expected, x)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-11, atol=1e-13)


@settings(max_examples=35, deadline=None)
@given(st.data(), st.integers(3, 11), st.integers(1, 3), st.booleans(), st.sampled_from([0.0, 0.5, 1.0, 3.0]))
def test_batch_all_with_ties_and_equal_points_equals_loops(data, n, dim, squared, margin):
    """Points of a small grid: equal ones, equal distances, and hinges of exactly 0."""
    points = data.draw(st.lists(st.lists(st.integers(-2, 2), min_size=dim, max_size=dim), min_size=n, max_size=n))
    y = torch.tensor(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    assume(usable(y))
    x = torch.tensor(points, dtype=torch.float64).requires_grad_()
    expected, shares = expected_of(x, y, "all", margin, squared, False)
    found = triplet_measured(x, y, margin=margin, squared=squared)
    assert found.loss.item() == pytest.approx(expected.item(), rel=1e-12, abs=1e-14)
    assert [float(share) for share in found.metrics.values()] == pytest.approx(shares)
    (gradient,) = torch.autograd.grad(found.loss, x)
    (expected_gradient,) = torch.autograd.grad(expected, x)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-11, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(3, 11), st.booleans(), st.sampled_from(["hard", "semi-hard"]))
def test_mining_with_ties_gives_the_loss_of_loops(data, n, squared, mining):
    points = data.draw(st.lists(st.lists(st.integers(-2, 2), min_size=2, max_size=2), min_size=n, max_size=n))
    y = torch.tensor(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    assume(usable(y))
    x = torch.tensor(points, dtype=torch.float64).requires_grad_()
    expected, shares = expected_of(x, y, mining, 1.0, squared, False)
    found = triplet_measured(x, y, margin=1.0, mining=mining, squared=squared)
    assert found.loss.item() == pytest.approx(expected.item(), rel=1e-12, abs=1e-14)
    assert [float(share) for share in found.metrics.values()] == pytest.approx(shares)
    assert torch.autograd.grad(found.loss, x)[0].isfinite().all()


def test_hardest_positives_of_a_published_test():
    x = torch.arange(9.0)[:, None]
    found = hardest(distances(x, x), torch.tensor([0, 0, 1, 1, 0, 2, 1, 1, 1]))
    assert found.anchors.tolist() == [0, 1, 2, 3, 4, 6, 7, 8]
    assert found.positives.tolist() == [4, 4, 8, 8, 0, 2, 2, 2]


def test_semi_hard_takes_one_negative_for_each_pair_and_falls_back_to_the_farthest():
    x = torch.tensor([0.0, 5.0, 1.0, 7.0, 6.0])[:, None]  # two of class 0
    a, p, n = semi_hard(distances(x, x), torch.tensor([0, 0, 1, 2, 3]))
    assert list(zip(a.tolist(), p.tolist())) == [(0, 1), (1, 0)]
    assert n.tolist() == [4, 2]  # 6 is the nearest beyond 5; from 5 nothing is farther than 5, and 1 is the farthest


def test_chunks_change_nothing(monkeypatch):
    x, y = random_batch(40, 5, 6)
    y[:15] = 0  # one large class
    for soft in (False, True):
        whole = triplet_measured(x, y, soft=soft)
        (whole_gradient,) = torch.autograd.grad(whole.loss, x)
        with monkeypatch.context() as patch:
            patch.setattr("simclr.losses.batch_all._AT_ONCE", 90)
            parts = triplet_measured(x, y, soft=soft)
        assert parts.loss.item() == pytest.approx(whole.loss.item(), rel=1e-13)
        torch.testing.assert_close(parts.metrics, whole.metrics)
        torch.testing.assert_close(torch.autograd.grad(parts.loss, x)[0], whole_gradient, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("mining", ["all", "hard", "semi-hard"])
def test_gradcheck(mining):
    x, y = random_batch(8, 3, 3)
    for soft in (False, True):
        assert torch.autograd.gradcheck(lambda x, soft=soft: triplet(x, y, margin=0.4, mining=mining, soft=soft), x)


def test_given_triplets_equal_loops_and_those_of_torch():
    x, _ = random_batch(15, 4, 3)
    mined = [(i, i + 5, i + 10) for i in range(5)]
    for squared in (False, True):
        losses, shares = loss_of(x, mined, 0.5, squared, False)
        found = triplets_given(x[:5], x[5:10], x[10:], margin=0.5, squared=squared)
        assert found.loss.item() == pytest.approx(torch.stack(losses).mean().item(), rel=1e-12)
        assert [float(share) for share in found.metrics.values()] == pytest.approx(shares)
    theirs = torch.nn.functional.triplet_margin_loss(x[:5], x[5:10], x[10:], margin=0.5, eps=0)
    assert triplets_given(x[:5], x[5:10], x[10:], margin=0.5).loss.item() == pytest.approx(theirs.item(), rel=1e-9)
    with pytest.raises(ValueError, match=r"one shape, not \(5, 4\), \(5, 4\), \(4, 4\)"):
        triplets_given(x[:5], x[5:10], x[10:14])


def test_no_active_triplet_is_a_loss_of_0_with_a_gradient_of_0():
    x = torch.tensor([[0.0], [0.1], [9.0], [9.1]], requires_grad=True)
    for mining in ("all", "hard", "semi-hard"):
        loss = triplet(x, torch.tensor([0, 0, 1, 1]), mining=mining)
        assert loss.item() == 0.0
        assert torch.autograd.grad(loss, x)[0].tolist() == [[0.0]] * 4


def test_a_second_derivative_of_batch_all_is_refused():
    x, y = random_batch(8, 3, 3)
    with pytest.raises(RuntimeError, match="no second derivative"):
        torch.autograd.grad(triplet(x, y), x, create_graph=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"margin": -0.1}, "margin is -0.1, but must be a number of at least 0"),
        ({"margin": math.nan}, "margin is nan"),
        ({"mining": "easy"}, 'mining is \'easy\', but must be "all", "hard" or "semi-hard"'),
        ({"squared": 1}, "squared is 1, but must be True or False"),
        ({"soft": "yes"}, "soft is 'yes', but must be True or False"),
    ],
)
def test_bad_arguments_are_named(options, message):
    x, y = random_batch(8, 3, 3)
    with pytest.raises(ValueError, match=message):
        triplet(x, y, **options)
