"""Short tables for the terminal."""

from pathlib import Path
from typing import Any

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
