"""What a few labels are worth: k-shot probes, episodes, fine-tuning and unknown classes, on the very same splits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from eval.draw import draw_splits, excluded_ids
from eval.episodes import EPISODES, QUERIES, WAYS, run_episodes
from eval.feature_cache import FeatureCache
from eval.features import check_finite, fingerprint
from eval.fine_tuned import FINE_TUNE, fine_tuned_scores
from eval.labelled import LabelledData
from eval.linear_probe import PROBES
from eval.metrics import METRICS
from eval.open_set import REJECTED, TAIL
from eval.prediction import FitPredict
from eval.prototypes import PROTOTYPES
from eval.representations import Progress, representations
from eval.score import Score, scored
from eval.splits import Split
from eval.summary import paired, rows
from eval.supervised import supervised_scores
from eval.unknown import drawn_unknown, open_rows, open_set, unknown_split
from simclr.data.scene import SceneSource
from simclr.data.source import Source
from simclr.data.tensor_source import TensorSource
from simclr.encoder_file import FrozenEncoder
from simclr.errors import InputError
from simclr.head import ProjectionHead
from simclr.metadata import versions

PROTOCOL = "simclr-few-shot/1"
SHOTS = (1, 5, 20)
SEEDS = tuple(range(10))
HEADLINE = "ridge"
ALL_PROBES: dict[str, FitPredict] = {**PROTOTYPES, **PROBES}
DEFAULT_PROBES = (*PROTOTYPES, HEADLINE)
FINE_TUNE_SEEDS = 3


def few_shot(
    model: FrozenEncoder | Tensor,
    samples: Source | Tensor,
    test_source: Source | None = None,
    *,
    shots: Sequence[int] = SHOTS,
    shares: Sequence[float] = (),
    seeds: Sequence[int] = SEEDS,
    probes: Sequence[str] = DEFAULT_PROBES,
    ways: int = WAYS,
    queries: int = QUERIES,
    episodes: int = EPISODES,
    unknown: Sequence[int] = (),
    unknown_classes: int = 0,
    fine_tune: bool | None = None,
    fine_tune_seeds: int = FINE_TUNE_SEEDS,
    head: ProjectionHead | None = None,
    cache: FeatureCache | None = None,
    device: torch.device | str = "cpu",
    exclude: Iterable[int] | Tensor | None = None,
    transductive: bool | None = None,
    command: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Few-shot evaluation of an encoder, beside random weights and the raw input, or of a matrix of features.

    Nothing is ever chosen on a test sample. A class with fewer than 2·k samples gives half of them (``eval.splits``).

    Args:
        model: an encoder as of ``simclr.load_encoder``, or features (N, dim) of any float type.
        samples: the labelled source, or with features the labels (N,) int64, -1 = unlabelled.
        test_source: the source's test part: support samples then come from the training part, queries from this one.
        shots: labels per class of the k-shot probes; they are the points of the label-efficiency curve.
        shares: shares of each class's labels besides, such as 0.01 and 0.1.
        seeds: of splits, random weights and drawn unknown classes.
        probes: names of ``ALL_PROBES``.
        ways, queries, episodes: of the episodes, see ``eval.episodes``; 0 episodes leaves them out.
        unknown: labels of unknown classes, the same for every seed; they take no part in the closed-set rows.
        unknown_classes: so many classes are drawn anew for each seed and left out; not together with ``unknown``.
        fine_tune: train end to end, from the encoder and from random weights (``supervised``); None does for a scene,
            where it takes seconds.
        fine_tune_seeds: the first so many of the seeds.
        head: fine-tune from the first layer of this projection head instead of h.
        cache: where features are kept; None extracts them each time.
        device: where encoders run.
        exclude: ids that no split may use; None is the ``monitor_ids`` of the encoder's metadata (``eval.draw``).
        transductive: whether pretraining saw the test samples, without their labels; None = not known.
        command: to be kept in the result.
        progress: called with (what, done, all of it).

    Returns:
        What ``few-shot.json`` holds: ``rows``, ``paired``, ``episodes``, ``open_set``, ``splits`` and how it was done.

    Raises:
        InputError: without labels, with too few classes for what is asked, or NaN features.
        RuntimeError: if the encoder changed during the evaluation.
    """
    seeds = tuple(dict.fromkeys(seeds))
    _check(seeds, shots, probes, unknown, unknown_classes)
    encoder = model if isinstance(model, FrozenEncoder) else None
    data = LabelledData(_as_source(model, samples), test_source)
    excluded = excluded_ids(model, data, () if encoder is None else exclude)  # type: ignore[arg-type]
    seen_classes = data.labels[data.known()].unique()
    absent = sorted(set(unknown) - set(seen_classes.tolist()))
    if absent:
        raise InputError(f"the unknown class {absent[0]} has no sample in {data.source.name}.")
    report = progress or (lambda what, done, total: None)

    def draw() -> tuple[list[Split], list[tuple[list[int], Split]]]:
        labels = data.labels
        always_out = torch.cat([excluded, torch.nonzero(torch.isin(labels, torch.tensor(list(unknown)))).flatten()])
        closed = draw_splits(data, ("random",), shots=shots, shares=shares, seeds=seeds, exclude=always_out)
        # An unknown class is not left out for want of samples.
        closed = [replace(s, left_out=tuple(c for c in s.left_out if c not in unknown)) for s in closed]
        n = None if test_source is None else len(data.source)
        left_out = {s: drawn_unknown(labels, unknown_classes, s) if unknown_classes else list(unknown) for s in seeds}
        return closed, [
            (left_out[s], unknown_split(labels, k, s, left_out[s], excluded, n))
            for k in shots
            for s in seeds
            if left_out[s] and k > 1
        ]

    draw()  # bad input is found before the long extraction
    free = data.labels.clone()
    free[excluded] = -1
    free = free.where(~torch.isin(free, torch.tensor(list(unknown))), -1)
    episode_shots, skipped = _episode_shots(free, ways, shots, queries) if episodes else ((), [])
    before = None if encoder is None else fingerprint(encoder)
    ids = data.known()
    ids = ids[~torch.isin(ids, excluded)]
    found: dict[str, list[tuple[int | None, Score]]] = {}
    open_found: list[tuple[str, int, list[dict[str, Any]]]] = []
    episode_rows: list[dict[str, Any]] = []
    closed: list[Split] = []
    opened: list[tuple[list[int], Split]] = []
    for name, seed, features in representations(model, data, ids, seeds, cache or FeatureCache(None), device, report):
        labels = data.labels
        if not closed:  # a streamed source has found its unreadable images by now
            closed, opened = draw()
        check_finite(features, ids, f"the features ({name})")
        rows_of = torch.full((len(labels),), -1)
        rows_of[ids] = torch.arange(len(ids))
        y = labels[ids]
        mine = [s for s in closed if seed in (None, s.seed)]
        for i, split in enumerate(mine):
            report(f"probes: {name}", i, len(mine))
            local = _local(split, rows_of)
            for probe in probes:
                predicted = ALL_PROBES[probe](features[local.train], y[local.train], features[local.test])
                entry = scored(probe, split, y[local.test], predicted)
                found.setdefault(name, []).append((split.seed, entry))
        for i, (classes, split) in enumerate((c, s) for c, s in opened if seed in (None, s.seed)):
            report(f"unknown classes: {name}", i, len(opened))
            assert split.shots is not None
            open_found.append((name, split.shots, open_set(features, y, _local(split, rows_of), classes)))
        if episodes and seed in (None, seeds[0]):
            report(f"episodes: {name}", 0, 1)
            usable = y.where(~torch.isin(y, torch.tensor(list(unknown))), -1)
            episode_rows += [
                {"representation": name, **_episodes(features, usable, data, ways, k, queries, episodes, seeds[0])}
                for k in episode_shots
            ]

    if fine_tune is None:
        fine_tune = encoder is not None and isinstance(samples, SceneSource)
    tuned_on = [s for s in closed if s.seed in seeds[:fine_tune_seeds]]
    if fine_tune and encoder is not None:
        found["pretrained"] += fine_tuned_scores(
            encoder, data, tuned_on, head, device, lambda done, total: report(FINE_TUNE, done, total)
        )
        found["supervised"] = supervised_scores(
            encoder, data, tuned_on, seeds, device, lambda done, total: report("supervised", done, total)
        )
    after = None if encoder is None else fingerprint(encoder)
    if after != before:
        raise RuntimeError("the encoder changed during the evaluation: it is not frozen.")

    table = rows(found, METRICS)
    if (unknown or unknown_classes) and min(shots) < 2:
        skipped.append({"what": "unknown classes at 1 shot", "why": "a threshold needs a sample that is left out"})
    if not fine_tune:
        skipped.append({"what": FINE_TUNE, "why": "not asked for" if encoder else "features cannot be trained"})
    names = data.class_names
    return {
        "protocol": f"{PROTOCOL} shots={_joined(shots)} labels={_joined(shares)} seeds={_joined(seeds)} "
        f"probes={_joined(probes)} episodes={ways}-way,{queries}-query,{episodes} "
        f"unknown={_joined(names[c] for c in unknown) if unknown else unknown_classes}",
        "rows": table,
        "paired": paired(table, HEADLINE) if HEADLINE in probes else [],
        "episodes": episode_rows,
        "open_set": open_rows(open_found),
        "headline": HEADLINE if HEADLINE in probes else probes[0],
        "selected_on": "training samples only (ridge: leave-one-out; thresholds: held-out training samples; "
        "fine-tuning: number of steps on a validation part of the training samples)",
        "transductive": transductive,
        "seeds": list(seeds),
        "interval": "paired: 95 % Student t over seeds; episodes: mean ± 1.96·sd/√episodes",
        "skipped": skipped,
        "excluded": {"samples": len(excluded), "why": "given by id, or their labels were seen by the online kNN"},
        "damaged": data.damaged,
        "splits": [_describe(s, data, []) for s in closed] + [_describe(s, data, c) for c, s in opened],
        "thresholds": {
            "rejected": REJECTED,
            "tail": TAIL,
            "fitted_on": "training samples scored by a model that has not seen them",
        },
        "fine_tune": {"seeds": list(seeds[:fine_tune_seeds])} if fine_tune else None,
        "source": {
            "name": data.source.name,
            "samples": len(data.source),
            "test_part": None if test_source is None else len(test_source),
            "classes": {name: int((data.labels == c).sum()) for c, name in enumerate(names)},
        },
        "encoder": {"sha256_before": before, "sha256_after": after, "frozen": before is not None},
        "versions": versions(),
        "command": command,
    }


