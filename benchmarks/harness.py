"""What every benchmark needs: contestants in rotating order, paired ratios, peak memory, one report.

A benchmark is a file beside this one with a docstring and ``run(report, quick)``; ``python -m benchmarks`` finds it:

    def run(report: Report, quick: bool) -> None:
        report.machine("torch", "lightly")
        times = race({"ours": ours, "lightly": theirs}, rounds=3 if quick else 15)
        report.race("what was timed, and at which size", times, reference="ours")
        ratio = paired_ratio(times, "lightly", "ours")
        report.target("lightly's time over ours", ratio.median, at_least=6)

Two programs timed one after the other also measure what the machine did meanwhile. So every round runs each
contestant once, in an order that rotates, and a ratio is the median of the ratios within rounds.
"""

import concurrent.futures
import multiprocessing
import os
import platform
import re
import resource
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

Times = dict[str, list[float]]


def race(
    contestants: Mapping[str, Callable[[], object]],
    *,
    rounds: int = 15,
    warmup: int = 2,
    repeats: int = 1,
) -> Times:
    """Time every contestant once a round, in an order that rotates from round to round.

    Args:
        contestants: functions without arguments by name; inputs are made outside, so that only the work is timed.
        rounds: ten or more for a number that anybody shall believe.
        warmup: rounds that are not counted.
        repeats: calls in a row that make one measurement, for functions of less than some milliseconds.

    Returns:
        Seconds of one call by name, one for each round; waits for the GPU where there is one.
    """
    names = list(contestants)
    seconds: Times = {name: [] for name in names}
    for turn in range(warmup + rounds):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            synchronize()
            began = time.perf_counter()
            for _ in range(repeats):
                contestants[name]()
            synchronize()
            if turn >= warmup:
                seconds[name].append((time.perf_counter() - began) / repeats)
    return seconds


class Spread(NamedTuple):
    """A median between the 10 % and the 90 % quantile."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Median, 10 % and 90 % quantile."""
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    tenths = statistics.quantiles(values, n=10, method="inclusive")
    return Spread(statistics.median(values), tenths[0], tenths[-1])


def paired_ratio(times: Times, name: str, reference: str) -> Spread:
    """Time of ``name`` over time of ``reference``, round by round: above 1, the reference is faster."""
    return spread([a / b for a, b in zip(times[name], times[reference])])


def synchronize() -> None:
    """Wait for the GPU, if there is one."""
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()


def extra_peak_memory(prepare: Callable[..., Callable[[], object]], *args: object, limit: float = 6e9) -> float | None:
    """The most memory that one call takes on top of what it started with, in a fresh process.

    Args:
        prepare: a module's function; ``prepare(*args)`` makes the inputs, warms up on something small and returns the
            function that is measured.
        args: given to ``prepare``; must be picklable.
        limit: bytes on top at which an allocation fails (without a GPU).

    Returns:
        Bytes: of the GPU's allocator where there is one, else resident memory. None where it did not fit.

    Raises:
        OSError: on a machine without Linux's /proc and without a GPU.
    """
    # spawn: a forked child would start with the parent's memory.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return pool.submit(_extra_peak, prepare, args, limit).result()
        except BrokenProcessPool:  # killed by the kernel
            return None


def _extra_peak(prepare: Callable[..., Callable[[], object]], args: tuple[object, ...], limit: float) -> float | None:
    try:
        call = prepare(*args)
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            call()
            return float(torch.cuda.max_memory_allocated() - before)
        resource.setrlimit(resource.RLIMIT_AS, (int(proc_status("VmSize") + limit),) * 2)
        # Not getrusage: its maximum survives fork and exec, so a child begins with its parent's.
        Path("/proc/self/clear_refs").write_text("5")
        before = proc_status("VmRSS")
        call()
        return float(proc_status("VmHWM") - before)
    except (MemoryError, torch.OutOfMemoryError):
        return None
    except RuntimeError as error:
        if "allocate memory" in str(error):
            return None
        raise


def proc_status(key: str) -> int:
    """Bytes that the kernel counts for this process under ``key``."""
    match = re.search(rf"^{key}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    if match is None:
        raise OSError(f"/proc/self/status has no {key}: resident memory is measured on Linux only")
    return 1024 * int(match[1])


def straight_line(x: Sequence[float], y: Sequence[float]) -> tuple[float, float, float]:
    """Least squares of ``y = intercept + slope·x``: intercept, slope, and R² (1 for a perfect line)."""
    fit = statistics.linear_regression(x, y)
    return fit.intercept, fit.slope, statistics.correlation(x, y) ** 2


class Report:
    """Prints tables and lines as they come, and keeps them for a file."""

    def __init__(self) -> None:
        self._console = Console(record=True, highlight=False, width=None if Console().is_terminal else 120)

    def line(self, text: str = "") -> None:
        """Prints one line as it is."""
        self._console.print(Text(text))

    def table(self, title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Prints a table; the first column is text, the others are numbers."""
        table = Table(*head[:1], title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
        for name in head[1:]:
            table.add_column(name, justify="right")
        for row in rows:
            table.add_row(*map(Text, row))
        self._console.print(table)

    def race(self, title: str, times: Times, *, reference: str) -> None:
        """Prints the table of a race: median time, 10–90 % of the rounds, and the paired ratio to ``reference``.

        Args:
            title: what was timed, and at which size.
            times: as of ``race``.
            reference: whose time is 1.
        """
        rows = []
        for name, seconds in times.items():
            time_, ratio = spread(seconds), paired_ratio(times, name, reference)
            cells = [name, f"{1e3 * time_.median:,.1f}", f"{1e3 * time_.low:,.1f}–{1e3 * time_.high:,.1f}"]
            rows.append([*cells, f"{ratio.median:.2f}", f"{ratio.low:.2f}–{ratio.high:.2f}"])
        rounds = len(times[reference])
        head = [f"{rounds} rounds", "ms", "10–90 %", f"× {reference}", "10–90 %"]
        self.table(title, head, rows)

    def target(
        self, what: str, measured: float | None, *, at_least: float | None = None, at_most: float | None = None
    ) -> None:
        """Prints whether a target is met; None is a measurement that could not be made."""
        sign, limit = ("≥", at_least) if at_least is not None else ("≤", at_most)
        if limit is None:
            raise ValueError("a target needs at_least or at_most")
        if measured is None:
            self.line(f"  NOT MEASURED  {what} (target {sign} {limit:g})")
            return
        met = measured >= limit if at_least is not None else measured <= limit
        shown = f"{measured:,.0f}" if abs(measured) >= 1000 else f"{measured:.3g}"
        self.line(f"  {'met' if met else 'MISSED':6}  {what}: {shown} (target {sign} {limit:,g})")

    def machine(self, *packages: str) -> None:
        """Prints what it ran on: processor, cores, threads, GPU, Python, and the versions of ``packages``."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        parts = [_processor(), f"{cores} cores", f"{torch.get_num_threads()} threads"]
        parts += [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        self.line(", ".join(parts))
        self.line(", ".join([f"Python {platform.python_version()}", *map(_name_and_version, packages)]))

    def save(self, path: Path) -> None:
        """Write everything that was printed, as plain text."""
        path.parent.mkdir(parents=True, exist_ok=True)
        text = self._console.export_text(clear=False)
        path.write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n", encoding="utf-8")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    match = re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE) if info.exists() else None
    return match[1] if match else platform.processor() or platform.machine()


def _name_and_version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} not installed"
