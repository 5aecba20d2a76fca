"""Evaluation with unknown classes: some classes are never shown in training and must be rejected in the test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from augment.addressed import permutation
from eval.metrics import scores
from eval.open_metrics import UNKNOWN, auroc, fpr95, open_scores, openness, oscr
from eval.open_set import FOLDS, OPEN_SCORES, THRESHOLDS, held_out_scores, threshold
from eval.splits import Split
from eval.summary import mean_sd
from simclr.data.scene import SceneSource
from simclr.data.source import Source
from simclr.errors import InputError

# Takes the place of the epoch in the order's address; no other file uses it.
CLASS_STREAM = 2**23 + 5
# The logistic probe is fitted once a fold; distances are cheap, so they leave one sample of each class out at a time.
FOLDS_OF = {"logits": FOLDS}


def class_ids(words: Sequence[str | int], source: Source) -> list[int]:
    """Labels of the classes that are meant: by name, or by number as in a scene's ground truth (labels elsewhere).

    Args:
        words: names, in any case, or numbers.
        source: whose classes.

    Returns:
        Labels, ascending, each once.

    Raises:
        InputError: if there is no such class.
    """
    names = {name.lower(): label for label, name in enumerate(source.class_names)}
    if isinstance(source, SceneSource) and source.ground_truth is not None:
        numbers = [int(k) for k in source.ground_truth.unique() if k != 0]
    else:
        numbers = list(range(len(source.class_names)))
    found = []
    for word in (str(w).strip() for w in words):
        if word.lower() in names:
            found.append(names[word.lower()])
        elif word.lstrip("-").isdigit() and int(word) in numbers:
            found.append(numbers.index(int(word)))
        else:
            raise InputError(
                f"{word!r} is no class of {source.name}: give names or numbers of {', '.join(source.class_names[:8])}"
                f"{', …' if len(source.class_names) > 8 else ''} (numbers {numbers[0]} to {numbers[-1]})."
            )
    return sorted(set(found))


def drawn_unknown(labels: Tensor, count: int, seed: int) -> list[int]:
    """``count`` random classes to be left out; a pure function of the classes that occur and the seed.

    Raises:
        InputError: if fewer than two classes would stay known, or the count is below 1.
    """
    classes = labels[labels >= 0].unique()
    if not 1 <= count <= len(classes) - 2:
        raise InputError(
            f"{count} of {len(classes)} classes should be unknown: leave at least 2 known and 1 unknown one."
        )
    return sorted(classes[permutation(seed, CLASS_STREAM, len(classes))[:count]].tolist())


def open_set(features: Tensor, labels: Tensor, split: Split, unknown: Sequence[int]) -> list[dict[str, Any]]:
    """Every score and threshold on one split: one entry for each, of rank metrics and of decisions.

    Args:
        features: (N, dim) float.
        labels: (N,) int64.
        split: with unknown classes in its test part, as of ``eval.open_split``.
        unknown: labels of the unknown classes.

    Returns:
        Entries with ``probe`` (the score's name), ``threshold`` (None for rank metrics), ``metrics`` and ``selected``.

    Raises:
        InputError: if every class has a single training sample: there is nothing to fit a threshold on.
    """
    train = split.learned()
    train_x, train_y, test_x = features[train], labels[train], features[split.test]
    truth = labels[split.test]
    is_unknown = torch.isin(truth, torch.tensor(list(unknown), dtype=torch.int64))
    truth = truth.where(~is_unknown, UNKNOWN)
    known_classes, test_classes = len(train_y.unique()), len(labels[split.test].unique())
    found: list[dict[str, Any]] = []
    for way, score in OPEN_SCORES.items():
        classes, values = score(train_x, train_y, test_x)
        held_out = held_out_scores(score, train_x, train_y, FOLDS_OF.get(way))
        for name, value in values.items():
            ranks = {
                "auroc": auroc(value, is_unknown),
                "fpr95 (known positive)": fpr95(value, is_unknown, "known"),
                "fpr95 (unknown positive)": fpr95(value, is_unknown, "unknown"),
                "oscr": oscr(value, is_unknown, classes == truth),
                "closed_oa": scores(truth[~is_unknown], classes[~is_unknown])["oa"],
                "openness": openness(known_classes, test_classes),
            }
            chosen: dict[str, Any] = {"unknown": list(unknown)}
            found.append({"probe": name, "threshold": None, "metrics": ranks, "selected": chosen})
            for kind in THRESHOLDS:
                cut, how = threshold(held_out[name], kind)
                metrics = open_scores(truth, classes.where(value <= cut, UNKNOWN))
                chosen = {"unknown": list(unknown), "value": cut, **how}
                found.append({"probe": name, "threshold": kind, "metrics": metrics, "selected": chosen})
    return found


def open_rows(found: Sequence[tuple[str, Split, list[dict[str, Any]]]]) -> list[dict[str, Any]]:
    """Rows over the seeds, from (representation, split, entries of :func:`open_set`), one for each seed.

    A metric that has no value for a seed (nothing unknown, say) is left out of the mean and None in ``per_seed``.
    """
    table = []
    keys = [(name, split.name, split.shots, split.share) for name, split, _ in found]
    for key in dict.fromkeys(keys):
        runs = [entries for other, (_, _, entries) in zip(keys, found) if other == key]
        representation, kind, shots, share = key
        for entries in zip(*runs):
            for metric in entries[0]["metrics"]:
                values = [entry["metrics"][metric] for entry in entries]
                there = [v for v in values if v is not None]
                table.append(
                    {
                        "representation": representation,
                        "probe": entries[0]["probe"],
                        "threshold": entries[0]["threshold"],
                        "shots": shots,
                        "labels": share,
                        "split": kind,
                        "metric": metric,
                        **(mean_sd(there) if there else {"mean": None, "sd": None}),
                        "per_seed": values,
                        "selected": [entry["selected"] for entry in entries],
                    }
                )
    return table
