"""Representations x probes x splits x shots x seeds: what an encoder file, and what needs no training, are worth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.quality.baselines import RAW, untrained
from benchmarks.quality.entries import Cell
from benchmarks.quality.ground import EPISODES, WAYS, Asked, Classify, Episodes, Ground, Retrieve, Unknown
from benchmarks.quality.rows import OURS, RANDOM
from simclr.data.scenes.scene import SceneSource
from simclr.encoder_file import FrozenEncoder, load_encoder
from simclr.eval.metrics.retrieval import r_at_1
from simclr.eval.open_set.metrics import UNKNOWN, auroc, oscr
from simclr.eval.open_set.scores import by_mahalanobis
from simclr.eval.probes.episodes import run_episodes
from simclr.eval.probes.logistic_probe import logistic
from simclr.eval.probes.registry import fit_probe
from simclr.eval.splits.open_split import OpenSplit
from simclr.eval.splits.split import Split
from simclr.eval.subject.baselines import calibrated_twin, window_mean
from simclr.eval.subject.features import extract_features

# In the order that decides between probes that are equally good on the training samples: from one sample a class none
# can be told from another, and samples of one block are easy for all. The order is a choice of seeds 100 to 109.
PROBES = (
    "knn",
    "logistic",
    "ridge",
    "prototype mahalanobis",
    "prototype cosine",
    "prototype euclidean",
    "prototype standardized",
)
# Of a single sample a class there is no covariance.
DISTANCES = ("cosine", "euclidean", "standardized")
FOLDS = 5


def judge_untrained(ground: Ground) -> list[Cell]:
    """Cells of all baselines of a set."""
    found: list[Cell] = []
    for name, features in untrained(ground.data, ground.ids).items():
        found += cells_of(name, features(), ground)
    return found


def judge_encoder(path: Path, ground: Ground) -> list[Cell]:
    """Cells of an encoder, of the same encoder with random weights, and of the window mean of its own input.

    Args:
        path: encoder file or run folder.
        ground: the set.

    Raises:
        InputError: if the file is no encoder, or does not fit the set.
        ValueError: if its patches are larger than those that block splits keep apart.
    """
    encoder = load_encoder(path)
    data = ground.seen_by(encoder.metadata.source.patch_size)

    def features(model: FrozenEncoder) -> Tensor:
        return data.gather(ground.ids, lambda part, some: extract_features(model, part, some))

    found = cells_of(OURS, features(encoder), ground)
    found += cells_of(RANDOM, features(calibrated_twin(encoder, 0, data.source)), ground)
    if isinstance(data.source, SceneSource):
        own = window_mean(encoder.preprocess, data.source, ground.ids)
        found += cells_of("own window mean", own, ground)
    return found


def cells_of(name: str, features: Tensor, ground: Ground) -> list[Cell]:
    """Everything that is asked, of one representation.

    Args:
        name: of the representation.
        features: of the samples ``ground.ids``, (n, dim) float.
        ground: the questions.
    """
    place = torch.full((len(ground.data),), -1)
    place[ground.ids] = torch.arange(len(ground.ids))
    labels = ground.data.labels

    def at(ids: Tensor) -> tuple[Tensor, Tensor]:
        return features[place[ids]], labels[ids]

    found: list[Cell] = []
    for asked in ground.questions:
        if not isinstance(asked, Unknown) or name in (RAW, OURS, RANDOM):
            found += _answers(name, asked, at)
    return found


At = Callable[[Tensor], tuple[Tensor, Tensor]]


def _answers(name: str, asked: Asked, at: At) -> Iterator[Cell]:
    match asked:
        case Classify():
            for probe in PROBES:
                scores = [_classified(probe, split, at) for split in asked.splits]
                held_out = tuple(held for _, held in scores if held is not None)
                yield _cell(name, probe, asked, "accuracy", [test for test, _ in scores], held_out)
        case Retrieve():
            yield _cell(name, "nearest", asked, "R@1", [r_at_1(*at(ids)) for ids in asked.samples])
        case Episodes():
            x, y = at(asked.samples)
            draws = [
                run_episodes(x, y, ways=WAYS, episodes=EPISODES, seed=seed, distances=DISTANCES).accuracy
                for seed in asked.seeds
            ]
            for distance in DISTANCES:
                yield _cell(name, f"prototype {distance}", asked, "accuracy", [d[distance].mean for d in draws])
        case Unknown():
            ranks = [_ranked(pair, at) for pair in asked.splits]
            for metric, values in zip(("AUROC", "OSCR"), zip(*ranks)):
                yield _cell(name, "mahalanobis", asked, metric, list(values))


def _cell(
    name: str, probe: str, asked: Asked, metric: str, test: list[float], held_out: tuple[float, ...] = ()
) -> Cell:
    return Cell(name, probe, asked.split, asked.amount, metric, tuple(test), held_out or None)


def _classified(probe: str, split: Split, at: At) -> tuple[float, float | None]:
    """Accuracy on the test samples and, where it is possible, on held-out training samples."""
    (train_x, train_y), (test_x, test_y) = at(split.learned()), at(split.test)
    accuracy = float((_predicted(probe, train_x, train_y, test_x) == test_y).double().mean())
    return accuracy, held_out_accuracy(probe, train_x, train_y)


def held_out_accuracy(probe: str, x: Tensor, y: Tensor) -> float | None:
    """Accuracy on training samples, each classified by a probe that has not seen it.

    The j-th sample of each class is in fold j mod ``FOLDS``: of up to five samples a class, one of each is left out at
    a time. A class of a single sample is always learned from.

    Args:
        probe: its name.
        x: features of the training samples, (n, dim) float.
        y: their classes, (n,) int64.

    Returns:
        In [0, 1]; None where no class has two samples.
    """
    same = y[:, None] == y[None, :]
    fold = (same.tril(-1).sum(1) % FOLDS).where(same.sum(1) > 1, -1)
    right = [
        _predicted(probe, x[fold != k], y[fold != k], x[fold == k]) == y[fold == k]
        for k in range(FOLDS)
        if bool((fold == k).any())
    ]
    return float(torch.cat(right).double().mean()) if right else None


def _predicted(probe: str, train_x: Tensor, train_y: Tensor, test_x: Tensor) -> Tensor:
    """Its classes; of the logistic probe without a temperature, which takes a second fit and changes no class."""
    if probe == "logistic":
        return logistic(train_x, train_y, test_x, calibrate=False).classes
    return fit_probe(probe, train_x, train_y, test_x).classes


def _ranked(pair: OpenSplit, at: At) -> tuple[float, float]:
    """AUROC and OSCR of the Mahalanobis distance, the unknown class of which no sample was trained on."""
    (train_x, train_y), (test_x, test_y) = at(pair.open.learned()), at(pair.open.test)
    strange = torch.isin(test_y, torch.tensor(pair.unknown))
    classes, scores = by_mahalanobis(train_x, train_y, test_x)
    score = scores["mahalanobis"]
    area = auroc(score, strange)
    rate = oscr(score, strange, classes == test_y.where(~strange, UNKNOWN))
    assert area is not None
    assert rate is not None  # samples of both kinds are there
    return area, rate
