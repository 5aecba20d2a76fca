"""What a report says in words: how numbers came about, and what they come to."""

from __future__ import annotations

from collections.abc import Sequence

from simclr.eval.metrics.statistics import FEWEST_FOR_INTERVAL
from simclr.eval.report.material import HealthLine
from simclr.eval.report.select import (
    adjoining_note,
    at_most_labels,
    kinds,
    known_splits,
    leakage,
    open_splits,
    skipped_name,
)
from simclr.eval.results.record import Difference, FewerShots, Result
from simclr.eval.results.subject_record import EncoderRecord
from simclr.eval.results.words import (
    JUDGED,
    OVERALL,
    amount_name,
    amount_names,
    interval_points,
    listed,
    mean_sd_text,
    metric_name,
    points,
    probe_name,
    representation_name,
    several,
    some_of,
)

BASELINE_WORDS = {
    "random": "the same architecture with fresh weights for each seed",
    "raw": "the input as it is; of a scene the pixel's spectrum",
    "pca": "principal components of the input",
    "window mean": "the encoder's input averaged over its patch",
    "supervised": "the same architecture trained end to end on the same labels",
}
TRANSDUCTIVE = {
    True: "Pretraining saw the test samples, without their labels (transductive)",
    False: "No test sample is, byte for byte, one that pretraining saw",
    None: "Whether pretraining saw the test samples is not known",
}


def protocol_sentence(result: Result) -> str:
    """What was measured, in a sentence."""
    splits = kinds(result.rows)
    amounts = amount_names((r.shots, r.labels) for r in result.rows)
    dim = result.encoder.feature_dim
    return (
        f"{result.source.name or 'data without a name'}: frozen representation h{f' of {dim} numbers' if dim else ''}, "
        f"{probe_name(result.headline)} probe, {listed(splits)} split{'s' * (len(splits) > 1)}"
        f"{', ' + amounts if amounts else ''}, {several(len(result.seeds), 'seed')}."
    )


def findings(result: Result) -> list[str]:
    """For each kind of split, at the most labels: the accuracy, and how far it is from the best baseline."""
    found = []
    for split in kinds(result.rows):
        rows = [r for r in result.rows if r.split == split and r.metric in OVERALL]
        ours = [r for r in rows if r.representation in JUDGED and r.probe == result.headline]
        if not ours:
            continue
        best = at_most_labels(result, ours)
        where = f"{split[:1].upper()}{split[1:]} split, {amount_name(best.shots, best.labels)}"
        text = f"{where}: {mean_sd_text(best.mean, best.sd)} % {metric_name(best.metric)}"
        key = best.probe, split, best.shots, best.labels, best.metric
        differences = [d for d in result.paired if (d.probe, d.split, d.shots, d.labels, d.metric) == key]
        found.append(text + (f", {against(min(differences, key=lambda d: d.mean))}" if differences else "") + ".")
    return found


def worse_elsewhere(result: Result) -> list[str]:
    """In one sentence, where else than :func:`findings` says what is judged is worse than its best baseline."""
    mine = [d for d in result.paired if d.probe == result.headline and d.metric in OVERALL]
    said = [at_most_labels(result, [d for d in mine if d.split == kind]) for kind in kinds(mine)]
    places = dict.fromkeys((d.split, d.shots, d.labels) for d in mine)
    found = []
    for place in [p for p in places if p not in [(d.split, d.shots, d.labels) for d in said]]:
        best = min((d for d in mine if (d.split, d.shots, d.labels) == place), key=lambda d: d.mean)
        if best.ci95[1] < 0 if best.ci95 is not None else best.mean < 0:
            sure = "" if best.ci95 is not None else f", n = {len(best.per_seed)}: no interval"
            where = f"{best.split} split, {amount_name(best.shots, best.labels)}"
            found.append(f"{where} ({representation_name(best.baseline)}, {points(best.mean)} points{sure})")
    return [f"Worse than a baseline, too: {'; '.join(found)}."] if found else []


def against(difference: Difference) -> str:
    """The smallest difference is that to the best baseline."""
    baseline, by = representation_name(difference.baseline), points(difference.mean)
    if difference.ci95 is None:
        size, side = by.lstrip("+−"), "below" if difference.mean < 0 else "above"
        return f"{size} points {side} the best baseline, {baseline} (n = {len(difference.per_seed)}: no interval)"
    low, high = difference.ci95
    verdict = "better than" if low > 0 else "worse than" if high < 0 else "not clearly different from"
    interval = f"95 % interval {interval_points(difference.ci95)}"
    return f"{verdict} the best baseline, {baseline} ({by} points, {interval})"


