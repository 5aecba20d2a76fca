"""Probes on 1,000,000 x 512 features on disk: time, CPU time and resident memory against n.

Features are of 1,000 classes; logistic regression, which goes over them some hundred times with products of all
classes, tells 10, each of a hundred of these. The file (float32, 2 GB) lies in the system's folder for temporary files,
TMPDIR, and is deleted afterwards. Each measurement has a process of its own, learns from the first n rows and
classifies 10,000 others. What is resident counts the program itself and the pages of the file that are mapped at the
time.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from benchmarks.harness import Report, proc_status
from simclr.eval.probes.registry import fit_probe
from simclr.eval.subject.rows import Rows

DIM = 512
QUERIES = 10_000
AT_ONCE = 20_000
TARGETS = {
    "prototype euclidean": 10,
    "prototype mahalanobis": 10,
    "ridge": 120,
    "knn": 60,
}
LOGISTIC = "logistic"
FEW, MANY = 10, 1_000
RESIDENT = 3.0


class Cost(NamedTuple):
    """Seconds by the clock and of the processor, GB that were resident at most, and the accuracy."""

    seconds: float
    cpu: float
    resident: float
    accuracy: float


def write_features(folder: Path, n: int, classes: int) -> np.ndarray:
    """Features of n + QUERIES samples in FOLDER/features.npy, and their classes."""
    generator = torch.Generator().manual_seed(0)
    means = 0.25 * torch.randn(classes, DIM, generator=generator)
    scale = torch.arange(1, DIM + 1).sqrt().reciprocal()
    total = n + QUERIES
    y = torch.randint(0, classes, (total,), generator=generator)
    y[:classes] = torch.arange(classes)
    file = np.lib.format.open_memmap(folder / "features.npy", "w+", np.float32, (total, DIM))
    for first in range(0, total, AT_ONCE):
        mine = y[first : first + AT_ONCE]
        drawn = torch.randn(len(mine), DIM, generator=generator) + means[mine]
        file[first : first + AT_ONCE] = (drawn * scale).numpy()
    file.flush()
    np.save(folder / "classes.npy", y.numpy())
    return y.numpy()


def measure(folder: Path, probe: str, n: int) -> Cost:
    """One probe on the first n rows, in this process."""
    rows = Rows([np.load(folder / "features.npy", mmap_mode="r")])
    y = torch.from_numpy(np.load(folder / "classes.npy")) % (FEW if probe == LOGISTIC else MANY)
    train, test = torch.arange(n), torch.arange(len(rows) - QUERIES, len(rows))
    Path("/proc/self/clear_refs").write_text("5")
    wall, cpu = time.perf_counter(), time.process_time()
    found = fit_probe(probe, rows.rows(train), y[train], rows.rows(test), say=print)
    seconds, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Cost(seconds, cpu, proc_status("VmHWM") / 1e9, float((found.classes == y[test]).double().mean()))


def run(report: Report, quick: bool) -> None:
    report.machine("torch", "numpy")
    n, classes = (40_000, 100) if quick else (1_000_000, MANY)
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        write_features(Path(folder), n, classes)
        rows: list[list[str]] = []
        full: dict[str, Cost] = {}
        for probe in [*TARGETS, LOGISTIC]:
            for size in (n, n // 2, n // 4):
                with ProcessPoolExecutor(1, mp_context=context) as pool:
                    cost = pool.submit(measure, Path(folder), probe, size).result()
                full.setdefault(probe, cost)
                rows.append(
                    [
                        f"{probe}, {size:,}",
                        f"{cost.seconds:.1f}",
                        f"{cost.cpu:.1f}",
                        f"{1e6 * cost.cpu / size:.1f}",
                        f"{cost.resident:.2f}",
                        f"{100 * cost.accuracy:.2f}",
                    ]
                )
                print("  ".join(rows[-1]), flush=True)
        head = ["probe, n", "seconds", "CPU seconds", "CPU µs a sample", "GB resident", "accuracy"]
        title = f"{n:,} x {DIM}, {classes:,} classes (logistic {FEW}), {QUERIES:,} queries, float32 on disk"
        report.table(title, head, rows)
    if not quick:
        for probe, most in TARGETS.items():
            report.target(f"seconds of {probe}", full[probe].seconds, at_most=most)
            report.target(f"CPU seconds of {probe}, for two cores", full[probe].cpu, at_most=2 * most)
        for probe in ("ridge", LOGISTIC):
            report.target(f"GB resident of {probe}", full[probe].resident, at_most=RESIDENT)
