"""What a report says in words: how numbers came about, and what they come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eval.results.words import (
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
)

Data = Mapping[str, Any]
BASELINES = {
    "random": "the same architecture with fresh weights for each seed",
    "raw": "the input as it is; of a scene the pixel's spectrum",
    "pca": "principal components of the input",
    "window mean": "the encoder's input averaged over its patch",
    "supervised": "the same architecture trained end to end on the same labels",
}
# An encoder, or a matrix of features from elsewhere.
JUDGED = ("pretrained", "features")
TRANSDUCTIVE = {
    True: "Pretraining saw the test samples, without their labels (transductive).",
    False: "Pretraining did not see the test samples.",
    None: "Whether pretraining saw the test samples is not known.",
}


def protocol_sentence(result: Data) -> str:
    """What was measured, in a sentence."""
    kinds = list(dict.fromkeys(r["split"] for r in result["rows"]))
    amounts = amount_names(result["rows"])
    dim = result["encoder"].get("feature_dim")
    return (
        f"{result['source']['name']}: frozen representation h{f' of {dim} numbers' if dim else ''}, "
        f"{probe_name(result['headline'])} probe, {listed(kinds)} split{'s' * (len(kinds) > 1)}"
        f"{', ' + amounts if amounts else ''}, {several(len(result['seeds']), 'seed')}."
    )


def findings(result: Data) -> list[str]:
    """For each kind of split, at the most labels: the accuracy, and how far it is from the best baseline."""
    found = []
    for split in dict.fromkeys(r["split"] for r in result["rows"]):
        rows = [r for r in result["rows"] if r["split"] == split and r["metric"] in ("oa", "accuracy")]
        ours = [r for r in rows if r["representation"] in JUDGED and r["probe"] == result["headline"]]
        if not ours:
            continue
        best = max(ours, key=lambda r: (not (r["shots"] or r["labels"]), r["shots"] or 0, r["labels"] or 0))
        where = f"{split[:1].upper()}{split[1:]} split, {amount_name(best)}"
        text = f"{where}: {mean_sd_text(best)} % {metric_name(best['metric'])}"
        key = ("probe", "split", "shots", "labels", "metric")
        differences = [r for r in result.get("paired", []) if all(r[k] == best[k] for k in key)]
        found.append(text + (f", {_against(min(differences, key=lambda r: r['mean']))}" if differences else "") + ".")
    return found


def _against(row: Data) -> str:
    """The smallest difference is that to the best baseline."""
    baseline = representation_name(row["difference"].removeprefix("pretrained - "))
    if row["ci95"] is None:
        return (
            f"{points(row['mean'])} points to the best baseline, {baseline} (n = {len(row['per_seed'])}: no interval)"
        )
    interval = f"{points(row['mean'])} points, 95 % interval {interval_points(row['ci95'])}"
    low, high = row["ci95"]
    verdict = "better than" if low > 0 else "worse than" if high < 0 else "not clearly different from"
    return f"{verdict} the best baseline, {baseline} ({interval})"


def how_it_was_judged(result: Data) -> list[tuple[str, str]]:
    """Heading and sentences: choices, test samples, leakage, frozenness, baselines and what was left out."""
    encoder = result["encoder"]
    texts = [
        ("Choices", f"Made on: {result['selected_on']}."),
        ("Test samples", f"{TRANSDUCTIVE[result.get('transductive')]}{_left_out(result)}"),
        ("Leakage", _leakage(result)),
        ("Frozen", _frozen(encoder)),
        ("Baselines", _baselines(result)),
        ("Intervals", f"{result['interval']}." if result.get("interval") else ""),
    ]
    texts += [("Left out", f"{s.get('probe') or s.get('what')}: {s['why']}.") for s in result.get("skipped", [])]
    damaged = result.get("damaged", [])
    if damaged:
        texts.append(("Damaged", f"{several(len(damaged), 'image')} left out: {', '.join(damaged[:5])}."))
    return [(heading, text) for heading, text in texts if text]


def _left_out(result: Data) -> str:
    excluded = (result.get("excluded") or {}).get("samples") or 0
    text = f" {several(excluded, 'sample')} left out of every split: {result['excluded']['why']}." if excluded else ""
    repeated = result.get("repeated_in_training_part")
    return text + ("" if repeated is None else f" {several(repeated, 'test sample')} also in the training part.")


def _leakage(result: Data) -> str:
    """Of each kind of split and number of labels, how many test pixels training patches cover."""
    parts: list[str] = []
    side = None
    for split, amount in dict.fromkeys((s["split"], amount_name(s)) for s in result["splits"]):
        mine = [s for s in result["splits"] if (s["split"], amount_name(s)) == (split, amount)]
        leaks = [s["leakage"] for s in mine if s.get("leakage")]
        if leaks:
            side = leaks[0].get("patch_size")
            inside, touching = (100 * sum(leak[k] for leak in leaks) / len(leaks) for k in ("inside", "touching"))
            parts.append(f"{split} split, {amount}: {inside:.0f} % and {touching:.0f} %")
    if not parts:
        return ""
    size = f" of {side} × {side} pixels" if side else ""
    return f"Test pixels that lie inside a training patch{size}, and whose own patch touches one: {'; '.join(parts)}."


def _frozen(encoder: Data) -> str:
    before, after = encoder.get("sha256_before"), encoder.get("sha256_after")
    if before is None:
        return ""
    if after is None:
        return f"SHA-256 over all parameters and buffers: {before[:16]}…; after the evaluation it was not taken."
    if before != after:
        return f"The encoder changed during the evaluation: SHA-256 {before[:16]}… before, {after[:16]}… after."
    return f"SHA-256 over all parameters and buffers, the same before and after the evaluation: {before[:16]}…"


def _baselines(result: Data) -> str:
    there = {r["representation"] for r in result["rows"]}
    notes: Data = result.get("baselines", {})
    texts = [
        f"{representation_name(name)}: {what}{' (' + notes[name] + ')' if name in notes else ''}"
        for name, what in BASELINES.items()
        if name in there
    ]
    return "; ".join(texts) + "." if texts else ""


def efficiency_caption(found: Data, metric: str) -> str:
    """What a label-efficiency curve shows."""
    command = found.get("protocol", "").partition("/")[0].removeprefix("simclr-")
    n = len(found["seeds"])
    bars = "bars: 95 % Student t interval over the seeds" if n > 2 else f"no intervals, n = {n}"
    of_probe = f"{probe_name(found['headline'])} probe"
    return f"simclr {command}: {metric_name(metric)}, {of_probe}, {several(n, 'seed')}; {bars}."


def about_health(metrics: Sequence[Data]) -> str:
    """How long pretraining took, and what its curves show."""
    last = metrics[-1]
    seconds = last.get("seconds")
    took = f", {seconds / 60:.1f} minutes" if isinstance(seconds, int | float) else ""
    return f"{last['step'] + 1:,} steps{took}. Lines: values or means of neighbouring ones; grey: their range."
