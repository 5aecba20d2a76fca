import pytest
import torch
from torch import nn

from simclr.losses.adaptation import Dan, Ddc
from simclr.losses.mmd import FACTORS, kernel_weights, mmd
from simclr.losses.objectives import build_objective
from simclr.losses.term import Layer, Seen


def rows(n, dim, seed=0, shift=0.0):
    return shift + torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def seen(n=8, m=6, names=("stage", "embedding", "logits"), shift=0.5):
    layers = (Layer(name, rows(n, 3 + i, i), rows(m, 3 + i, 10 + i, shift)) for i, name in enumerate(names))
    return Seen(rows(n, 5), nn.Identity(), rows(m, 5, 9), tuple(layers))


def value(term, found):
    return term(torch.zeros(8, 4), torch.zeros(8, dtype=torch.int64), seen=found)


def test_ddc_is_the_discrepancy_of_the_embedding_alone():
    found = seen()
    layer = found.layers[1]
    assert value(Ddc(4, 2), found).item() == mmd(layer.source, layer.target).item()
    assert value(Ddc(4, 2, factor=0.5), found).item() == mmd(layer.source, layer.target, factors=(0.5,)).item()


def test_dan_is_the_sum_over_layers():
    found = seen()
    measured = value(Dan(4, 2, learned=False), found)
    each = {layer.name: mmd(layer.source, layer.target, factors=FACTORS).item() for layer in found.layers}
    assert {name: metric.item() for name, metric in measured.metrics.items()} == pytest.approx(each)
    assert measured.loss.item() == pytest.approx(sum(each.values()))
    assert value(Dan(4, 2, learned=False, logits=False), found).metrics.keys() == {"stage", "embedding"}


def test_weights_of_kernels_are_the_best_of_what_the_batches_have_shown():
    # As many pairs as the test of kernel_weights has, so that the order in which they are made hardly counts.
    x, y = rows(3000, 2), 1.3 * rows(3000, 2, 1)
    found = Seen(x, nn.Identity(), y, (Layer("embedding", x, y),))
    measured = value(Dan(2, 2), found)
    learned = mmd(x, y, factors=FACTORS, weights=kernel_weights(x, y)).item()
    assert abs(measured.loss.item() - learned) < 0.2 * abs(mmd(x, y, factors=FACTORS).item() - learned)


def test_what_it_remembers_is_in_its_buffers_and_moves_in_training_alone():
    term, first, second = Dan(4, 2, memory=0.75, seed=3).double(), seen(), seen(shift=-2.0)
    value(term.eval(), first)
    assert all(not buffer.any() for buffer in term.buffers())
    value(term.train(), first)
    after_one = {name: buffer.clone() for name, buffer in term.state_dict().items()}
    value(term, second)
    alone = Dan(4, 2, memory=0.0, seed=3).double()
    alone.batches += 1  # the same order of pairs
    value(alone, second)
    assert torch.allclose(term.eta, 0.75 * after_one["eta"] + 0.25 * alone.eta)
    assert torch.allclose(term.covariance, 0.75 * after_one["covariance"] + 0.25 * alone.covariance)
    again = Dan(4, 2, memory=0.75, seed=3).double()
    again.load_state_dict(after_one)
    assert value(again, second).loss.item() == value(Dan(4, 2, memory=0.75, seed=3).double(), second).loss.item() or (
        again.eta.equal(term.eta)
    )


def test_gradients_are_those_of_differences():
    for term in (Ddc(4, 2), Dan(4, 2, learned=False)):

        def of_layers(*parts, term=term):
            layers = tuple(Layer(name, *pair) for name, pair in zip(("stage", "embedding"), (parts[:2], parts[2:])))
            found = value(term, Seen(parts[0], nn.Identity(), parts[1], layers))
            return found if isinstance(found, torch.Tensor) else found.loss

        # The median is a constant to the gradient, so it is kept out of what moves by points far from all others.
        moving = [rows(5, 3, i, 0.3 * i).requires_grad_() for i in range(4)]
        analytic = torch.autograd.grad(of_layers(*moving), moving, allow_unused=True)
        assert all(part is None or part.isfinite().all() for part in analytic)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"ddc": {"factor": 0}}, "objective.ddc.factor is 0, but must be"),
        ({"dan": {"stages": -1}}, "objective.dan.stages is -1, but must be"),
        ({"dan": {"memory": 2}}, "objective.dan.memory is 2, but must be"),
        ({"dan": {"learned": 1}}, "objective.dan.learned is 1, but must be True or False"),
    ],
)
def test_mistakes_in_a_recipe_are_said(section, message):
    with pytest.raises(ValueError, match=message):
        build_objective(section, feature_dim=4, classes=2)
