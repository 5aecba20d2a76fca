import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simclr.errors import InputError
from simclr.eval.metrics import retrieval as module
from simclr.eval.metrics.retrieval import retrieval


def by_query(h, labels):
    """Musgrave et al., one query at a time; ties in the order of position."""
    unit = h / np.maximum(np.linalg.norm(h, axis=1, keepdims=True), 1e-12)
    firsts, averages = [], []
    for q in range(len(h)):
        r = sum(labels[i] == labels[q] for i in range(len(h)) if i != q)
        if r == 0:
            continue
        ranked = sorted((i for i in range(len(h)) if i != q), key=lambda i: -np.float32(unit[i] @ unit[q]))
        hits = [labels[i] == labels[q] for i in ranked]
        firsts.append(hits[0])
        averages.append(sum(hits[i] * sum(hits[: i + 1]) / (i + 1) for i in range(r)) / r)
    return np.mean(firsts), np.mean(averages)


@settings(max_examples=60, deadline=None)
@given(labels=st.lists(st.integers(0, 4), min_size=2, max_size=25), seed=st.integers(0, 1000))
def test_equals_a_loop_over_queries(labels, seed):
    h = np.random.default_rng(seed).normal(size=(len(labels), 3))
    if max(labels.count(c) for c in labels) == 1:
        return
    found = retrieval(torch.tensor(h), torch.tensor(labels))
    assert found == pytest.approx(by_query(h, labels), abs=1e-9)


def test_ties_come_in_the_order_of_position(monkeypatch):
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 2)
    # Axes: every cosine is exactly 0 or 1.
    h = torch.eye(2)[torch.tensor([0, 0, 0, 1, 1, 0])]
    labels = [0, 1, 0, 1, 0, 1]
    found = retrieval(h, torch.tensor(labels))
    assert found == pytest.approx(by_query(h.numpy(), labels))


def test_separate_classes_are_perfect_and_a_single_sample_is_no_query():
    h = torch.tensor([[1.0, 0, 0], [2, 0, 0], [0, 1, 0], [0, 3, 0], [0, 0, 1]])
    assert retrieval(h, torch.tensor([0, 0, 1, 1, 2])) == (1.0, 1.0)


def test_the_papers_example_of_map_at_r():
    # Ten of the class, 90 others: "1st retrieval correct, then 9 wrong" has R@1 of 1 and MAP@R of 1/10.
    angle = torch.full((100,), 3.0)
    labels = torch.ones(100, dtype=torch.int64)
    labels[:11] = 0
    angle[0], angle[1], angle[11:20] = 0.0, 0.1, 0.2
    h = torch.stack([angle.cos(), angle.sin()], 1)
    one_query = by_query(h.numpy(), labels.tolist())
    found = retrieval(h, labels)
    assert found == pytest.approx(one_query, abs=1e-6)


@pytest.mark.parametrize(
    ("h", "labels", "message"),
    [
        (torch.randn(3, 2), torch.tensor([0, 1]), "of one n"),
        (torch.randn(2, 2), torch.tensor([0, -1]), "unlabelled"),
        (torch.randn(2, 2), torch.tensor([0, 1]), "single sample"),
        (torch.tensor([[0.0], [torch.nan]]), torch.tensor([0, 0]), "NaN"),
    ],
)
def test_bad_input_is_named(h, labels, message):
    with pytest.raises(InputError, match=message):
        retrieval(h, labels)
