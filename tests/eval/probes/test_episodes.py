import itertools

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from simclr.errors import InputError
from simclr.eval.probes.episodes import draw_episodes, episode_shots, mean_interval, run_episodes


def features_of(sizes, dim=6, seed=0):
    g = torch.Generator().manual_seed(seed)
    labels = torch.cat([torch.full((n,), c) for c, n in enumerate(sizes)] + [torch.full((9,), -1)])
    order = torch.randperm(len(labels), generator=g)
    labels = labels[order]
    return torch.randn(len(sizes) + 1, dim, generator=g)[labels] + torch.randn(len(labels), dim, generator=g), labels


def test_episodes_are_fair_and_well_formed():
    _, labels = features_of([20, 30, 9, 25, 22])
    drawn = draw_episodes(labels, ways=3, shots=2, queries=8, episodes=400, seed=1)
    assert drawn.support.shape == (400, 3, 2)
    assert drawn.query.shape == (400, 3, 8)
    everything = torch.cat([drawn.support, drawn.query], 2)
    classes = labels[everything]
    assert bool((classes == classes[..., :1]).all())
    assert all(len(set(row[:, 0].tolist())) == 3 for row in classes)
    assert 2 not in classes  # only 9 samples, 10 are needed
    assert bool((classes >= 0).all())
    assert all(len(set(row.tolist())) == 30 for row in everything.flatten(1))
    again = draw_episodes(labels, 3, 2, 8, 400, seed=1)
    assert torch.equal(again.support, drawn.support)
    assert not torch.equal(draw_episodes(labels, 3, 2, 8, 400, seed=2).support, drawn.support)


def test_every_ordered_choice_is_equally_likely():
    labels = torch.tensor([0] * 4 + [1] * 4)
    drawn = draw_episodes(labels, 2, 1, 1, 6000, seed=0)
    pairs = [tuple(p) for p in torch.cat([drawn.support, drawn.query], 2).flatten(0, 1).tolist()]
    possible = [p for c in ((0, 1, 2, 3), (4, 5, 6, 7)) for p in itertools.permutations(c, 2)]
    counts = np.array([pairs.count(p) for p in possible])
    assert counts.sum() == 12000
    assert (counts / 12000 * 24 - 1).std() < 0.1  # 3 σ of the expected 0.044, and more


@pytest.mark.parametrize("shots", [1, 4])
def test_accuracy_is_that_of_a_loop(shots):
    x, labels = features_of([20, 30, 25, 22])
    result = run_episodes(x, labels, ways=3, shots=shots, queries=5, episodes=12, seed=3)
    drawn = draw_episodes(labels, 3, shots, 5, 12, 3)
    for distance, kind in (("euclidean", "euclidean"), ("standardized", "seuclidean"), ("cosine", "cosine")):
        accuracies = []
        for support, query in zip(drawn.support, drawn.query):
            s, q = x[support].double().numpy(), x[query].double().numpy().reshape(15, -1)
            rows = s.reshape(-1, s.shape[-1])
            if distance == "cosine":
                s, q = s - rows.mean(0), q - rows.mean(0)
            options = {"V": rows.var(0, ddof=1)} if distance == "standardized" else {}
            guess = cdist(q, s.mean(1), kind, **options).argmin(1)
            accuracies.append(float((guess == np.repeat(np.arange(3), 5)).mean()))
        assert result.accuracy[distance].mean == pytest.approx(np.mean(accuracies))
        assert result.accuracy[distance].sd == pytest.approx(np.std(accuracies, ddof=1))
        low, high = result.accuracy[distance].ci95
        assert high - low == pytest.approx(2 * 1.96 * np.std(accuracies, ddof=1) / 12**0.5)


def test_chunks_change_nothing(monkeypatch):
    x, labels = features_of([20, 30, 25, 22])
    whole = run_episodes(x, labels, ways=3, shots=3, queries=5, episodes=10)
    monkeypatch.setattr("simclr.eval.probes.episodes.CHUNK", 1)
    assert run_episodes(x, labels, ways=3, shots=3, queries=5, episodes=10) == whole


def test_what_cannot_be_drawn_is_said():
    x, labels = features_of([20, 30, 9])
    assert run_episodes(x, labels, ways=2, shots=1, queries=15, episodes=3).left_out == (2,)
    with pytest.raises(InputError, match="ways is 5, but 2 of 3 classes"):
        run_episodes(x, labels, ways=5)
    with pytest.raises(InputError, match="2 ways or more"):
        run_episodes(x, labels, ways=1)
    x[4, 0] = torch.nan
    with pytest.raises(InputError, match="NaN"):
        run_episodes(x, labels, ways=2, shots=1)
    assert mean_interval([0.5]) == (0.5, None, None)


def test_the_episodes_that_are_advised_can_be_drawn():
    labels = torch.tensor([0] * 9 + [1] * 9 + [2] * 2)
    with pytest.raises(InputError, match="2 \\+ 3 samples for 3-way episodes: give fewer ways"):
        episode_shots(labels, 3, [2], 3)
    assert episode_shots(labels, 2, [2], 3).shots == (2,)
    with pytest.raises(InputError, match=r"leave the episodes out \(0 of them\)"):
        episode_shots(labels[[0, 1, 9, 10]], 2, [2], 3)
    with pytest.raises(InputError, match="give 6 queries or fewer"):
        episode_shots(labels, 2, [3], 7)
    assert episode_shots(labels, 2, [3], 6).shots == (3,)
    # Nine samples of a class are too few for 9 shots, however few queries there are.
    assert [left.why.split(": ")[1] for left in episode_shots(labels, 2, [1, 9], None).skipped] == [
        "give fewer queries",
        "give fewer shots",
    ]