def _episodes(
    features: Tensor, labels: Tensor, data: LabelledData, ways: int, shots: int, queries: int, episodes: int, seed: int
) -> dict[str, Any]:
    result = run_episodes(features, labels, ways=ways, shots=shots, queries=queries, episodes=episodes, seed=seed)
    return {**result, "left_out": [data.class_names[c] for c in result["left_out"]]}


def _episode_shots(
    labels: Tensor, ways: int, shots: Sequence[int], queries: int
) -> tuple[tuple[int, ...], list[dict[str, str]]]:
    """The shots at which enough classes have enough samples for an episode, and why the others are left out.

    Raises:
        InputError: if there are fewer classes than ways.
    """
    counts = labels[labels >= 0].unique(return_counts=True)[1]
    if len(counts) < ways:
        raise InputError(f"ways is {ways}, but there are {len(counts)} classes: give {len(counts)} ways or fewer.")
    able = {k: int((counts >= k + queries).sum()) for k in shots}
    why = {k: f"{n} of {len(counts)} classes have {k} + {queries} samples: give fewer queries" for k, n in able.items()}
    left_out = [{"what": f"{ways}-way {k}-shot episodes", "why": why[k]} for k in shots if able[k] < ways]
    return tuple(k for k in shots if able[k] >= ways), left_out


