"""Short tables for the terminal."""

from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table


def print_summary(numbers: dict[str, Any], folder: Path) -> None:
    """The end of a run: what came out and where it lies."""
    table = Table(show_header=False, box=None)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    labels = {
        "steps": ("steps", "{:,}"),
        "samples_seen": ("samples seen", "{:,}"),
        "loss": ("loss", "{:.4f}"),
        "contrastive_accuracy": ("contrastive accuracy", "{:.3f}"),
        "rankme": ("RankMe of h", "{:.1f}"),
        "knn": ("online kNN accuracy", "{:.3f}"),
        "seconds": ("seconds", "{:,.0f}"),
    }
    for key, (label, form) in labels.items():
        if key in numbers:
            table.add_row(label, form.format(numbers[key]))
    table.add_row("encoder", str(folder / "encoder.safetensors"))
    Console().print(table)


def print_verification(result: dict[str, Any]) -> None:
    """What `simclr verify` measured, and what it means."""
    n = result["processes"]
    where = f"{n} process{'es' if n > 1 else ''} on {result['device']}"
    where += f" over {result['backend']}" if result["backend"] else ""
    table = Table(title=f"{where}, against one in float64", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("relative error")
    table.add_column("measured", justify="right")
    table.add_column("tolerance", justify="right")
    table.add_column("")
    for check in result["checks"]:
        mark = "ok" if check["ok"] else "[bold red]FAILED[/bold red]"
        measured = "not a number" if check["error"] is None else f"{check['error']:.1e}"
        table.add_row(check["name"], measured, f"{check['tolerance']:.0e}", mark)
    console = Console()
    console.print(table)
    failed = sum(not check["ok"] for check in result["checks"])
    if failed:
        line = f"{failed} of {len(result['checks'])} checks failed: training on this machine would not be exact"
    elif n == 1:
        line = "one process is right; for two: accelerate launch --multi_gpu --num_processes 2 -m simclr verify"
    else:
        line = f"{n} processes give the loss and the gradients of one"
    console.print(line, soft_wrap=True, highlight=False)
