"""Two encoders on the very same splits: how far apart, and could it be chance?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eval.outcomes import unpack
from eval.paired_tests import ENUMERATED, RESAMPLES, bootstrap_interval, mcnemar_p, sign_flip_floor, sign_flip_p
from eval.split_file import PARTS
from eval.summary import FEWEST_FOR_INTERVAL, interval, mean_sd
from simclr.errors import InputError

PROTOCOL = "simclr-compare/1"
KEY = ("probe", "split", "shots", "labels", "metric")
Row = Mapping[str, Any]
Result = Mapping[str, Any]


def compare(results: Sequence[Result], names: Sequence[str] | None = None) -> dict[str, Any]:
    """Every result against the first, row by row, on the splits that both have.

    Splits are the same if the hashes of their training and test samples are. Several splits: the differences' mean with
    a 95 % Student t interval, and a sign-flip permutation test. A single split: the exact McNemar test over its test
    samples with a bootstrap interval, for the overall accuracy of the headline probe; other differences have neither.

    Args:
        results: two or more, as of ``simclr linear-eval``.
        names: one for each, for people; None is their numbers.

    Returns:
        What ``simclr compare --output`` writes: ``rows`` with the mean of both, the ``mean`` difference (other minus
        first), its ``ci95``, ``p`` (not corrected for the number of tests), the least ``p_floor`` that this could be,
        and the ``test``; ``encoders``; ``notes`` on whatever is not alike.

    Raises:
        InputError: fewer than two results, other data, or not one split in common.
    """
    names = [str(i + 1) for i in range(len(results))] if names is None else names
    if len(results) < 2:
        raise InputError("one result alone cannot be compared: give two or more")
    notes: list[str] = []
    rows = [
        row
        for result, name in zip(results[1:], names[1:], strict=True)
        for row in _against(results[0], result, names[0], name, notes)
    ]
    return {
        "protocol": PROTOCOL,
        "rows": rows,
        "headline": results[0].get("headline"),
        "encoders": [
            {"name": name, "transductive": r.get("transductive"), "protocol": r.get("protocol"), **r["encoder"]}
            for name, r in zip(names, results, strict=True)
        ],
        "source": {"name": results[0]["source"].get("name")},
        "notes": list(dict.fromkeys(notes)),
    }


def _against(first: Result, other: Result, name: str, other_name: str, notes: list[str]) -> list[dict[str, Any]]:
    both = f"{name} and {other_name}"
    for key in ("samples", "test_part", "classes"):
        mine, theirs = (r["source"].get(key) for r in (first, other))
        if mine != theirs:
            raise InputError(f"{both} are results on other data ({key} differ): compare encoders on the same data")
    if first["encoder"].get("sha256_before") == other["encoder"].get("sha256_before"):
        notes.append(f"{both} are results of the same encoder")
    if first.get("transductive") != other.get("transductive"):
        notes.append(f"{both} differ in whether pretraining saw the test samples (transductive)")
    others = {_key(row): row for row in other["rows"] if row["representation"] == "pretrained"}
    rows, common = [], 0
    for row in first["rows"]:
        match = others.get(_key(row)) if row["representation"] == "pretrained" else None
        if match is None:
            continue
        pairs = _pairs(first, other, row, match)
        common += len(pairs)
        probe, split, shots, share, _ = _key(row)
        most = max(len(row["per_seed"]), len(match["per_seed"]))
        if len(pairs) < most:
            what = f"{split} split" + (f", {shots} shots" if shots else f", {share:.3g} of the labels" if share else "")
            notes.append(f"{both}, {what}: {len(pairs)} of {most} splits are the same, and only these are compared")
        if not pairs:
            continue
        settings = [r.get("probes", {}).get(probe) for r in (first, other)]
        if settings[0] != settings[1]:
            notes.append(f"{both}: the {probe} probe was set otherwise, and is left out")
            continue
        rows.append({"first": name, "other": other_name} | _row(first, other, row, match, pairs))
    if not common:
        raise InputError(f"{both} have no split in common: evaluate both with the same --split, --shots and --seeds")
    if not rows:
        raise InputError(f"{both} have no probe with the same settings: evaluate both with the same version")
    return rows


def _key(row: Row) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in KEY)


def _splits(result: Result, row: Row) -> list[Row]:
    """The splits of a row's values, one for each."""
    kind = ("split", "shots", "labels")
    found = [s for s in result["splits"] if all(s.get(name) == row.get(name) for name in kind)]
    if len(found) < len(row["per_seed"]):
        raise InputError(
            f"a row of the result has {len(row['per_seed'])} values for {len(found)} splits: it is damaged; evaluate "
            f"again"
        )
    return found[: len(row["per_seed"])]  # fine-tuning runs on the first ones alone


def _pairs(first: Result, other: Result, row: Row, match: Row) -> list[tuple[int, int]]:
    """Where the same split stands in both lists of values."""
    mine, theirs = (
        {tuple(s.get(f"sha256_{part}") for part in PARTS): i for i, s in enumerate(_splits(result, r))}
        for result, r in ((first, row), (other, match))
    )
    return [(i, theirs[digest]) for digest, i in mine.items() if digest in theirs]


def _row(first: Result, other: Result, row: Row, match: Row, pairs: list[tuple[int, int]]) -> dict[str, Any]:
    ours, theirs = [row["per_seed"][i] for i, _ in pairs], [match["per_seed"][j] for _, j in pairs]
    values = [b - a for a, b in zip(ours, theirs)]
    found: dict[str, Any] = {
        **{name: row.get(name) for name in KEY},
        "first_mean": mean_sd(ours)["mean"],
        "other_mean": mean_sd(theirs)["mean"],
        **mean_sd(values),
        "per_seed": values,
    }
    if len(pairs) > 1:
        how = f"all 2^{len(pairs)} signs" if len(pairs) <= ENUMERATED else f"{RESAMPLES} random signs"
        test = f"sign-flip permutation over {len(pairs)} splits, {how}"
        test += "; Student t interval" if len(pairs) >= FEWEST_FOR_INTERVAL else "; too few for an interval"
        floor = sign_flip_floor(len(values))
        return found | {"ci95": interval(values), "p": sign_flip_p(values), "p_floor": floor, "test": test}
    counts = _discordant(first, other, row, match, *pairs[0]) if row["metric"] in ("oa", "accuracy") else None
    if counts is None:
        return found | {"ci95": None, "p": None, "p_floor": None, "test": None}
    only_first, only_other, n = counts
    return found | {
        "ci95": bootstrap_interval(only_first, only_other, n),
        "p": mcnemar_p(only_first, only_other),
        "p_floor": None,
        "test": f"exact McNemar over {n} test samples; bootstrap interval",
        "only_first_right": only_first,
        "only_other_right": only_other,
    }


def _discordant(first: Result, other: Result, row: Row, match: Row, i: int, j: int) -> tuple[int, int, int] | None:
    """Samples that only the first and that only the other recognised, and all; None if a result did not keep them."""
    n = _splits(first, row)[i]["test"]
    right = []
    for result, r, place in ((first, row, i), (other, match, j)):
        kept = [e for e in result.get("outcomes", []) if all(e.get(name) == r.get(name) for name in KEY[:4])]
        kept = [e for e in kept if e["representation"] == "pretrained"]
        if not kept:
            return None
        right.append(unpack(kept[0]["correct"][place], n))
    a, b = right
    return int((a & ~b).sum()), int((b & ~a).sum()), n
