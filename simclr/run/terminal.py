"""What a run shows on the terminal: a line that moves while it goes on, and a table at its end."""

import math
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.table import Table

SECONDS = 20.0
FIRST_STEPS = 3
"""Steps after which it is said how long all of them take, where that is long; the first one warms up."""
LONG = 5.0


class Progress:
    """Loss, images a second and time left: a bar on a terminal; on a file or pipe, a line every tenth of the run, and
    where that is long, every ``SECONDS``, so that the first steps tell how long it takes.

    Args:
        total: steps of the run.
        start: steps that are done already.
        batch_size: images of a step.
        enabled: only the main process draws.
        what: is going on.
    """

    def __init__(
        self, total: int, start: int, batch_size: int, enabled: bool = True, what: str = "pretraining"
    ) -> None:
        self._total, self._done, self._batch_size = total, start, batch_size
        self._began = self._said = time.perf_counter()
        self._start = start
        self._warm: float | None = None
        self._enabled = enabled
        self._bar: RichProgress | None = None
        if enabled and sys.stderr.isatty():
            self._bar = RichProgress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[numbers]}"),
                TimeRemainingColumn(),
                TextColumn("left"),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task(what, total=total, completed=start, numbers="")

    def advance(self, numbers: dict[str, Any]) -> None:
        """One step is done."""
        if not self._enabled:
            return
        self._done += 1
        now = time.perf_counter()
        self._warm = now if self._warm is None else self._warm
        seconds = now - self._began
        rate = (self._done - self._start) * self._batch_size / seconds
        loss = "passed over: not finite" if numbers["loss"] is None else f"loss {numbers['loss']:.4f}"
        text = f"{loss} · {rate:,.0f} images/s"
        if self._bar:
            self._bar.update(self._task, completed=self._done, numbers=text)
        elif self._is_time(left := self._seconds_left(now)):
            health = f" · RankMe {numbers['rankme']:.1f}" if "rankme" in numbers else ""
            knn = f" · kNN {100 * numbers['knn']:.1f} %" if "knn" in numbers else ""
            print(
                f"step {self._done}/{self._total} · {text}{health}{knn} · {math.ceil(left):,} s left",
                file=sys.stderr,
                flush=True,
            )

    def _seconds_left(self, now: float) -> float:
        """By all steps but the first one, which warms up."""
        left, done = self._total - self._done, self._done - self._start
        if done == 1 or self._warm is None:
            return left * (now - self._began)
        return left * (now - self._warm) / (done - 1)

    def _is_time(self, left: float) -> bool:
        """Whether a line is due."""
        now = time.perf_counter()
        due = self._done % max(1, self._total // 10) == 0 or self._done == self._total or now - self._said > SECONDS
        due |= self._done - self._start == FIRST_STEPS and left > LONG
        self._said = now if due else self._said
        return due

    def __enter__(self) -> "Progress":
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()


def print_summary(numbers: dict[str, Any], folder: Path) -> None:
    """The end of a run: what came out and where it lies."""
    table = Table(show_header=False, box=None)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    titles = {
        "steps": ("steps", "{:,}"),
        "samples_seen": ("samples seen", "{:,}"),
        "loss": ("loss", "{:.4f}"),
        "contrastive_accuracy": ("contrastive accuracy", "{:.3f}"),
        "rankme": ("RankMe of h", "{:.1f}"),
        "knn": ("online kNN accuracy", "{:.3f}"),
        "recall_at_1": ("R@1 of held-out labels", "{:.3f}"),
        "seconds": ("seconds", "{:,.0f}"),
    }
    for key, (title, form) in titles.items():
        if numbers.get(key) is not None:
            table.add_row(title, form.format(numbers[key]))
    if passed_over := numbers.get("skipped_steps"):
        table.add_row("steps passed over", f"{len(passed_over):,}, as loss or gradients were not finite")
    table.add_row("encoder", str(folder / "encoder.safetensors"))
    Console().print(table)
