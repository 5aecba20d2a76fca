"""What a result says beside accuracies, as a short table for the terminal: retrieval, clusters and calibration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from eval.metrics.calibration import CALIBRATION
from eval.metrics.structure import METRICS as STRUCTURE
from eval.metrics.structure import MOST
from eval.report.terminal import plain_table
from eval.results.words import amount_name, metric_name, probe_name, representation_name

PADDING = (0, 0, 0, 1)


def quality_table(result: Mapping[str, Any]) -> tuple[str, Table] | None:
    """A heading and a table for the first kind of split: representations down, metrics across, mean in percent.

    Calibration is that of the headline probe. None where nothing of the kind was measured.

    Args:
        result: as of ``eval.linear_eval.linear_eval``.
    """
    split, headline = result["rows"][0]["split"], result["headline"]
    mine = [r for r in result["rows"] if r["split"] == split]
    rows = [r for r in mine if r["metric"] in STRUCTURE]
    rows += [r for r in mine if r["metric"] in CALIBRATION and r["probe"] == headline]
    if not rows:
        return None

    def column(row: Mapping[str, Any]) -> tuple[str, str]:
        amount = amount_name(row)
        return metric_name(row["metric"]), "" if amount == "all labels" else amount

    columns = list(dict.fromkeys(column(r) for r in rows))
    table = plain_table()
    for heads in columns:
        table.add_column("\n".join(heads).rstrip(), justify="right")
    cells = {(r["representation"], column(r)): f" {100 * r['mean']:.1f}" for r in rows}
    for name in dict.fromkeys(r["representation"] for r in rows):
        style = "bold" if name in ("pretrained", "features") else ""
        table.add_row(representation_name(name), *(cells.get((name, heads), "") for heads in columns), style=style)
    table.padding = PADDING
    heading = (
        f"{split} split, %, mean over the seeds: neighbours and clusters of up to {MOST:,} test samples, calibration "
        f"of the {probe_name(headline)} probe"
    )
    return heading, table


def print_quality(result: Mapping[str, Any], console: Console) -> None:
    """Prints :func:`quality_table`, if there is one."""
    found = quality_table(result)
    if found is not None:
        console.print(Text(found[0]))
        console.print(found[1])
        console.print()
