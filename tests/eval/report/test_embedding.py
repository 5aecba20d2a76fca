import numpy as np
import torch

from simclr.eval.report.embedding import choose_for_map, tsne


def test_labelled_samples_at_random_the_same_each_time():
    labels = torch.arange(5_000) % 7 - 1
    ids = choose_for_map(labels, 300)
    assert len(ids) == 300
    assert bool((labels[ids] >= 0).all())
    assert torch.equal(ids, ids.unique())
    assert torch.equal(ids, choose_for_map(labels, 300))
    assert 2_000 < float(ids.double().mean()) < 3_000
    assert choose_for_map(labels[:14]).tolist() == [i for i in range(14) if i % 7]


def test_clusters_stay_clusters():
    g = torch.Generator().manual_seed(0)
    labels = torch.arange(120) % 3
    points = tsne(torch.randn(120, 60, generator=g) + 20 * torch.nn.functional.one_hot(labels, 60))
    assert points.shape == (120, 2)
    distance = np.linalg.norm(points[:, None] - points[None], axis=2) + np.eye(120) * 1e9
    assert (labels.numpy()[distance.argmin(1)] == labels.numpy()).all()


def test_four_samples_are_enough():
    assert tsne(torch.eye(4)).shape == (4, 2)
