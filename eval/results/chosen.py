"""Which differences of a comparison are shown, and what the results are called there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from simclr.augment.checks import shown
from simclr.errors import InputError
from simclr.eval.open_set.rejection import TAILS
from simclr.eval.open_set.scores import SCORE
from simclr.eval.open_set.thresholds import THRESHOLD
from simclr.eval.probes.learners import FROZEN
from simclr.eval.results.comparison import ComparedRow, Comparison
from simclr.eval.results.result_file import RESULT
from simclr.eval.results.words import OVERALL, metric_family
from simclr.recipe.choice import nearest

FEW = 18
"""Differences: of more, the overall accuracies alone are shown, unless metrics are asked for."""


def choose(
    found: Comparison,
    *,
    probe: str | None = None,
    split: str | None = None,
    shots: str | None = None,
    metric: str | None = None,
) -> list[ComparedRow]:
    """The rows of a comparison that are asked for, as in :func:`simclr.eval.commands.run_compare`.

    Raises:
        InputError: a name that no row has; says which ones there are.
    """
    rows = list(found.rows)
    asked = {"probe": probe, "split": split, "shots": shots, "metric": metric}
    for option, text in asked.items():
        if text is None:
            continue
        there = {value.casefold(): value for value in (_value(row, option) for row in rows)}
        wanted = [part.strip() for part in text.split(",")]
        unknown = [part for part in wanted if part.casefold() not in there]
        if unknown:
            among = " among these" if len(rows) < len(found.rows) else ""
            shared, hint = ", ".join(there.values()), nearest(unknown[0], there, cutoff=0.6)
            raise InputError(f"--{option} names {shown(unknown[0])}, but{among} the results share {shared}{hint}")
        chosen = {part.casefold() for part in wanted}
        rows = [row for row in rows if _value(row, option).casefold() in chosen]
    usual = [row for row in rows if probe is not None or _stands_for_others(row, found)]
    usual = [row for row in usual if metric is not None or metric_family(row.metric) == "accuracy"] or usual or rows
    first = [row for row in usual if row.metric in OVERALL] if metric is None and len(usual) > FEW else []
    return first or usual


def _stands_for_others(row: ComparedRow, found: Comparison) -> bool:
    """Whether a row is of the probe, score and threshold that summaries are of."""
    score = found.scores.get(row.objective or FROZEN, SCORE)
    return row.probe == found.headline or (row.probe == score and row.threshold in (None, THRESHOLD, *TAILS))


def _value(row: ComparedRow, option: str) -> str:
    """What a row answers to an option of the command."""
    if option == "shots":
        return f"{row.shots}" if row.shots else f"{100 * row.labels:g}%" if row.labels else "all"
    return {"probe": row.probe, "split": row.split, "metric": row.metric}[option]


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
