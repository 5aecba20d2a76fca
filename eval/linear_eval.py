"""Linear evaluation: a frozen representation, its baselines on the very same splits, and the paired differences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from eval.metrics.accuracy import METRICS
from eval.metrics.structure import METRICS as STRUCTURE
from eval.metrics.structure import POLICY, Structure, structure
from eval.probes.end_to_end import SUPERVISED, SUPERVISED_MOST, supervised_scores
from eval.probes.logistic_probe import FEW_SHOT_C, PENALTIES, SWEEP_FROM
from eval.probes.registry import DEFAULT_PROBES, HEADLINE, check_probes
from eval.probes.ridge_probe import ALPHAS
from eval.probes.score import Score, score
from eval.results.outcomes import outcomes
from eval.results.rows import gaps, paired, rows
from eval.splits.amounts import check_amounts, fewer_shots, whole_numbers
from eval.splits.describe_split import describe_split
from eval.splits.draw import default_kinds, draw_splits
from eval.splits.labelled import LabelledData
from eval.splits.split import Split
from eval.subject.baselines import unlabelled_ids
from eval.subject.feature_cache import FeatureCache
from eval.subject.features import check_finite, fingerprint
from eval.subject.representations import Progress, representations
from eval.subject.subject import as_source, as_tensor, excluded_ids
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import Source
from simclr.encoder_file import FrozenEncoder
from simclr.errors import InputError
from simclr.run.metadata import versions

PROTOCOL = "simclr-linear-eval/3"
SEEDS = (0, 1, 2, 3, 4)
CALIBRATION = ("ece", "ece_scaled")
Found = dict[str, list[tuple[int | None, Score]]]


def linear_eval(
    model: nn.Module | Tensor | np.ndarray,
    samples: Source | Tensor | np.ndarray,
    test_source: Source | None = None,
    *,
    splits: Sequence[str | Split] | None = None,
    shots: Sequence[int] | None = None,
    shares: Sequence[float] = (),
    seeds: Sequence[int] = SEEDS,
    probes: Sequence[str] | None = None,
    standardise: bool = True,
    validation: float = 0.0,
    supervised: bool | None = None,
    cache: FeatureCache | None = None,
    device: torch.device | str = "cpu",
    exclude: Iterable[int] | Tensor | None = None,
    transductive: bool | None = None,
    command: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """How good a frozen encoder, or a matrix of features, is: the function under ``simclr linear-eval``.

    An encoder stands beside what it must beat, all on the same splits, seed by seed: ``random``, the same architecture
    with fresh weights for each seed and BatchNorm statistics of the inputs; ``raw`` input; its ``pca``; for scenes the
    ``window mean``; and ``supervised``, the architecture trained from scratch on each split's training labels. Nothing
    is ever chosen on a test sample.

    Args:
        model: an encoder as of ``simclr.load_encoder`` (with ``preprocess``, ``feature_dim``, ``metadata``,
            ``random_twin``), or features (N, dim) of any float type, in torch or numpy.
        samples: labelled samples to draw training (and, without ``test_source``, test) samples from, or with features
            the classes (N,) int64, -1 = unlabelled.
        test_source: the test part, with the same classes.
        splits: words of ``eval.splits.draw.draw_splits``: ``random``, ``block``, files, or splits; None is random, and
            for a scene block as well.
        shots: k a class; None is ``SCENE_SHOTS`` for a scene and no few-shot split otherwise.
        shares: shares of each class's labels, such as 0.01 and 0.1.
        seeds: of splits and random initialisations.
        probes: names of ``eval.probes.registry.PROBES``; None is ``DEFAULT_PROBES``.
        standardise: whether linear probes divide features by their standard deviation over the training samples.
        validation: share of each class's training samples that probes choose on, in splits without a validation part;
            0 leaves the choice to leave-one-out and to the probes' own held-out samples.
        supervised: whether to train from scratch; None does where no split has more than
            ``SUPERVISED_MOST`` training samples.
        cache: where features are kept; None extracts them each time.
        device: where encoders run.
        exclude: ids of ``samples`` that no split may use; None is the ``monitor_ids`` of the encoder's metadata, unless
            there is a test part or the ids do not exist. Pass ``()`` for an encoder that was pretrained on other data.
        transductive: whether pretraining saw the test samples (without their labels); None = not known.
        command: to be kept in the result.
        progress: called with (what, done, all of it).

    Returns:
        What ``result.json`` holds: ``rows``, ``paired`` differences, ``gaps`` between random and block splits,
        ``per_class`` recall, ``outcomes`` for the headline probe on what is judged, ``splits``, and how it was done.
        A row is one measurement: ``representation``, ``probe``, ``shots``, ``labels``, ``split``, ``metric``, ``mean``,
        ``sd``, ``per_seed`` and ``selected``. Metrics are ``oa``, ``aa`` and ``kappa`` (or ``accuracy``); of probes
        with logits also ``ece`` and ``ece_scaled``; of ``retrieval`` ``r_at_1`` and ``map_at_r``; of ``k-means``
        ``nmi`` (``eval.metrics.structure``).

    Raises:
        InputError: without labels, with unfit classes, splits, shots, shares, seeds or probes, before any feature is
            extracted; or NaN features.
        RuntimeError: if the encoder changed while features were extracted.

    Example:
        >>> from sklearn.datasets import load_digits
        >>> pixels, classes = (torch.tensor(part) for part in load_digits(return_X_y=True))
        >>> result = linear_eval(pixels.float(), classes, shots=[10], seeds=[0, 1], probes=["ridge"])
        >>> [round(row["mean"], 2) for row in result["rows"] if row["metric"] == "oa"]
        [0.85]
    """
    subject, seeds = as_tensor(model), tuple(dict.fromkeys(whole_numbers("seeds", seeds)))
    shots = None if shots is None else whole_numbers("shots", shots)
    if not seeds:
        raise InputError("seeds is empty: give at least one, such as 0.")
    # Whatever is wrong is found before the long extraction.
    names = check_probes(DEFAULT_PROBES if probes is None else probes)
    data, cache = LabelledData(as_source(subject, as_tensor(samples)), test_source), cache or FeatureCache(None)
    source = data.source
    encoder = None if isinstance(subject, Tensor) else subject
    if supervised and encoder is None:
        raise InputError("features cannot be trained from scratch: give an encoder, or leave supervised out.")
    excluded = excluded_ids(subject, data, () if encoder is None and exclude is None else exclude)  # type: ignore[arg-type]
    kinds = default_kinds(source, test_source) if splits is None else splits
    check_amounts(data, kinds, shots or (), shares, excluded)

    def draw() -> list[Split]:
        return draw_splits(
            data, kinds, shots=shots, shares=shares, seeds=seeds, exclude=excluded, validation=validation
        )

    drawn = draw()
    ids = data.known()
    ids = ids[~torch.isin(ids, excluded)]
    report = progress or (lambda what, done, total: None)
    before = None if encoder is None else fingerprint(encoder)
    place = torch.full((len(data),), -1)
    place[ids] = torch.arange(len(ids))
    found: Found = {}
    geometry: dict[str, list[tuple[int | None, Structure]]] = {}
    repeated, feature_dim = None, 0
    for name, seed, features in representations(subject, data, ids, seeds, cache, device, report):  # type: ignore[arg-type]
        check_finite(features, ids, f"the features ({name})")
        if not found:
            feature_dim = features.shape[1]
            # A streamed source has found its unreadable images now, and taken their labels away.
            drawn = draw() if data.damaged else drawn
        y = data.labels[ids]
        mine = [_local(s, place) for s in drawn if seed is None or s.seed in (seed, None)]
        scores = score(features, y, mine, names, _part(report, f"probes: {name}"), standardise=standardise)
        found.setdefault(name, []).extend((seed if seed is not None else s.split.seed, s) for s in scores)
        measured = structure(features, y, mine)
        geometry.setdefault(name, []).extend((seed if seed is not None else s.split.seed, s) for s in measured)
        if name == "raw" and test_source is not None:
            repeated = _repeated(features, mine[0])
    skipped: list[dict[str, Any]] = []
    most = max(len(s.learned()) for s in drawn)
    if supervised is None:
        supervised = most <= SUPERVISED_MOST and isinstance(encoder, FrozenEncoder)
        if encoder is not None and most > SUPERVISED_MOST:
            why = f"{most} training samples are more than {SUPERVISED_MOST}: ask for it to train from scratch"
            skipped.append({"probe": SUPERVISED, "why": why})
    if supervised:
        found[SUPERVISED] = supervised_scores(encoder, data, drawn, seeds, device, _part(report, SUPERVISED))  # type: ignore[arg-type]
    after = None if encoder is None else fingerprint(encoder)
    if after != before:
        raise RuntimeError("the encoder changed during the evaluation: it is not frozen.")

    accuracies = METRICS if any(s.shots for s in drawn) or isinstance(source, SceneSource) else ("accuracy",)
    table = rows(found, (*accuracies, *CALIBRATION)) + rows(geometry, STRUCTURE)
    headline = HEADLINE if HEADLINE in names else names[0]
    judged = "features" if encoder is None else "pretrained"
    return {
        "protocol": _protocol(drawn, seeds, names, standardise),
        "rows": table,
        "paired": paired(table, headline),
        "gaps": gaps(table),
        "per_class": _per_class(found, source.class_names, headline),
        "outcomes": outcomes(judged, [s for _, s in found[judged] if s.probe == headline], len(source.class_names)),
        "headline": headline,
        "representation": "frozen h; also with shares of the labels, this is a linear probe and not fine-tuning",
        "selected_on": _selected_on(found[judged]),
        "standardise": standardise,
        "transductive": transductive,
        "seeds": list(seeds),
        "interval": "95 % Student t over seeds, each a split with its own random weights; one pretrained encoder",
        "skipped": skipped,
        "excluded": {"samples": len(excluded), "why": "given by id, or their labels were seen by the online kNN"},
        "fewer_shots": fewer_shots(drawn, data),
        "repeated_in_training_part": repeated,
        "damaged": data.damaged,
        "splits": [describe_split(s, data) for s in drawn],
        "baselines": {
            "random": f"BatchNorm statistics from {len(unlabelled_ids(source))} training inputs without their labels",
            "pca": "components of the input, fitted on the same training inputs",
        },
        "features": cache.log,
        "probes": _settings(standardise),
        "source": {
            "name": source.name,
            "samples": len(source),
            "test_part": None if test_source is None else len(test_source),
            "labelled": int((data.labels >= 0).sum()),
            "classes": {name: int((data.labels == c).sum()) for c, name in enumerate(source.class_names)},
        },
        "encoder": {
            "feature_dim": feature_dim,
            "sha256_before": before,
            "sha256_after": after,
            "frozen": before is not None,
        },
        "versions": versions(),
        "command": command,
    }


def _local(split: Split, place: Tensor) -> Split:
    """The split by rows of the features."""
    return replace(split, train=place[split.train], test=place[split.test], validation=place[split.validation])


def _part(report: Progress, what: str) -> Callable[[int, int], None]:
    return lambda done, total: report(what, done, total)


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


def _protocol(splits: Sequence[Split], seeds: Sequence[int], probes: Sequence[str], standardise: bool) -> str:
    """A short text that is the same for two results exactly where they were made in the same way."""
    kinds = ",".join(dict.fromkeys(s.name for s in splits))
    shots = ",".join(dict.fromkeys(str(s.shots) for s in splits if s.shots)) or "-"
    shares = ",".join(dict.fromkeys(f"{100 * s.share:g}%" for s in splits if s.share)) or "-"
    validation = "split" if any(len(s.validation) for s in splits) else "probe"
    return (
        f"{PROTOCOL} split={kinds} shots={shots} labels={shares} validation={validation} "
        f"standardise={'yes' if standardise else 'no'} seeds={','.join(map(str, seeds))} probes={','.join(probes)}"
    )


def _selected_on(scores: Sequence[tuple[int | None, Score]]) -> str:
    """What each probe chose on, in words."""
    ways: dict[str, dict[str, None]] = {}
    for _, s in scores:
        ways.setdefault(s.probe, {})[s.selected["selected_on"]] = None
    each = "; ".join(f"{probe}: {' or '.join(found)}" for probe, found in ways.items())
    return f"training part only ({each})"


def _settings(standardise: bool) -> dict[str, Mapping[str, Any]]:
    """What is the same for every fit."""
    features = f"centred{' and divided by the standard deviation' * standardise}, of the samples that are fitted to"
    return {
        "ridge": {"alphas": ALPHAS.tolist(), "features": features},
        "logistic": {
            "penalties": PENALTIES.tolist(),
            "few_shot_C": FEW_SHOT_C,
            "sweep_from": f"{SWEEP_FROM} training samples a class on average, or a validation part of the split",
            "features": features,
        },
        "sgd": {"features": features},
        "knn": {"features": "centred on the training samples, cosine"},
        **POLICY,
    }


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
