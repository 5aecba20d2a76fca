"""Two encoders on the very same splits: how far apart, and could it be chance?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.metrics.accuracy import ACCURACIES
from eval.metrics.statistics import (
    ENUMERATED,
    FEWEST_FOR_INTERVAL,
    RESAMPLES,
    bootstrap_interval,
    interval,
    mcnemar_p,
    mean_sd,
    sign_flip_floor,
    sign_flip_p,
)
from eval.results.outcomes import unpack
from eval.results.result_file import RESULT
from eval.splits.split_file import PARTS
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


def choose(
    found: Mapping[str, Any],
    *,
    probe: str | None = None,
    split: str | None = None,
    shots: str | None = None,
    metric: str | None = None,
) -> list[Row]:
    """The rows of a comparison that are asked for, as in :func:`run_compare`.

    Raises:
        InputError: a name that no row has; says which ones there are.
    """
    rows: list[Row] = found["rows"]
    asked = {"probe": probe, "split": split, "shots": shots, "metric": metric}
    for option, text in asked.items():
        if text is None:
            continue
        there = {value.casefold(): value for value in (_value(row, option) for row in rows)}
        wanted = [part.strip() for part in text.split(",")]
        unknown = [part for part in wanted if part.casefold() not in there]
        if unknown:
            among = " among these" if len(rows) < len(found["rows"]) else ""
            shared = ", ".join(there.values())
            raise InputError(f"--{option} names {unknown[0]!r}, but{among} the results share {shared}")
        chosen = {part.casefold() for part in wanted}
        rows = [row for row in rows if _value(row, option).casefold() in chosen]
    usual = [row for row in rows if probe is not None or row["probe"] == found["headline"]]
    usual = [row for row in usual if metric is not None or row["metric"] in ACCURACIES]
    return usual or rows


def _value(row: Row, option: str) -> str:
    if option == "shots":
        return f"{row['shots']}" if row["shots"] else f"{100 * row['labels']:g}%" if row["labels"] else "all"
    return str(row[option])


def telling_names(paths: Sequence[Path]) -> list[str]:
    """The parts of the paths that tell results apart: neither what all begin with nor what all end with."""
    parts = [list((path if path.suffix == ".json" else path / RESULT).absolute().parts) for path in paths]
    for end in (-1, 0):
        # At least one part stays of each.
        while min(map(len, parts)) > 1 and len({part[end] for part in parts}) == 1:
            for part in parts:
                part.pop(end)
    names = ["/".join(part) for part in parts]
    if len(set(names)) < len(names):  # the same file twice
        return [f"{path} ({i})" for i, path in enumerate(paths, start=1)]
    return names
