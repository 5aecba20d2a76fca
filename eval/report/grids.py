"""The tables of a report: which numbers stand where, as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.metrics.accuracy import ACCURACIES
from eval.metrics.calibration import CALIBRATION
from eval.metrics.structure import METRICS as STRUCTURE
from eval.metrics.structure import MOST
from eval.results.words import (
    amount_name,
    class_labels,
    listed,
    mean_sd_text,
    metric_name,
    points,
    probe_name,
    representation_name,
)

Row = Mapping[str, Any]
MOST_COLUMNS = 8
# Rank metrics and decisions that other codes report in a way of their own: in few-shot.json, and too many for a page.
LEGACY = ("mdl4ow_f1", "evml_open_oa")


@dataclass(frozen=True)
class Grid:
    """A table: ``head`` and every one of ``rows`` have the same number of cells; ``caption`` says what they are.

    The first ``names`` cells of a row are words, the others numbers.
    """

    caption: str
    head: list[str]
    rows: list[list[str]]
    names: int = 1


def split_grid(result: Row, split: str) -> Grid:
    """Representations down; amounts of labels and metrics of the headline probe across."""
    rows = [r for r in result["rows"] if r["split"] == split and r["metric"] in ACCURACIES]
    rows = [r for r in rows if r["probe"] in (result["headline"], "supervised")]
    caption = f"{probe_name(result['headline'])} probe, percent, mean ± sd over the seeds."
    left_out = dict.fromkeys(name for s in result["splits"] if s["split"] == split for name in s.get("left_out", []))
    if left_out:
        caption += f" Classes left out, as they cannot be shared (with at least one seed): {listed(list(left_out))}."
    return _grid(caption, rows, _named, lambda r: f"{metric_name(r['metric'])}, {amount_name(r)}", mean_sd_text)


def probe_grid(result: Row, split: str | None, metric: str | None = None) -> Grid | None:
    """Every representation with every probe, one metric; None where there is one probe only.

    Args:
        result: with ``rows``.
        split: which kind; None where there is one only.
        metric: None is the overall accuracy.
    """
    rows = [r for r in result["rows"] if split in (None, r["split"])]
    rows = [r for r in rows if r["metric"] in ((metric,) if metric else ("oa", "accuracy"))]
    probed = [r for r in rows if r["probe"] != "supervised"]
    if len({r["probe"] for r in probed}) < 2:
        return None
    caption = f"{metric_name(rows[0]['metric'])} of every probe, percent, mean ± sd over the seeds."
    if len({(r["probe"], amount_name(r)) for r in probed}) <= MOST_COLUMNS:
        return _grid(caption, probed, _named, lambda r: f"{probe_name(r['probe'])}, {amount_name(r)}", mean_sd_text)
    fewer = {probe_name(r["probe"]): len(r["per_seed"]) for r in rows if len(r["per_seed"]) < len(result["seeds"])}
    caption += "".join(f" {probe}: {n} of them." for probe, n in fewer.items())
    return _grid(
        caption,
        rows,
        lambda r: (representation_name(r["representation"]), probe_name(r["probe"])),
        amount_name,
        mean_sd_text,
        ("", "probe"),
    )


def quality_grid(result: Row, split: str) -> Grid | None:
    """Neighbours, clusters and calibration of the headline probe; None where nothing of the kind was measured."""
    mine = [r for r in result["rows"] if r["split"] == split]
    rows = [r for r in mine if r["metric"] in STRUCTURE]
    rows += [r for r in mine if r["metric"] in CALIBRATION and r["probe"] == result["headline"]]
    if not rows:
        return None
    what = [f"neighbours and clusters of up to {MOST:,} test samples"] if rows[0]["metric"] in STRUCTURE else []
    if rows[-1]["metric"] in CALIBRATION:
        what.append(f"calibration of the {probe_name(result['headline'])} probe (ECE, less is better)")
    return _grid(
        f"{', '.join(what)}: percent, mean ± sd over the seeds.",
        rows,
        _named,
        lambda r: metric_name(r["metric"]) + (f", {amount_name(r)}" if r["shots"] or r["labels"] else ""),
        mean_sd_text,
    )


def difference_grid(result: Row) -> Grid | None:
    """Pretrained minus each baseline, for the headline probe's overall accuracy."""
    rows = [r for r in result.get("paired", []) if r["probe"] == result["headline"]]
    rows = [r for r in rows if r["metric"] in ("oa", "accuracy")]
    if not rows:
        return None
    probe = probe_name(result["headline"])
    return _grid(
        f"{metric_name(rows[0]['metric'])} of the pretrained encoder minus each baseline, {probe} probe, on the same "
        f"splits: percentage points{_about_intervals(rows)}",
        rows,
        lambda r: (f"− {representation_name(r['difference'].removeprefix('pretrained - '))}",),
        lambda r: f"{r['split']}, {amount_name(r)}",
        difference_text,
        ("pretrained",),
    )