def _as_source(model: FrozenEncoder | Tensor, samples: Source | Tensor) -> Source:
    """Features with labels are samples of one pixel."""
    if isinstance(model, Tensor) and isinstance(samples, Tensor):
        if model.ndim != 2 or len(model) != len(samples):
            raise InputError(
                f"features are {tuple(model.shape)} and labels {tuple(samples.shape)}: give (N, dim) and (N,)."
            )
        return TensorSource(model[:, :, None, None], samples, name="features")
    if isinstance(model, Tensor) or isinstance(samples, Tensor):
        raise InputError("give an encoder with a source, or a matrix of features with its labels.")
    return samples


def _check(
    seeds: Sequence[int], shots: Sequence[int], probes: Sequence[str], unknown: Sequence[int], unknown_classes: int
) -> None:
    if not seeds or not shots:
        raise InputError("seeds or shots are empty: give at least one of each.")
    for probe in probes:
        if probe not in ALL_PROBES:
            raise InputError(f"there is no probe {probe!r}: choose from {', '.join(ALL_PROBES)}.")
    if not probes:
        raise InputError(f"no probe is given: choose from {', '.join(ALL_PROBES)}.")
    if unknown and unknown_classes:
        raise InputError("name the unknown classes, or say how many to draw, not both.")


def _local(split: Split, rows_of: Tensor) -> Split:
    return replace(split, train=rows_of[split.train], test=rows_of[split.test])


def _describe(split: Split, data: LabelledData, unknown: Sequence[int]) -> dict[str, Any]:
    names, digest = data.class_names, split.digest()
    return {
        "split": split.name,
        "shots": split.shots,
        "labels": split.share,
        "seed": split.seed,
        "rule": split.rule,
        "unknown": [names[c] for c in unknown],
        "train": len(split.train),
        "test": len(split.test),
        "train_per_class": data.labels[split.train].bincount(minlength=len(names)).tolist(),
        "left_out": [names[c] for c in split.left_out],
        "sha256_train": digest["train"],
        "sha256_test": digest["test"],
    }


def _joined(values: Iterable[object]) -> str:
    return ",".join(map(str, values)) or "-"
