import numpy as np
import pytest
import torch

from simclr.errors import InputError
from simclr.eval.probes import knn
from simclr.eval.probes.knn import knn_accuracy, knn_votes


def loop(bank, bank_labels, query, k, temperature):
    """Weighted kNN, one query and one neighbour at a time."""
    found = []
    for q in query:
        cosines = [float(q @ b / (np.linalg.norm(q) * np.linalg.norm(b))) for b in bank]
        votes = {}
        for i in sorted(range(len(bank)), key=lambda i: -cosines[i])[:k]:
            votes[bank_labels[i]] = votes.get(bank_labels[i], 0.0) + np.exp(cosines[i] / temperature)
        found.append(max(votes, key=lambda c: (votes[c], -c)))
    return found


def classes(*arguments, **options):
    return knn_votes(*arguments, **options).argmax(1)


def data(n=60, m=40, dim=6):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, dim)), rng.integers(0, 4, n), rng.normal(size=(m, dim))


@pytest.mark.parametrize(("k", "temperature"), [(1, 0.07), (7, 0.07), (20, 0.5), (60, 1.0)])
def test_equals_a_loop(k, temperature, monkeypatch):
    monkeypatch.setattr(knn, "ROWS_AT_ONCE", 16)
    bank, labels, query = data()
    found = classes(torch.tensor(bank), torch.tensor(labels), torch.tensor(query), k, temperature)
    assert found.tolist() == loop(bank, labels.tolist(), query, k, temperature)


@pytest.mark.parametrize("k", [1, 5, 20])
def test_leave_one_out_equals_a_loop_over_banks_without_the_query(k, monkeypatch):
    monkeypatch.setattr(knn, "ROWS_AT_ONCE", 16)
    bank, labels, _ = data()
    right = [
        loop(np.delete(bank, i, 0), np.delete(labels, i).tolist(), bank[i : i + 1], k, 0.07)[0] == labels[i]
        for i in range(len(bank))
    ]
    assert knn_accuracy(torch.tensor(bank), torch.tensor(labels), k) == pytest.approx(np.mean(right))


def test_k_is_clamped_to_the_bank():
    bank, labels, query = data(n=5)
    arguments = torch.tensor(bank), torch.tensor(labels), torch.tensor(query)
    assert torch.equal(classes(*arguments, k=500), classes(*arguments, k=5))
    assert knn_accuracy(*arguments[:2], k=500) == knn_accuracy(*arguments[:2], k=4)


def test_tiny_temperature_is_the_nearest_neighbour():
    bank, labels, query = (torch.tensor(x) for x in data())
    assert torch.equal(classes(bank, labels, query, k=20, temperature=1e-4), classes(bank, labels, query, k=1))


@pytest.mark.parametrize(
    "change", [{"k": 0}, {"temperature": 0.0}, {"query": torch.zeros(2, 3)}, {"bank_labels": torch.full((60,), -1)}]
)
def test_bad_input_is_named(change):
    bank, labels, query = (torch.tensor(x) for x in data())
    with pytest.raises(InputError):
        knn_votes(**{"bank": bank, "bank_labels": labels, "query": query, **change})


def test_votes_are_the_weights_of_the_neighbours_of_each_class():
    bank, labels, query = data()
    found = knn_votes(torch.tensor(bank), torch.tensor(labels), torch.tensor(query), k=7, temperature=0.5)
    unit_bank = bank / np.linalg.norm(bank, axis=1, keepdims=True)
    for q, votes in zip(query / np.linalg.norm(query, axis=1, keepdims=True), found):
        cosines = unit_bank @ q
        near = np.argsort(-cosines)[:7]
        weights = np.exp((cosines[near] - cosines[near[0]]) / 0.5)
        expected = [weights[labels[near] == c].sum() for c in range(4)]
        assert votes.tolist() == pytest.approx(expected, rel=1e-5)
