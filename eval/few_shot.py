"""What a few labels are worth: k-shot probes, episodes, fine-tuning and unknown classes, on the very same splits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from eval.metrics.accuracy import METRICS
from eval.open_set.evaluate import open_set
from eval.open_set.scores import REJECTED, TAIL
from eval.probes.end_to_end import FINE_TUNE, SUPERVISED, fine_tuned_scores, supervised_scores
from eval.probes.episodes import EPISODES, EpisodeShots, episode_shots, run_episodes
from eval.probes.registry import ALL_PROBES, FEW_SHOT_HEADLINE, FEW_SHOT_PROBES, check_probes
from eval.probes.score import Score, score
from eval.results.rows import gaps, open_rows, paired, rows
from eval.splits.amounts import check_amounts, fewer_shots, whole_numbers
from eval.splits.describe_split import describe_split
from eval.splits.labelled import LabelledData
from eval.splits.open_split import SHOTS, OpenSplit, check_unknown, few_shot_splits
from eval.splits.split import Split
from eval.subject.feature_cache import FeatureCache
from eval.subject.features import check_finite, fingerprint
from eval.subject.representations import Progress, Representation, representations
from eval.subject.subject import as_source, as_tensor, excluded_ids
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import Source
from simclr.encoder_file import FrozenEncoder
from simclr.errors import InputError
from simclr.finetune import check_settings
from simclr.models.head import ProjectionHead
from simclr.run.metadata import versions

PROTOCOL = "simclr-few-shot/2"
SEEDS = tuple(range(10))
FINE_TUNE_SEEDS = 3


class _Found(NamedTuple):
    """What was measured: scores by representation, open-set entries, episodes."""

    scores: dict[str, list[tuple[int | None, Score]]]
    open_set: list[tuple[str, Split, list[dict[str, Any]]]]
    episodes: list[dict[str, Any]]


def few_shot(
    model: FrozenEncoder | Tensor | np.ndarray,
    samples: Source | Tensor | np.ndarray,
    test_source: Source | None = None,
    *,
    splits: Sequence[str] = ("random",),
    shots: Sequence[int] | None = None,
    shares: Sequence[float] = (),
    seeds: Sequence[int] = SEEDS,
    probes: Sequence[str] = FEW_SHOT_PROBES,
    standardise: bool = True,
    ways: int | None = None,
    queries: int | None = None,
    episodes: int = EPISODES,
    unknown: Sequence[int] = (),
    unknown_classes: int = 0,
    fine_tune: bool | None = None,
    fine_tune_seeds: int = FINE_TUNE_SEEDS,
    fine_tune_options: Mapping[str, Any] | None = None,
    head: ProjectionHead | None = None,
    cache: FeatureCache | None = None,
    device: torch.device | str = "cpu",
    exclude: Iterable[int] | Tensor | None = None,
    transductive: bool | None = None,
    command: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Few-shot evaluation of an encoder, beside random weights and the raw input, or of a matrix of features.

    Nothing is ever chosen on a test sample. A class with fewer than 2·k samples gives half of them
    (``eval.splits.split``).

    Args:
        model: an encoder as of ``simclr.load_encoder``, or features (N, dim) of any float type, in torch or numpy.
        samples: the labelled source, or with features the labels (N,) int64, -1 = unlabelled.
        test_source: the source's test part: training samples then come from the training part, test samples and
            episodes from this one.
        splits: words of ``eval.splits.draw.draw_splits``: ``random``, ``block``, files.
        shots: labels per class of the k-shot probes, the points of the label-efficiency curve; None is ``SHOTS``, and
            the whole training part of a file.
        shares: shares of each class's labels besides, such as 0.01 and 0.1.
        seeds: of splits, random weights and drawn unknown classes.
        probes: names of ``ALL_PROBES``.
        standardise: whether linear probes divide features by their standard deviation over the training samples.
        ways, queries, episodes: of the episodes, see ``eval.probes.episodes``; None is ``WAYS`` (or the number of
            classes, if smaller) and ``QUERIES``; 0 episodes leaves them out.
        unknown: labels of unknown classes, the same for every seed; they take no part in the closed-set rows.
        unknown_classes: so many classes are drawn anew for each seed and left out; not together with ``unknown``.
        fine_tune: train end to end, from the encoder and from random weights (``supervised``); None does for a scene,
            where it takes seconds.
        fine_tune_seeds: the first so many of the seeds.
        fine_tune_options: keywords of ``simclr.finetune.check_settings``, for the encoder's fine-tuning.
        head: fine-tune from the first layer of this projection head instead of h.
        cache: where features are kept; None extracts them each time.
        device: where encoders run.
        exclude: ids that no split may use; None is the ``monitor_ids`` of the encoder's metadata
            (``eval.splits.draw``).
        transductive: whether pretraining saw the test samples, without their labels; None = not known.
        command: to be kept in the result.
        progress: called with (what, done, all of it).

    Returns:
        What ``few-shot.json`` holds: ``rows``, ``paired``, ``gaps``, ``episodes``, ``open_set``, ``splits`` and how it
        was done.

    Raises:
        InputError: without labels, with too few classes or samples for what is asked, or NaN features; all but the
            last before any feature is extracted.
        RuntimeError: if the encoder changed during the evaluation.
    """
    subject, seeds = as_tensor(model), tuple(dict.fromkeys(whole_numbers("seeds", seeds)))
    shots = None if shots is None else whole_numbers("shots", shots)
    few = SHOTS if shots is None else tuple(shots)
    if not seeds or not (few or shares):
        raise InputError("seeds or shots are empty: give at least one of each.")
    probes = check_probes(probes, ALL_PROBES)
    check_settings(**(fine_tune_options or {}))
    encoder = subject if isinstance(subject, FrozenEncoder) else None
    data, cache = LabelledData(as_source(subject, as_tensor(samples)), test_source), cache or FeatureCache(None)
    excluded = excluded_ids(subject, data, () if encoder is None else exclude)  # type: ignore[arg-type]
    report = progress or (lambda what, done, total: None)
    check_unknown(data, unknown, unknown_classes)
    check_amounts(data.without(unknown), splits, shots or (), shares, excluded)

    def draw() -> tuple[list[Split], list[OpenSplit]]:
        return few_shot_splits(
            data,
            splits,
            shots=shots,
            shares=shares,
            seeds=seeds,
            exclude=excluded,
            unknown=unknown,
            unknown_classes=unknown_classes,
        )

    closed, opened = draw()
    take_part = ~torch.isin(data.labels, torch.tensor(list(unknown), dtype=torch.int64))
    take_part[excluded] = False
    take_part[: 0 if test_source is None else len(data.source)] = False
    free = data.labels.where(take_part, -1)
    chosen = episode_shots(free, ways, few, queries) if episodes else None
    skipped = [] if chosen is None else list(chosen.skipped)
    before = None if encoder is None else fingerprint(encoder)
    ids = data.known()
    ids = ids[~torch.isin(ids, excluded)]
    place = torch.full((len(data.labels),), -1)
    place[ids] = torch.arange(len(ids))
    found = _Found({}, [], [])
    for representation in representations(subject, data, ids, seeds, cache, device, report):  # type: ignore[arg-type]
        name, seed, features = representation
        if data.damaged and not found.scores:  # a streamed source has found its unreadable images by now
            closed, opened = draw()
        check_finite(features, ids, f"the features ({name})")
        y = data.labels[ids]
        mine = [_local(s, place) for s in closed if seed in (None, s.seed) or s.seed is None]
        found.scores.setdefault(name, []).extend(_probed(representation, y, mine, probes, standardise, report))
        both = [p for p in opened if seed in (None, p.open.seed) or p.open.seed is None]
        for i, pair in enumerate(both):
            report(f"unknown classes: {name}", i, len(both))
            found.open_set.append((name, pair.open, open_set(features, y, _local(pair.open, place), pair.unknown)))
        if chosen is not None and seed in (None, seeds[0]):
            report(f"episodes: {name}", 0, 1)
            usable = y.where(take_part[ids], -1)
            for k in chosen.shots:
                result = run_episodes(
                    features,
                    usable,
                    ways=chosen.ways,
                    shots=k,
                    queries=chosen.queries,
                    episodes=episodes,
                    seed=seeds[0],
                )
                result["left_out"] = [data.class_names[c] for c in result["left_out"]]
                found.episodes.append({"representation": name, **result})

    if fine_tune is None:
        fine_tune = encoder is not None and isinstance(samples, SceneSource)
    tuned_on = [s for s in closed if s.seed is None or s.seed in seeds[:fine_tune_seeds]]
    if fine_tune and encoder is not None:
        found.scores["pretrained"] += fine_tuned_scores(
            encoder,
            data,
            tuned_on,
            head,
            device,
            lambda done, total: report(FINE_TUNE, done, total),
            **(fine_tune_options or {}),
        )
        found.scores[SUPERVISED] = supervised_scores(
            encoder,
            data,
            tuned_on,
            seeds[:fine_tune_seeds],
            device,
            lambda done, total: report(SUPERVISED, done, total),
        )
    after = None if encoder is None else fingerprint(encoder)
    if after != before:
        raise RuntimeError("the encoder changed during the evaluation: it is not frozen.")

    table = rows(found.scores, METRICS)
    if (unknown or unknown_classes) and min(few, default=2) < 2:
        skipped.append({"what": "unknown classes at 1 shot", "why": "a threshold needs a sample that is left out"})
    if fine_tune and encoder is None:
        skipped.append({"what": FINE_TUNE, "why": "features cannot be trained"})
    names = data.class_names
    return {
        "protocol": _protocol(
            closed, seeds, probes, standardise, chosen, episodes, [names[c] for c in unknown], unknown_classes
        ),
        "rows": table,
        "paired": paired(table, FEW_SHOT_HEADLINE) if FEW_SHOT_HEADLINE in probes else [],
        "gaps": gaps(table),
        "episodes": found.episodes,
        "open_set": open_rows(found.open_set),
        "headline": FEW_SHOT_HEADLINE if FEW_SHOT_HEADLINE in probes else probes[0],
        "standardise": standardise,
        "selected_on": "training samples only (ridge: leave-one-out; thresholds: held-out training samples; "
        "fine-tuning: number of steps on a validation part of the training samples)",
        "transductive": transductive,
        "seeds": list(seeds),
        "interval": "paired: 95 % Student t over seeds; episodes: mean ± 1.96·sd/√episodes",
        "skipped": skipped,
        "excluded": {"samples": len(excluded), "why": "given by id, or their labels were seen by the online kNN"},
        "fewer_shots": fewer_shots(closed, data),
        "damaged": data.damaged,
        "splits": [{**describe_split(s, data), "unknown": []} for s in closed]
        + [{**describe_split(p.open, data), "unknown": [names[c] for c in p.unknown]} for p in opened],
        "thresholds": {
            "rejected": REJECTED,
            "tail": TAIL,
            "fitted_on": "training samples scored by a subject that has not seen them",
        },
        "fine_tune": {"seeds": list(seeds[:fine_tune_seeds])} if fine_tune else None,
        "features": cache.log,
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


def _probed(
    representation: Representation,
    y: Tensor,
    splits: Sequence[Split],
    probes: Sequence[str],
    standardise: bool,
    report: Progress,
) -> list[tuple[int | None, Score]]:
    """Every probe on every split, whose ids are rows of the features."""
    name, seed, features = representation
    scores = score(
        features,
        y,
        splits,
        probes,
        lambda done, total: report(f"probes: {name}", done, total),
        standardise=standardise,
        registry=ALL_PROBES,
    )
    return [(seed if s.split.seed is None else s.split.seed, s) for s in scores]


def _protocol(
    closed: Sequence[Split],
    seeds: Sequence[int],
    probes: Sequence[str],
    standardise: bool,
    chosen: EpisodeShots | None,
    episodes: int,
    unknown: Sequence[str],
    unknown_classes: int,
) -> str:
    """A short text that is the same for two results exactly where they were made in the same way."""
    kinds, shots, shares = (
        ",".join(dict.fromkeys(str(value) for value in values if value)) or "-"
        for values in ((s.name for s in closed), (s.shots for s in closed), (s.share for s in closed))
    )
    drawn = f"{chosen.ways}-way,{chosen.queries}-query,{episodes}" if chosen else "-"
    return (
        f"{PROTOCOL} split={kinds} shots={shots} labels={shares} "
        f"standardise={'yes' if standardise else 'no'} seeds={','.join(map(str, seeds))} "
        f"probes={','.join(probes)} episodes={drawn} unknown={','.join(unknown) or unknown_classes}"
    )


def _local(split: Split, place: Tensor) -> Split:
    return replace(split, train=place[split.train], test=place[split.test], validation=place[split.validation])
