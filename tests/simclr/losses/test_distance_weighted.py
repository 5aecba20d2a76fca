import math

import pytest
import torch
from torch.nn.functional import normalize

from simclr.losses.distance_weighted import draw_negatives, negative_weights
from simclr.losses.distances import distances


def unit_rows(n, dim, seed=0):
    return normalize(torch.randn(n, dim, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_weights_equal_loops():
    x = unit_rows(10, 4)
    y = torch.tensor([0, 0, 1, 1, 1, 2, 2, 3, 3, 3])
    d = distances(x, x)
    found = negative_weights(d, y, 4)
    for i in range(10):
        weights = []
        for j in range(10):
            if y[i] == y[j] or d[i, j] >= 1.4:
                weights.append(0.0)
                continue
            at = max(d[i, j].item(), 0.5)
            weights.append(1 / (at ** (4 - 2) * (1 - at**2 / 4) ** ((4 - 3) / 2)))
        assert found[i].tolist() == pytest.approx([w / sum(weights) for w in weights], rel=1e-5)


@pytest.mark.parametrize("dim", [128, 512, 2048])
def test_in_many_dimensions_every_anchor_keeps_negatives(dim):
    """Distances of random directions are all near √2: the largest weight is beyond float32 of the smallest."""
    x = normalize(unit_rows(64, dim) + 0.25 * unit_rows(1, dim, 1), dim=1)  # at somewhat less than √2
    x[40:] = normalize(x[40:] + 4 * unit_rows(1, dim, 2), dim=1)  # and some near each other: 100s of powers of ten
    y = torch.arange(64) // 2
    weights = negative_weights(distances(x, x), y, dim)
    assert weights.isfinite().all()
    torch.testing.assert_close(weights.sum(1), torch.ones(64, dtype=torch.float64))
    assert (weights[y[:, None] == y] == 0).all()


def test_where_all_are_far_negatives_count_alike():
    x = torch.cat([torch.eye(2), -torch.eye(2)])  # 0 and 2 opposite, others at √2
    weights = negative_weights(distances(x, x), torch.tensor([0, 0, 1, 1]), 2)
    assert weights.tolist() == [[0, 0, 0.5, 0.5], [0, 0, 0.5, 0.5], [0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0]]


def test_draws_follow_the_weights_and_never_hit_a_weight_of_0():
    weights = torch.tensor([[0.0, 0.25, 0.0, 0.75], [1.0, 0.0, 0.0, 0.0], [0, 0.5, 0.5, 0], [0, 0, 0, 1.0]])
    n = 4000
    uniform = (torch.arange(n) + 0.5) / n
    drawn = draw_negatives(weights, torch.zeros(n, dtype=torch.int64), uniform)
    assert drawn.bincount(minlength=4).tolist() == [0, n // 4, 0, 3 * n // 4]
    anchors = torch.tensor([0, 1, 1, 2, 3])
    assert draw_negatives(weights, anchors, torch.zeros(5)).tolist() == [1, 0, 0, 1, 3]
    most = torch.full((5,), 1 - 2.0**-24)
    assert draw_negatives(weights, anchors, most).tolist() == [3, 0, 0, 2, 3]


def test_distances_come_out_alike_where_there_are_many():
    """Uniform draws on a sphere of 16 dimensions lie near √2, weighted ones spread from 0.5 on."""
    x = unit_rows(1500, 16)
    d = distances(x, x)
    weights = negative_weights(d, torch.arange(1500) // 2, 16)
    uniform = torch.rand(1500, generator=torch.Generator().manual_seed(3))
    anchors = torch.arange(1500)
    drawn = d[anchors, draw_negatives(weights, anchors, uniform)]
    alike = d[anchors, torch.randint(1500, (1500,), generator=torch.Generator().manual_seed(4))]
    assert (drawn < 1.0).float().mean() > 0.4
    assert (alike < 1.0).float().mean() < 0.06
    assert math.isclose(drawn.max().item(), 1.4, abs_tol=0.05)