def how_it_was_judged(result: Result) -> list[tuple[str, str]]:
    """Heading and sentences: choices, test samples, leakage, frozenness, baselines and what was left out."""
    damaged = damaged_text(result)
    texts = [
        ("Choices", f"Made on: {result.selected_on}." if result.selected_on else ""),
        ("Test samples", f"{what_pretraining_saw(result)}.{_left_out(result)}"),
        ("Leakage", _leakage(result)),
        ("Frozen", _frozen(result.encoder)),
        ("Baselines", _baselines(result)),
        ("Intervals", f"{result.interval}." if result.interval else ""),
        *(("Left out", f"{skipped_name(skip)}: {skip.why}.") for skip in result.skipped),
        ("Damaged", f"{damaged}." if damaged else ""),
    ]
    return [(heading, text) for heading, text in texts if text]


def what_pretraining_saw(result: Result) -> str:
    """Whether, and of how many test samples, pretraining saw the content; without a full stop."""
    saw = result.pretraining_saw
    if saw is None or saw.samples in (0, saw.of):
        return TRANSDUCTIVE[result.transductive]
    return f"Pretraining saw {saw.samples:,} of {saw.of:,} test samples, without their labels (transductive)"


def damaged_text(result: Result) -> str:
    """How many images could not be read, with the first names; empty where all could."""
    names = result.damaged
    return f"{several(len(names), 'damaged image')} left out: {', '.join(names[:5])}" if names else ""


def fewer_shots_lines(entries: Sequence[FewerShots]) -> list[str]:
    """Classes that give fewer training samples than asked for, one line for each kind of split and number of shots."""
    lines = []
    for entry in entries:
        classes = some_of(
            [
                f"{name} ({least})" if least == most else f"{name} ({least} to {most})"
                for name, (least, most) in entry.classes.items()
            ]
        )
        lines.append(f"{entry.split} split, {entry.shots} shots: fewer training samples of {classes}")
    return lines


def excluded_text(result: Result) -> str:
    """How many samples no split may use, and why; empty where there are none."""
    excluded = result.excluded
    if excluded is None or not excluded.samples:
        return ""
    tuned = result.encoder.fine_tuned
    rule = f" ({tuned.rule})" if tuned is not None and tuned.rule else ""
    return f"{several(excluded.samples, 'sample')} left out of every split: {excluded.why}{rule}."


def _left_out(result: Result) -> str:
    excluded = excluded_text(result)
    text = f" {excluded}" if excluded else ""
    repeated = result.repeated_in_training_part
    return text + ("" if repeated is None else f" {several(repeated, 'test sample')} also in the training part.")


def _leakage(result: Result) -> str:
    """Of each kind of split, how many test pixels training patches cover."""
    found = {}
    for split in kinds(result.splits):
        found[f"{split} split"] = leakage(known_splits(result, split))
        found[f"{split} split with unknown classes"] = leakage(open_splits(result, split))
    parts = [f"{name}: {text}" for name, text in found.items() if text]
    side = next((s.leakage.patch_size for s in result.splits if s.leakage), None)
    size = f" of {side} × {side} pixels" if side else ""
    about = f"Test pixels that lie inside a training patch{size} / whose own patch touches one"
    careful = [note for split in kinds(result.splits) for note in adjoining_note(known_splits(result, split))]
    return (
        " ".join(f"{text[:1].upper()}{text[1:]}." for text in (f"{about}: {'; '.join(parts)}", *careful))
        if parts
        else ""
    )


def _frozen(encoder: EncoderRecord) -> str:
    before, after = encoder.sha256_before, encoder.sha256_after
    if before is None:
        return ""
    if after is None:
        return f"SHA-256 over all parameters and buffers: {before[:16]}…; after the evaluation it was not taken."
    if before != after:
        return f"The encoder changed during the evaluation: SHA-256 {before[:16]}… before, {after[:16]}… after."
    return f"SHA-256 over all parameters and buffers, the same before and after the evaluation: {before[:16]}…"


def _baselines(result: Result) -> str:
    there = {r.representation for r in result.rows}
    notes = result.baselines
    texts = [
        f"{representation_name(name)}: {what}{' (' + notes[name] + ')' if name in notes else ''}"
        for name, what in BASELINE_WORDS.items()
        if name in there
    ]
    return "; ".join(texts) + "." if texts else ""


def efficiency_caption(result: Result, metric: str) -> str:
    """What a label-efficiency curve shows."""
    command = result.protocol.partition("/")[0].removeprefix("simclr-")
    n = len(result.seeds)
    bars = "bars: 95 % Student t interval over the seeds" if n >= FEWEST_FOR_INTERVAL else f"no intervals, n = {n}"
    of_probe = f"{probe_name(result.headline)} probe"
    return f"simclr {command}: {metric_name(metric)}, {of_probe}, {several(n, 'seed')}; {bars}."


def about_health(metrics: Sequence[HealthLine]) -> str:
    """How long pretraining took, and what its curves show."""
    last, seconds = metrics[-1], [line.seconds for line in metrics if line.seconds is not None]
    # The clock starts anew where a run was resumed.
    ends = [now for now, then in zip(seconds, [*seconds[1:], 0.0]) if then < now]
    took = f", {sum(ends) / 60:.1f} minutes" if ends else ""
    return f"{last.step + 1:,} steps{took}. Lines: values or means of neighbouring ones; grey: their range."
