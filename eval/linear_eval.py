"""Linear evaluation: a frozen representation, its baselines on the very same splits, and the paired differences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

import torch
from torch import Tensor, nn

from eval.baselines import calibrated_twin, fit_pca, patches, raw_features, unlabelled_ids, window_mean
from eval.describe_split import describe_split
from eval.draw import default_kinds, draw_splits, excluded_ids
from eval.feature_cache import FeatureCache
from eval.features import BATCH_SIZE, fingerprint
from eval.labelled import LabelledData
from eval.linear_probe import ALPHAS, DEFAULT_PROBES, HEADLINE, PROBES
from eval.logistic_probe import FEW_SHOT_C, PENALTIES, SWEEP_FROM
from eval.metrics import METRICS
from eval.outcomes import outcomes
from eval.score import Score, score
from eval.splits import Split
from eval.summary import gaps, paired, rows
from eval.supervised import SUPERVISED, SUPERVISED_MOST, supervised_scores
from simclr.data.scene import SceneSource
from simclr.data.source import Source
from simclr.encoder_file import FrozenEncoder
from simclr.errors import InputError
from simclr.metadata import versions

PROTOCOL = "simclr-linear-eval/2"
SEEDS = (0, 1, 2, 3, 4)
PCA_COMPONENTS = 64
Progress = Callable[[str, int, int], None]
Found = dict[str, list[tuple[int | None, Score]]]


def linear_eval(
    encoder: nn.Module,
    source: Source,
    test_source: Source | None = None,
    *,
    splits: Sequence[str] | None = None,
    shots: Sequence[int] | None = None,
    shares: Sequence[float] = (),
    seeds: Sequence[int] = SEEDS,
    probes: Sequence[str] | None = None,
    supervised: bool | None = None,
    cache: FeatureCache | None = None,
    device: torch.device | str = "cpu",
    exclude: Iterable[int] | Tensor | None = None,
    batch_size: int = BATCH_SIZE,
    transductive: bool | None = None,
    command: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """How good a frozen encoder is, beside what it must beat: all on the same splits, seed by seed.

    Baselines: ``random``, the same architecture with fresh weights for each seed and BatchNorm statistics of the
    inputs; ``raw`` input; its ``pca``; for scenes the ``window mean``; and ``supervised``, the architecture trained
    from scratch on each split's training labels. Nothing is ever chosen on a test sample.

    Args:
        encoder: as of ``simclr.load_encoder``: with ``preprocess``, ``feature_dim``, ``metadata``, ``random_twin``.
        source: labelled samples to draw training (and, without ``test_source``, test) samples from.
        test_source: the test part, with the same classes.
        splits: words of ``eval.draw.draw_splits``: ``random``, ``block``, files; None is random, and for a scene block
            as well.
        shots: k a class; None is ``SCENE_SHOTS`` for a scene and no few-shot split otherwise.
        shares: shares of each class's labels, such as 0.01 and 0.1.
        seeds: of splits and random initialisations.
        probes: names of ``eval.linear_probe.PROBES``; None is ``DEFAULT_PROBES``.
        supervised: whether to train from scratch; None does where no split has more than
            ``SUPERVISED_MOST`` training samples.
        cache: where features are kept; None extracts them each time.
        device: where encoders run.
        exclude: ids of ``source`` that no split may use; None is the ``monitor_ids`` of the encoder's metadata, unless
            there is a test part or the ids do not exist. Pass ``()`` for an encoder that was pretrained on other data.
        batch_size: samples at once through the encoder.
        transductive: whether pretraining saw the test samples (without their labels); None = not known.
        command: to be kept in the result.
        progress: called with (what, done, all of it).

    Returns:
        What ``result.json`` holds: ``rows``, ``paired`` differences, ``gaps`` between random and block splits,
        ``per_class`` recall, ``outcomes`` for the headline probe on the pretrained encoder, ``splits``, and how it was
        done.

    Raises:
        InputError: without labels, with unfit classes, splits, shots, seeds or probes, or NaN features.
        RuntimeError: if the encoder changed while features were extracted.
    """
    seeds = tuple(dict.fromkeys(seeds))
    if not seeds:
        raise InputError("seeds is empty: give at least one, such as 0.")
    data, cache = LabelledData(source, test_source), cache or FeatureCache(None)
    excluded = excluded_ids(encoder, data, exclude)
    splits = default_kinds(source, test_source) if splits is None else splits

    def draw() -> list[Split]:
        return draw_splits(data, splits, shots=shots, shares=shares, seeds=seeds, exclude=excluded)

    # Bad splits or probes are found before the long extraction.
    names = _choose_probes(probes)
    draw()
    ids = data.known()
    ids = ids[~torch.isin(ids, excluded)]

    def report(what: str) -> Callable[[int, int], None] | None:
        return None if progress is None else lambda done, total: progress(what, done, total)

    def extract(module: nn.Module, what: str) -> Tensor:
        return data.gather(
            ids, lambda part, these: cache.features(module, part, these, batch_size, device, report(what))
        )

    def measure(features: Tensor, chosen: Sequence[Split], what: str) -> list[tuple[int | None, Score]]:
        return [(s.split.seed, s) for s in score(features, labels[ids], chosen, names, report(f"probes: {what}"))]

    before = fingerprint(encoder)
    found: Found = {}
    pretrained = extract(encoder, "features: pretrained")
    # A streamed source finds its unreadable images now, and takes their labels away.
    labels = data.labels
    readable = labels[ids] >= 0
    pretrained, ids = pretrained[readable], ids[readable]
    drawn = draw()
    skipped: list[dict[str, Any]] = []
    place = torch.full((len(labels),), -1)
    place[ids] = torch.arange(len(ids))
    local = [replace(s, train=place[s.train], test=place[s.test], validation=place[s.validation]) for s in drawn]
    fitted_on = unlabelled_ids(source)
    found["pretrained"] = measure(pretrained, local, "pretrained")
    found["random"] = []
    for seed in seeds:
        what = f"random weights, seed {seed}"
        twin = calibrated_twin(encoder, seed, source, device)  # type: ignore[arg-type]
        mine = [s for s in local if s.seed in (seed, None)]
        found["random"] += [(seed, s) for _, s in measure(extract(twin, f"features: {what}"), mine, what)]
    preprocess = encoder.preprocess
    raw = data.gather(ids, lambda part, these: raw_features(preprocess, part, these, batch_size))  # type: ignore[arg-type]
    repeated = _repeated(raw, local[0]) if test_source is not None else None
    found["raw"] = measure(raw, local, "raw")
    if isinstance(source, SceneSource) and test_source is None:
        found["window mean"] = measure(window_mean(preprocess, source, ids, batch_size), local, "window mean")  # type: ignore[arg-type]
        inputs, fit = patches(preprocess, source, ids), patches(preprocess, source, fitted_on)  # type: ignore[arg-type]
    else:
        inputs, fit = raw, raw[torch.isin(ids, fitted_on)]
    mean, directions = fit_pca(fit, PCA_COMPONENTS)
    found["pca"] = measure((inputs - mean) @ directions, local, "pca")
    most = max(len(s.train) for s in drawn)
    if supervised is None:
        supervised = most <= SUPERVISED_MOST and isinstance(encoder, FrozenEncoder)
        if most > SUPERVISED_MOST:
            why = f"{most} training samples are more than {SUPERVISED_MOST}: ask for it to train from scratch"
            skipped.append({"probe": "supervised", "why": why})
    if supervised:
        found["supervised"] = supervised_scores(encoder, data, drawn, seeds, device, report("supervised"))  # type: ignore[arg-type]
    after = fingerprint(encoder)
    if after != before:
        raise RuntimeError("the encoder changed during the evaluation: it is not frozen.")

    metrics = METRICS if any(s.shots for s in drawn) or isinstance(source, SceneSource) else ("accuracy",)
    table = rows(found, metrics)
    headline = HEADLINE if HEADLINE in names else names[0]
    return {
        "protocol": _protocol(drawn, seeds, names),
        "rows": table,
        "paired": paired(table, headline),
        "gaps": gaps(table),
        "per_class": _per_class(found, source.class_names, headline),
        "outcomes": outcomes(
            "pretrained", [s for _, s in found["pretrained"] if s.probe == headline], len(source.class_names)
        ),
        "headline": headline,
        "representation": "frozen h; also with shares of the labels, this is a linear probe and not fine-tuning",
        "selected_on": "training part only (ridge: leave-one-out; logistic, sgd: held-out share; others: fixed)",
        "transductive": transductive,
        "seeds": list(seeds),
        "interval": "95 % Student t over seeds, each a split with its own random weights; one pretrained encoder",
        "skipped": skipped,
        "excluded": {"samples": len(excluded), "why": "given by id, or their labels were seen by the online kNN"},
        "repeated_in_training_part": repeated,
        "damaged": data.damaged,
        "splits": [describe_split(s, data) for s in drawn],
        "baselines": {
            "random": f"BatchNorm statistics from {len(fitted_on)} training inputs without their labels",
            "pca": f"{directions.shape[1]} components of the input, fitted on {len(fit)} training inputs",
        },
        "features": cache.log,
        "probes": {
            "ridge": {"alphas": ALPHAS.tolist(), "features": "standardised on the training samples"},
            "logistic": {
                "penalties": PENALTIES.tolist(),
                "few_shot_C": FEW_SHOT_C,
                "sweep_from": f"{SWEEP_FROM} training samples a class on average",
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


def _choose_probes(probes: Sequence[str] | None) -> tuple[str, ...]:
    if probes is None:
        return DEFAULT_PROBES
    for probe in probes:
        if probe not in PROBES:
            raise InputError(f"there is no probe {probe!r}: choose from {', '.join(PROBES)}.")
    if not probes:
        raise InputError(f"no probe is given: choose from {', '.join(PROBES)}.")
    return tuple(dict.fromkeys(probes))


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


def _protocol(splits: Sequence[Split], seeds: Sequence[int], probes: Sequence[str]) -> str:
    """A short text that is the same for two results exactly where they were made in the same way."""
    kinds = ",".join(dict.fromkeys(s.name for s in splits))
    shots = ",".join(dict.fromkeys(str(s.shots) for s in splits if s.shots)) or "-"
    shares = ",".join(dict.fromkeys(f"{100 * s.share:g}%" for s in splits if s.share)) or "-"
    return (
        f"{PROTOCOL} split={kinds} shots={shots} labels={shares} seeds={','.join(map(str, seeds))} "
        f"probes={','.join(probes)}"
    )


def _per_class(found: Found, names: Sequence[str], probe: str) -> list[dict[str, Any]]:
    """Mean recall of each class over the seeds, for one probe."""
    table = []
    for representation, all_scores in found.items():
        mine = [s for _, s in all_scores if s.probe in (probe, SUPERVISED)]
        for key in dict.fromkeys((s.split.name, s.split.shots, s.split.share) for s in mine):
            these = [s.recall for s in mine if (s.split.name, s.split.shots, s.split.share) == key]
            recall = {
                n: fmean(r[c] for r in these if c in r) for c, n in enumerate(names) if any(c in r for r in these)
            }
            split, shots, share = key
            entry = {"representation": representation, "probe": mine[0].probe, "shots": shots, "labels": share}
            table.append({**entry, "split": split, "recall": recall})
    return table
