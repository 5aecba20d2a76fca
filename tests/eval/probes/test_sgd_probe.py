import math

import pytest
import torch

from simclr.augment.addressed import permutation
from simclr.errors import InputError
from simclr.eval.probes import sgd_probe as module
from simclr.eval.probes.sgd_probe import RATES, sgd, sgd_path
from simclr.eval.splits.validation import validation_part
from simclr.eval.streams import Stream

RATES_TRIED = (1e-4, 0.1, 10.0)


def data(n=150, dim=6, classes=3, seed=0):
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % classes
    return torch.randn(n, dim, generator=g) + 1.2 * torch.eye(classes, dim)[y], y


@pytest.mark.parametrize("batch_size", [16, 500])
def test_every_rate_equals_torchs_sgd(batch_size):
    x, y = data()
    x = x.double()
    rates = torch.tensor([0.01, 0.3], dtype=torch.float64)
    weights, intercepts = sgd_path(x, y, 3, rates, epochs=4, batch_size=batch_size, seed=7)
    size = min(batch_size, 150)
    for i, rate in enumerate(rates.tolist()):
        layer = torch.nn.Linear(6, 3, dtype=torch.float64)
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
        optimizer = torch.optim.SGD(layer.parameters(), lr=rate, momentum=0.9, nesterov=True)
        steps, step = 4 * (150 // size), 0
        for epoch in range(4):
            for ids in permutation(7, Stream.SGD + epoch, 150).split(size):
                if len(ids) < size:
                    continue
                optimizer.param_groups[0]["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / steps))
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(layer(x[ids]), y[ids]).backward()
                optimizer.step()
                step += 1
        torch.testing.assert_close(weights[i].T, layer.weight.data)
        torch.testing.assert_close(intercepts[i], layer.bias.data)


def test_the_rate_is_the_most_accurate_on_the_held_out_part(monkeypatch):
    monkeypatch.setattr(module, "RATES", RATES_TRIED)
    x, y = data()
    found = sgd(x, y, x, epochs=5, batch_size=30)
    fit, held_out = validation_part(y)
    mean, deviation = x[fit].mean(0), x[fit].std(0, correction=0)
    accuracies, losses = [], []
    for rate in RATES_TRIED:
        weights, intercepts = sgd_path(
            (x[fit] - mean) / deviation, y[fit], 3, torch.tensor([rate * 30 / 256]), epochs=5, batch_size=30
        )
        logits = ((x[held_out] - mean) / deviation) @ weights[0] + intercepts[0]
        accuracies.append(float((logits.argmax(1) == y[held_out]).double().mean()))
        losses.append(float(torch.nn.functional.cross_entropy(logits, y[held_out])))
    best = min(range(len(RATES_TRIED)), key=lambda i: (-accuracies[i], losses[i]))
    assert found.selected["validation_accuracy"] == pytest.approx(accuracies[best])
    assert found.selected["validation_loss"] == pytest.approx(losses[best], rel=1e-4)
    assert found.selected["lr"] == pytest.approx(RATES_TRIED[best] * 30 / 256)
    assert (found.classes == y).double().mean() > 0.6


def test_among_rates_that_recognise_all_the_likeliest_is_taken(monkeypatch):
    """The smallest would give each class a probability of about 1/K."""
    monkeypatch.setattr(module, "RATES", RATES_TRIED)
    x, y = data()
    x = x.double()
    x[torch.arange(len(x)), y] += 40
    found = sgd(x, y, x, epochs=5, batch_size=30)
    assert found.selected["validation_accuracy"] == 1
    assert found.selected["lr"] == pytest.approx(max(RATES_TRIED) * 30 / 256)


def test_the_rates_are_multiples_of_the_papers():
    assert 0.1 in RATES
    assert list(RATES) == sorted(RATES)


def test_few_samples_have_the_papers_rate():
    x, y = data(9)
    found = sgd(x, y, x)
    assert found.selected["lr"] == pytest.approx(0.1 * 9 / 256)
    assert "fixed" in found.selected["rule"]
    assert "temperature" not in found.selected


def test_a_validation_part_of_the_split_chooses_the_rate(monkeypatch):
    monkeypatch.setattr(module, "RATES", RATES_TRIED)
    x, y = data()
    rows = torch.arange(100, 150)
    accuracies, losses = [], []
    mean, deviation = x[:100].mean(0), x[:100].std(0, correction=0)
    for rate in RATES_TRIED:
        lr = torch.tensor([rate * 30 / 256])
        weights, intercepts = sgd_path((x[:100] - mean) / deviation, y[:100], 3, lr, epochs=5, batch_size=30)
        logits = ((x[rows] - mean) / deviation) @ weights[0] + intercepts[0]
        accuracies.append(float((logits.argmax(1) == y[rows]).double().mean()))
        losses.append(float(torch.nn.functional.cross_entropy(logits, y[rows])))
    found = sgd(x, y, x[:7], validation=rows, epochs=5, batch_size=30)
    best = RATES_TRIED[min(range(len(RATES_TRIED)), key=lambda i: (-accuracies[i], losses[i]))]
    assert found.selected["selected_on"] == "the split's validation part"
    assert found.selected["validation_accuracy"] == pytest.approx(max(accuracies))
    # Trained again on all of them.
    standard = (x - x.mean(0)) / x.std(0, correction=0)
    weights, intercepts = sgd_path(standard, y, 3, torch.tensor([best * 30 / 256]), epochs=5, batch_size=30)
    torch.testing.assert_close(found.scores, standard[:7] @ weights[0] + intercepts[0], atol=1e-4, rtol=1e-4)


def test_no_epoch_is_an_error():
    with pytest.raises(InputError, match="1 or more"):
        sgd_path(torch.randn(4, 2), torch.tensor([0, 0, 1, 1]), 2, torch.tensor([0.1]), epochs=0)
