import itertools
import statistics

import numpy as np
import pytest
import torch
from torch import nn

from simclr.augment.addressed import permutation
from simclr.losses.adaptation import Dan, Ddc
from simclr.losses.mmd import FACTORS, best_weights, mmd
from simclr.losses.objectives import build_objective
from simclr.losses.term import Layer, Seen


def rows(n, dim, seed=0, shift=0.0):
    return shift + torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def seen(*layers):
    return Seen(rows(8, 5), nn.Identity(), rows(6, 5, 9), layers)


def three(shift=0.5):
    names = ("stage", "embedding", "logits")
    return seen(*(Layer(name, rows(8, 3 + i, i), rows(6, 3 + i, 10 + i, shift)) for i, name in enumerate(names)))


def value(term, found):
    return term(torch.zeros(8, 4), torch.zeros(8, dtype=torch.int64), seen=found)


def distance(a, b):
    return (a - b).square().sum().item()


def median_of(*sets):
    return statistics.median_low(distance(a, b) for a, b in itertools.combinations(torch.cat(sets), 2))


def one_pair_at_a_time(x, y, weights):
    """Unbiased MMD² of a weighted sum of kernels."""
    median = median_of(x, y)

    def k(a, b):
        return sum(w * np.exp(-distance(a, b) / (2 * f**2 * median)) for w, f in zip(weights, FACTORS))

    within = [statistics.fmean(k(a, b) for a, b in itertools.permutations(part, 2)) for part in (x, y)]
    return sum(within) - 2 * statistics.fmean(k(a, b) for a in x for b in y)


def test_ddc_is_the_discrepancy_of_the_embedding_alone():
    found = three()
    layer = found.layers[1]
    assert value(Ddc(4, 2), found).item() == mmd(layer.source, layer.target).item()
    assert value(Ddc(4, 2, factor=0.5), found).item() == mmd(layer.source, layer.target, factors=(0.5,)).item()


def test_dan_is_the_sum_over_layers_in_float64_as_in_loops():
    found = three()
    measured = value(Dan(4, 2, learned=False), found)
    each = {layer.name: one_pair_at_a_time(layer.source, layer.target, [0.2] * 5) for layer in found.layers}
    assert {name: metric.item() for name, metric in measured.metrics.items()} == pytest.approx(each, rel=1e-10)
    assert measured.loss.item() == pytest.approx(sum(each.values()), rel=1e-10)
    assert value(Dan(4, 2, learned=False, logits=False), found).metrics.keys() == {"stage", "embedding"}


def test_weights_of_kernels_are_those_of_the_moments_of_a_shuffled_batch_in_loops():
    x, y = rows(9, 3), rows(8, 3, 1, 0.7)
    term = Dan(3, 2, seed=5).double()
    measured = value(term, seen(Layer("embedding", x, y)))
    a, b = (part[permutation(5, i, len(part))] for i, part in enumerate((x, y)))
    h, median = np.zeros((5, 4)), median_of(x, y)
    for (u, factor), i in itertools.product(enumerate(FACTORS), range(4)):
        quad = [a[2 * i], a[2 * i + 1], b[2 * i], b[2 * i + 1]]
        for sign, p, q in ((1, 0, 1), (1, 2, 3), (-1, 0, 3), (-1, 1, 2)):
            h[u, i] += sign * np.exp(-distance(quad[p], quad[q]) / (2 * factor**2 * median))
    assert term.eta[0].numpy() == pytest.approx(h.mean(1))
    assert term.covariance[0].numpy() == pytest.approx(np.cov(h))
    weights = best_weights(torch.tensor(h.mean(1)), torch.tensor(np.cov(h)))
    assert measured.loss.item() == pytest.approx(one_pair_at_a_time(x, y, weights.tolist()), rel=1e-8)


def test_what_it_remembers_is_in_its_buffers_and_moves_in_training_alone():
    def fresh(memory):
        return Dan(4, 2, memory=memory, seed=3).double()

    whole, first, second = fresh(0.75), three(), three(shift=-2.0)
    value(whole.eval(), first)
    assert not any(buffer.any() for buffer in whole.buffers())
    value(whole.train(), first)
    after_one = {name: buffer.clone() for name, buffer in whole.state_dict().items()}
    expected = value(whole, second).loss

    alone = fresh(0.0)  # of the second batch, in the order of the second one
    alone.batches += 1
    value(alone, second)
    for name in ("eta", "covariance"):
        mean = 0.75 * after_one[name] + 0.25 * getattr(alone, name)
        assert torch.allclose(getattr(whole, name), mean, rtol=1e-10)

    resumed = fresh(0.75)
    resumed.load_state_dict(after_one)
    assert torch.equal(value(resumed, second).loss, expected)


@pytest.mark.parametrize("make", [Ddc, Dan])
def test_gradients_are_those_of_differences(make):
    # The median and the weights are constants to the gradient: the one does not move with this row, the others are
    # those of a batch before.
    x, y = rows(7, 3), rows(6, 3, 1, 0.5)
    order = sorted(itertools.combinations(range(13), 2), key=lambda pair: distance(*torch.cat([x, y])[list(pair)]))
    moving = next(i for i in range(7) if i not in order[len(order) // 2 - 1])
    term = make(3, 2) if make is Ddc else make(3, 2, memory=1.0).double()
    value(term, seen(Layer("embedding", x, y)))
    others = [i for i in range(7) if i != moving]

    def of(row):
        found = value(term.eval(), seen(Layer("embedding", torch.cat([row[None], x[others]]), y)))
        return found if make is Ddc else found.loss

    assert torch.autograd.gradcheck(of, (x[moving].clone().requires_grad_(),))
    (gradient,) = torch.autograd.grad(of(row := x[moving].clone().requires_grad_()), row)
    assert gradient.norm() > 1e-3


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"ddc": {"factor": 0}}, "objective.ddc.factor is 0, but must be"),
        ({"dan": {"stages": -1}}, "objective.dan.stages is -1, but must be"),
        ({"dan": {"memory": 2}}, "objective.dan.memory is 2, but must be"),
        ({"dan": {"learned": 1}}, "objective.dan.learned is 1, but must be"),
    ],
)
def test_mistakes_in_a_recipe_are_said(section, message):
    with pytest.raises(ValueError, match=message):
        build_objective(section, feature_dim=4, classes=2)
