"""Linear evaluation: a frozen representation, its baselines on the very same splits, and the paired differences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from eval.baselines import raw_features, window_mean
from eval.features import BATCH_SIZE, extract_features, fingerprint
from eval.linear_probe import ALPHAS, HEADLINE, LOGISTIC_C, LOGISTIC_MAX_ITER, LOGISTIC_TOL, PROBES
from eval.metrics import METRICS
from eval.score import Score, score
from eval.splits import Split, as_ids, given, k_shot, stratified
from eval.summary import paired, rows
from simclr.data.scene import SceneSource
from simclr.data.source import Source
from simclr.errors import InputError
from simclr.metadata import versions

SEEDS = (0, 1, 2, 3, 4)
SCENE_SHOTS = (5, 20)
LOGISTIC_MOST = 10_000
Progress = Callable[[str, int, int], None]


def linear_eval(
    encoder: nn.Module,
    source: Source,
    test_source: Source | None = None,
    *,
    shots: Sequence[int] | None = None,
    seeds: Sequence[int] = SEEDS,
    probes: Sequence[str] | None = None,
    device: torch.device | str = "cpu",
    exclude: Iterable[int] | Tensor | None = None,
    batch_size: int = BATCH_SIZE,
    transductive: bool | None = None,
    command: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """How good a frozen encoder is, beside the same encoder with random weights and the raw input.

    Splits: with ``shots``, k random samples of each class for each seed, all other labelled samples are the test; a
    source without a test part and without shots is halved within each class for each seed; a test part of its own is
    used as given. All three representations see the same splits. The random encoder has a fresh initialisation for
    each seed. Nothing is ever chosen on a test sample.

    Args:
        encoder: as of ``simclr.load_encoder``: with ``preprocess``, ``feature_dim``, ``metadata``, ``random_twin``.
        source: labelled samples to draw training (and, without ``test_source``, test) samples from.
        test_source: the test part, with the same classes.
        shots: k a class; None is ``SCENE_SHOTS`` for a scene and no few-shot split otherwise.
        seeds: of splits and random initialisations.
        probes: names of ``eval.linear_probe.PROBES``; None is all, but for ``logistic`` on many training samples.
        device: where encoders run.
        exclude: ids of ``source`` that no split may use; None is the ``monitor_ids`` of the encoder's metadata, unless
            there is a test part or the ids do not exist. Pass ``()`` for an encoder that was pretrained on other data.
        batch_size: samples at once through the encoder.
        transductive: whether pretraining saw the test samples (without their labels); None = not known.
        command: to be kept in the result.
        progress: called with (what, done, all of it).

    Returns:
        What ``result.json`` holds: ``rows``, ``paired`` differences, ``per_class``, ``splits``, and how it was done.

    Raises:
        InputError: without labels, with unfit classes, shots, seeds or probes, or NaN features.
        RuntimeError: if the encoder changed while features were extracted.
    """
    seeds = tuple(dict.fromkeys(seeds))
    if not seeds:
        raise InputError("seeds is empty: give at least one, such as 0.")
    labels, parts = _labels_of(source, test_source)
    if shots is None and isinstance(source, SceneSource) and test_source is None:
        shots = SCENE_SHOTS
    excluded = _excluded(encoder, source, test_source, exclude)
    # Bad shots or probes are found before the long extraction.
    _choose_probes(probes, _draw(labels, parts, shots or (), seeds, excluded))
    ids = torch.nonzero(labels >= 0).flatten()
    ids = ids[~torch.isin(ids, excluded)]

    def report(what: str) -> Callable[[int, int], None] | None:
        return None if progress is None else lambda done, total: progress(what, done, total)

    def extract(module: nn.Module, what: str) -> Tensor:
        found = [
            extract_features(module, part, ids[(ids >= first) & (ids < last)] - first, batch_size, device, report(what))
            for part, first, last in parts
        ]
        return torch.cat(found)

    def measure(features: Tensor, chosen: Sequence[Split], what: str) -> list[Score]:
        return score(features, labels[ids], chosen, names, report(what))

    before = fingerprint(encoder)
    found: dict[str, list[tuple[int | None, Score]]] = {}
    pretrained = extract(encoder, "features: pretrained")
    # A streamed source finds its unreadable images now, and takes their labels away.
    labels, _ = _labels_of(source, test_source)
    readable = labels[ids] >= 0
    pretrained, ids = pretrained[readable], ids[readable]
    splits = _draw(labels, parts, shots or (), seeds, excluded)
    names, skipped = _choose_probes(probes, splits)
    place = torch.full((len(labels),), -1)
    place[ids] = torch.arange(len(ids))
    local = [replace(s, train=place[s.train], test=place[s.test]) for s in splits]
    found["pretrained"] = [(s.split.seed, s) for s in measure(pretrained, local, "probes: pretrained")]
    found["random"] = []
    for seed in seeds:
        twin = encoder.random_twin(seed)  # type: ignore[operator]
        features = extract(twin, f"features: random weights, seed {seed}")
        mine = [s for s in local if s.seed in (seed, None)]
        found["random"] += [(seed, s) for s in measure(features, mine, f"probes: random weights, seed {seed}")]
    raw = torch.cat(
        [
            raw_features(encoder.preprocess, part, ids[(ids >= first) & (ids < last)] - first, batch_size)  # type: ignore[arg-type]
            for part, first, last in parts
        ]
    )
    repeated = _repeated(raw, local[0]) if test_source is not None else None
    found["raw"] = [(s.split.seed, s) for s in measure(raw, local, "probes: raw")]
    if isinstance(source, SceneSource) and test_source is None:
        mean = window_mean(encoder.preprocess, source, ids, batch_size)  # type: ignore[arg-type]
        found["window mean"] = [(s.split.seed, s) for s in measure(mean, local, "probes: window mean")]
    after = fingerprint(encoder)
    if after != before:
        raise RuntimeError("the encoder changed during the evaluation: it is not frozen.")

    metrics = METRICS if shots else ("accuracy",)
    table = rows(found, metrics)
    return {
        "rows": table,
        "paired": paired(table),
        "per_class": _per_class(found, source.class_names, HEADLINE if HEADLINE in names else names[0]),
        "headline": HEADLINE if HEADLINE in names else names[0],
        "selected_on": "training samples only (ridge: leave-one-out; logistic, knn: fixed values)",
        "transductive": transductive,
        "seeds": list(seeds),
        "interval": "95 % Student t over seeds, each a split with its own random weights; one pretrained encoder",
        "skipped": skipped,
        "excluded": {"samples": len(excluded), "why": "given by id, or their labels were seen by the online kNN"},
        "repeated_in_training_part": repeated,
        "damaged": [*source.damaged, *(test_source.damaged if test_source else [])],
        "splits": [_describe(s, labels, source.class_names) for s in splits],
        "probes": {
            "ridge": {"alphas": ALPHAS.tolist(), "features": "standardised on the training samples"},
            "logistic": {
                "C": LOGISTIC_C,
                "tol": LOGISTIC_TOL,
                "max_iter": LOGISTIC_MAX_ITER,
                "solver": "scikit-learn lbfgs, float64",
                "features": "standardised on the training samples",
            },
            "knn": {"features": "centred on the training samples, cosine"},
        },
        "source": {
            "name": source.name,
            "samples": len(source),
            "test_part": None if test_source is None else len(test_source),
            "labelled": int((labels >= 0).sum()),
            "classes": {name: int((labels == c).sum()) for c, name in enumerate(source.class_names)},
        },
        "encoder": {
            "feature_dim": pretrained.shape[1],
            "sha256_before": before,
            "sha256_after": after,
            "frozen": True,
        },
        "versions": versions(),
        "command": command,
    }


Parts = list[tuple[Source, int, int]]


def _labels_of(source: Source, test_source: Source | None) -> tuple[Tensor, Parts]:
    """Labels of both parts in one list, and each part with its range of ids there (test ids follow training ids)."""
    parts: Parts = [(source, 0, len(source))]
    if source.labels is None or not bool((source.labels >= 0).any()):
        raise InputError(
            f"{source.name} has no labelled sample: evaluation needs labels (a class folder, a ground truth)."
        )
    labels = source.labels
    if test_source is not None:
        if test_source.labels is None or not bool((test_source.labels >= 0).any()):
            raise InputError(f"the test part of {source.name} has no labelled sample: evaluation needs labels.")
        if tuple(test_source.class_names) != tuple(source.class_names):
            raise InputError(
                f"the training part has the classes {', '.join(source.class_names[:5])}, …, the test part "
                f"{', '.join(test_source.class_names[:5])}, …: both need the same classes in the same order."
            )
        labels = torch.cat([labels, test_source.labels])
        parts.append((test_source, len(source), len(labels)))
    if len(labels[labels >= 0].unique()) < 2:
        raise InputError(f"{source.name} has one class only: a probe needs two classes or more.")
    return labels, parts


def _excluded(
    encoder: nn.Module, source: Source, test_source: Source | None, exclude: Iterable[int] | Tensor | None
) -> Tensor:
    if exclude is not None:
        return as_ids(exclude).unique()
    # Labels of a training part may be looked at: its own test part stays untouched.
    if test_source is not None:
        return as_ids(None)
    seen = as_ids(encoder.metadata.get("monitor_ids")).unique()  # type: ignore[union-attr, operator]
    if len(seen) and int(seen.max()) >= len(source):
        raise InputError(
            f"the encoder's online kNN saw the label of sample {int(seen.max())}, but {source.name} has {len(source)} "
            f"samples: it was pretrained on other data, so exclude nothing (exclude=())."
        )
    return seen


def _draw(labels: Tensor, parts: Parts, shots: Sequence[int], seeds: Sequence[int], excluded: Tensor) -> list[Split]:
    if len(parts) == 1:
        if shots:
            return [k_shot(labels, k, seed, excluded) for k in shots for seed in seeds]
        return [stratified(labels, 0.5, seed, excluded) for seed in seeds]
    n = len(parts[0][0])
    known = torch.nonzero(labels >= 0).flatten()
    test = known[known >= n]
    if not shots:
        train = known[known < n]
        return [given(train[~torch.isin(train, excluded)], test)]
    drawn = [k_shot(labels[:n], k, seed, excluded) for k in shots for seed in seeds]
    return [
        replace(s, name="given", test=test, rule=f"{s.rule} of the training part; test part as given") for s in drawn
    ]


def _choose_probes(
    probes: Sequence[str] | None, splits: Sequence[Split]
) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
    """The probes to run, and those that are left out because they would take too long."""
    if probes is not None:
        if not probes:
            raise InputError(f"no probe is given: choose from {', '.join(PROBES)}.")
        return tuple(dict.fromkeys(probes)), []
    most = max(len(s.train) for s in splits)
    if most <= LOGISTIC_MOST:
        return tuple(PROBES), []
    why = f"{most} training samples are more than {LOGISTIC_MOST}: name the probe to run it all the same"
    return tuple(p for p in PROBES if p != "logistic"), [{"probe": "logistic", "why": why}]


def _repeated(raw: Tensor, split: Split) -> int:
    """How many test samples also occur in the training part, by their raw features.

    Raises:
        InputError: if all of them do: the two parts are the same data.
    """
    seen = {row.tobytes() for row in raw[split.train].numpy()}
    repeated = sum(row.tobytes() in seen for row in raw[split.test].numpy())
    if repeated == len(split.test):
        raise InputError(
            f"all {repeated} test samples are in the training part too: give a test part that the probe has not seen."
        )
    return repeated


def _per_class(
    found: dict[str, list[tuple[int | None, Score]]], names: Sequence[str], probe: str
) -> list[dict[str, Any]]:
    """Mean recall of each class over the seeds, for one probe."""
    table = []
    for representation, all_scores in found.items():
        for shots in dict.fromkeys(s.split.shots for _, s in all_scores):
            mine = [s.recall for _, s in all_scores if s.probe == probe and s.split.shots == shots]
            recall = {names[c]: sum(r[c] for r in mine) / len(mine) for c in sorted(mine[0])}
            table.append({"representation": representation, "probe": probe, "shots": shots, "recall": recall})
    return table


def _describe(split: Split, labels: Tensor, names: Sequence[str]) -> dict[str, Any]:
    digest = split.digest()
    counts = labels[split.train].bincount(minlength=len(names))
    return {
        "split": split.name,
        "shots": split.shots,
        "seed": split.seed,
        "rule": split.rule,
        "train": len(split.train),
        "test": len(split.test),
        "train_per_class": counts.tolist(),
        "left_out": [names[c] for c in split.left_out],
        "sha256_train": digest["train"],
        "sha256_test": digest["test"],
    }