def gap_grid(result: Row) -> Grid | None:
    """What random splits promise too much, for the headline probe's overall accuracy."""
    rows = [r for r in result.get("gaps", []) if r["probe"] in (result["headline"], "supervised")]
    rows = [r for r in rows if r["metric"] in ("oa", "accuracy")]
    if not rows:
        return None
    return _grid(
        f"{metric_name(rows[0]['metric'])} on random minus block splits, what neighbouring training and test pixels "
        f"give away: percentage points{_about_intervals(rows)}",
        rows,
        _named,
        amount_name,
        difference_text,
    )


def difference_text(row: Row | None) -> str:
    """Percentage points with their interval, or with the number of seeds where these are too few for one."""
    if row is None:
        return "–"
    if row["ci95"] is None:
        return f"{points(row['mean'])} (n = {len(row['per_seed'])})"
    return f"{points(row['mean'])} [{', '.join(map(points, row['ci95']))}]"


def _about_intervals(rows: Sequence[Row]) -> str:
    some, all_of_them = any(r["ci95"] is None for r in rows), all(r["ci95"] is None for r in rows)
    if all_of_them:
        return "; no interval, as there are fewer than 3 seeds."
    text = " and 95 % Student t interval of the mean over the seeds"
    return text + ("; none where there are fewer than 3 seeds (n)." if some else ".")


def recall_grid(result: Row, outcome: Row) -> Grid | None:
    """Recall of each class, representations across, for the probe and splits of an outcome."""
    key = ("shots", "labels", "split")
    mine = [p for p in result.get("per_class", []) if all(p.get(k) == outcome.get(k) for k in key)]
    if not mine:
        return None
    names = [n for n in result["source"]["classes"] if any(n in p["recall"] for p in mine)]
    classes = list(result["source"]["classes"])
    label = dict(zip(classes, class_labels(classes)))
    return Grid(
        "Recall of each class, percent, mean over the seeds; samples: of the class in the data.",
        ["class", "samples", *(representation_name(p["representation"]) for p in mine)],
        [
            [label[n], f"{result['source']['classes'][n]:,}"]
            + [f"{100 * p['recall'][n]:.1f}" if n in p["recall"] else "–" for p in mine]
            for n in names
        ],
    )


def episode_grid(found: Row) -> Grid | None:
    """Accuracy of nearest prototypes over episodes."""
    episodes = found.get("episodes") or []
    if not episodes:
        return None
    first = episodes[0]
    rows = [
        {"representation": e["representation"], "distance": d, "shots": e["shots"], **accuracy}
        for e in episodes
        for d, accuracy in e["accuracy"].items()
    ]
    return _grid(
        f"{first['ways']}-way episodes, {first['queries']} queries a class, nearest prototype: percent, mean of "
        f"{first['episodes']:,} episodes ± half of its 95 % interval.",
        rows,
        lambda r: (representation_name(r["representation"]), r["distance"]),
        amount_name,
        lambda r: episode_text(r).replace("±", "± "),
        ("", "distance"),
    )


