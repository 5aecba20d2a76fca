"""The tables of a report: which numbers stand where, as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.metrics import ACCURACIES
from eval.words import METRICS as NAMES

Row = Mapping[str, Any]
MOST_COLUMNS = 8
METRIC_NAMES = NAMES | {
    "auroc": "AUROC",
    "oscr": "OSCR",
    "closed_oa": "closed OA",
    "open_oa": "open OA",
    "known_accuracy": "known OA",
    "unknown_recall": "unknown recall",
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "mapping_error": "mapping error",
    "mdl4ow_f1": "F1 (MDL4OW)",
    "evml_open_oa": "open OA (EVML)",
    "fpr95 (known positive)": "FPR95 (known pos.)",
    "fpr95 (unknown positive)": "FPR95 (unknown pos.)",
}


@dataclass(frozen=True)
class Grid:
    """A table: ``head`` and every one of ``rows`` have the same number of cells; ``caption`` says what they are.

    The first ``names`` cells of a row are words, the others numbers.
    """

    caption: str
    head: list[str]
    rows: list[list[str]]
    names: int = 1


def metric_name(metric: str) -> str:
    """The field's way to write a metric."""
    return METRIC_NAMES.get(metric, metric)


def amount_name(row: Row) -> str:
    """How many labels a row's probe learned from."""
    if row["shots"]:
        return f"{row['shots']} shot{'s' * (row['shots'] > 1)}"
    return f"{100 * row['labels']:g} % of the labels" if row.get("labels") else "all labels"


def mean_sd_text(row: Row | None) -> str:
    """Percent, with the standard deviation where there is one."""
    if row is None or row["mean"] is None:
        return "–"
    return f"{100 * row['mean']:.1f}" + ("" if row["sd"] is None else f" ± {100 * row['sd']:.1f}")


def difference_text(row: Row | None) -> str:
    """Percentage points, with the interval where there is one."""
    if row is None:
        return "–"
    low_high = row["ci95"]
    text = f"{100 * row['mean']:+.1f}"
    return _minus(text if low_high is None else f"{text} [{100 * low_high[0]:+.1f}, {100 * low_high[1]:+.1f}]")


def split_grid(result: Row, split: str) -> Grid:
    """Representations down; amounts of labels and metrics of the headline probe across."""
    rows = [r for r in result["rows"] if r["split"] == split and r["metric"] in ACCURACIES]
    rows = [r for r in rows if r["probe"] in (result["headline"], "supervised")]
    caption = f"{result['headline']} probe, percent, mean ± sd over the seeds."
    mine = [s for s in result["splits"] if s["split"] == split]
    leaks = [s["leakage"] for s in mine if s.get("leakage")]
    if leaks:
        inside, touching = (100 * sum(leak[k] for leak in leaks) / len(leaks) for k in ("inside", "touching"))
        caption += f" Of the test pixels {inside:.0f} % lie inside and {touching:.0f} % touch a training patch."
    left_out = list(dict.fromkeys(name for s in mine for name in s.get("left_out", [])))
    if left_out:
        caption += f" Left out, too few samples: {', '.join(left_out)}."
    return _grid(
        caption,
        rows,
        lambda r: (r["representation"],),
        lambda r: f"{metric_name(r['metric'])}, {amount_name(r)}",
        mean_sd_text,
    )


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
        return _grid(
            caption,
            probed,
            lambda r: (r["representation"],),
            lambda r: f"{r['probe']}, {amount_name(r)}",
            mean_sd_text,
        )
    return _grid(caption, rows, lambda r: (r["representation"], r["probe"]), amount_name, mean_sd_text)


def difference_grid(result: Row) -> Grid | None:
    """Pretrained minus each baseline, for the headline probe's overall accuracy."""
    rows = [r for r in result.get("paired", []) if r["probe"] == result["headline"]]
    rows = [r for r in rows if r["metric"] in ("oa", "accuracy")]
    if not rows:
        return None
    return _grid(
        f"{metric_name(rows[0]['metric'])} of the pretrained encoder minus each baseline on the same splits, "
        "percentage points, 95 % Student t interval of the mean over the seeds.",
        rows,
        lambda r: (r["difference"].replace(" - ", " − "),),
        lambda r: f"{r['split']}, {amount_name(r)}",
        difference_text,
    )


