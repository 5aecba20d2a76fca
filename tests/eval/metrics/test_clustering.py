import math

import pytest
import torch

from simclr.errors import InputError
from simclr.eval.metrics.clustering import kmeans_nmi


def mutual_information(table):
    """NMI of a contingency table: I / mean of the entropies."""
    n = sum(map(sum, table))
    rows, columns = [sum(r) / n for r in table], [sum(c) / n for c in zip(*table)]
    information = sum(
        v / n * math.log(v / n / (rows[i] * columns[j])) for i, r in enumerate(table) for j, v in enumerate(r) if v
    )
    return information / (-sum(p * math.log(p) for p in [*rows, *columns] if p) / 2)


def test_nmi_of_clear_clusters_is_that_of_their_table():
    # Two far points, each with members of both classes.
    place = torch.tensor([0] * 12 + [1] * 8)
    labels = torch.tensor([0] * 9 + [1] * 3 + [0] * 2 + [1] * 6)
    h = place[:, None] * torch.ones(20, 3) * 10
    assert kmeans_nmi(h, labels) == pytest.approx(mutual_information([[9, 2], [3, 6]]))
    assert kmeans_nmi(h, place) == pytest.approx(1.0)


def test_class_numbers_need_not_be_consecutive():
    place = torch.tensor([0, 1, 2]).repeat(10)
    h = torch.eye(3)[place] * 5
    assert kmeans_nmi(h, torch.tensor([7, 2, 40])[place]) == pytest.approx(1.0)


def test_bad_input_is_named():
    with pytest.raises(InputError, match="2 classes"):
        kmeans_nmi(torch.randn(5, 2), torch.zeros(5, dtype=torch.int64))
    with pytest.raises(InputError, match="unlabelled"):
        kmeans_nmi(torch.randn(2, 2), torch.tensor([0, -1]))