def open_grid(found: Row) -> list[Grid]:
    """Rank metrics without a threshold, then the encoder's decisions with one; for each kind and amount of labels."""

    def key(row: Row) -> tuple[str, int | None, float | None]:
        return row["split"], row["shots"], row.get("labels")

    grids = []
    for kind in dict.fromkeys(map(key, found["open_set"])):
        rows = [r for r in found["open_set"] if key(r) == kind]
        where = f"{kind[0]} split, {amount_name(rows[0])}"
        ranks = [r for r in rows if r["threshold"] is None and r["metric"] != "openness"]
        openness = [r for r in rows if r["metric"] == "openness"]
        caption = f"Scores without a threshold, {where}: percent, mean ± sd over the seeds."
        caption += f" Openness {100 * openness[0]['mean']:.1f} %." if openness else ""
        grids.append(
            _grid(
                caption,
                ranks,
                lambda r: (representation_name(r["representation"]), probe_name(r["probe"])),
                lambda r: metric_name(r["metric"]),
                mean_sd_text,
                ("", "score"),
            )
        )
        judged = rows[0]["representation"]  # decisions of the baselines are in the file
        decisions = [r for r in rows if r["threshold"] is not None and r["representation"] == judged]
        decisions = [r for r in decisions if r["metric"] not in LEGACY]
        if decisions:
            grids.append(
                _grid(
                    f"Decisions of the {representation_name(judged)} encoder, {where}, thresholds from "
                    "training samples: percent, mean ± sd over the seeds.",
                    decisions,
                    lambda r: (probe_name(r["probe"]), r["threshold"]),
                    lambda r: metric_name(r["metric"]),
                    mean_sd_text,
                    ("score", "threshold"),
                )
            )
    return grids


def split_hashes(result: Row) -> Grid:
    """Which samples were drawn: one row for each kind of split, with the hashes of all its seeds."""
    kinds: dict[str, list[Row]] = {}
    for s in result["splits"]:
        amount = f", {amount_name(s)}" if s.get("shots") or s.get("labels") else ""
        kinds.setdefault(f"{s['split']}{amount}", []).append(s)

    def sizes(mine: Sequence[Row], part: str) -> str:
        least, most = (f(s[part] for s in mine) for f in (min, max))
        return f"{least:,}" if least == most else f"{least:,} to {most:,}"

    return Grid(
        "Splits: the first 8 digits of the SHA-256 of the ids of their training / test samples, seed by seed; the "
        "whole is in the file.",
        ["split", "SHA-256 of training / test ids", "training", "test"],
        [
            [
                name,
                "  ".join(f"{s['sha256_train'][:8]}/{s['sha256_test'][:8]}" for s in mine),
                sizes(mine, "train"),
                sizes(mine, "test"),
            ]
            for name, mine in kinds.items()
        ],
        names=2,
    )


def _named(row: Row) -> tuple[str, ...]:
    return (representation_name(row["representation"]),)


def _grid(
    caption: str,
    rows: Sequence[Row],
    down: Callable[[Row], tuple[str, ...]],
    across: Callable[[Row], str],
    text: Callable[[Row | None], str],
    names: tuple[str, ...] = ("",),
) -> Grid:
    columns = list(dict.fromkeys(across(r) for r in rows))
    cells = {(down(r), across(r)): r for r in rows}
    keys = list(dict.fromkeys(down(r) for r in rows))
    table = [[*key, *(text(cells.get((key, c))) for c in columns)] for key in keys]
    return Grid(caption, [*names, *columns], table, len(names))


def episode_text(accuracy: Mapping[str, Any] | None) -> str:
    """Mean accuracy over episodes in percent, with half of its interval."""
    if accuracy is None:
        return "–"
    low_high = accuracy["ci95"]
    return f"{100 * accuracy['mean']:.1f}" + ("" if low_high is None else f" ±{50 * (low_high[1] - low_high[0]):.1f}")