def gap_grid(result: Row) -> Grid | None:
    """What random splits promise too much, for the headline probe's overall accuracy."""
    rows = [r for r in result.get("gaps", []) if r["probe"] in (result["headline"], "supervised")]
    rows = [r for r in rows if r["metric"] in ("oa", "accuracy")]
    if not rows:
        return None
    return _grid(
        f"{metric_name(rows[0]['metric'])} on random minus block splits, percentage points, 95 % interval: what "
        "neighbouring training and test pixels give away.",
        rows,
        lambda r: (r["representation"],),
        amount_name,
        difference_text,
    )


def recall_grid(result: Row, outcome: Row) -> Grid | None:
    """Recall of each class, representations across, for the probe and splits of an outcome."""
    key = ("shots", "labels", "split")
    mine = [p for p in result.get("per_class", []) if all(p.get(k) == outcome.get(k) for k in key)]
    if not mine:
        return None
    names = [n for n in result["source"]["classes"] if any(n in p["recall"] for p in mine)]
    numbers = {name: i for i, name in enumerate(result["source"]["classes"], start=1)}
    return Grid(
        "Recall of each class, percent, mean over the seeds; samples of the class in the data.",
        ["class", "samples", *(p["representation"] for p in mine)],
        [
            [f"{numbers[n]} {n}", f"{result['source']['classes'][n]:,}"]
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
        lambda r: (r["representation"], r["distance"]),
        amount_name,
        lambda r: "–" if r is None else f"{100 * r['mean']:.1f}" + _half(r.get("ci95")),
        ("", "distance"),
    )


def open_grid(found: Row) -> list[Grid]:
    """Rank metrics without a threshold, then the pretrained encoder's decisions with one; for each number of shots."""
    unknown = list(dict.fromkeys(c for s in found["splits"] for c in s.get("unknown", [])))
    grids = []
    for shots in dict.fromkeys(r["shots"] for r in found["open_set"]):
        for decided in (False, True):
            rows = [r for r in found["open_set"] if r["shots"] == shots and (r["threshold"] is not None) == decided]
            if decided:
                rows = [r for r in rows if r["representation"] == "pretrained"]
            if not rows:
                continue
            what = "Decisions, thresholds from training samples" if decided else "Scores without a threshold"
            caption = f"{what}; {amount_name(rows[0])}, percent, mean ± sd over the seeds. "
            grids.append(
                _grid(
                    f"{caption}Unknown: {', '.join(unknown)}.",
                    rows,
                    lambda r: (r["representation"], r["probe"], *([r["threshold"]] if r["threshold"] else [])),
                    lambda r: metric_name(r["metric"]),
                    mean_sd_text,
                    ("", "score", *(["threshold"] if decided else [])),
                )
            )
    return grids


def _grid(
    caption: str,
    rows: Sequence[Row],
    down: Callable[[Row], tuple[str, ...]],
    across: Callable[[Row], str],
    text: Callable[[Row | None], str],
    names: tuple[str, ...] | None = None,
) -> Grid:
    columns = list(dict.fromkeys(across(r) for r in rows))
    cells = {(down(r), across(r)): r for r in rows}
    keys = list(dict.fromkeys(down(r) for r in rows))
    names = names or ("", *("probe" for _ in keys[0][1:]))
    table = [[*key, *(text(cells.get((key, c))) for c in columns)] for key in keys]
    return Grid(caption, [*names, *columns], table, len(names))


def _half(low_high: Sequence[float] | None) -> str:
    return "" if low_high is None else f" ± {50 * (low_high[1] - low_high[0]):.1f}"


def _minus(text: str) -> str:
    return text.replace("-", "−")
