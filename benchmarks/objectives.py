"""Objectives of fine-tuning, forward and backward: ours against pytorch-metric-learning, where both have the same."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache, partial
from importlib.util import find_spec

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.harness import Report, extra_peak_memory, paired_ratio, race, spread, synchronize
from simclr.losses.angular import angular
from simclr.losses.contrastive import contrastive
from simclr.losses.margin import margin_loss
from simclr.losses.n_pair import n_pair
from simclr.losses.ranked_list import ranked_list
from simclr.losses.sup_con import sup_con
from simclr.losses.triplet import triplet

DIM = 128
OURS, PML = "ours", "pytorch-metric-learning"
BATCH_ALL = "triplet, all"
Loss = Callable[[Tensor, Tensor], Tensor]

OBJECTIVES: dict[str, Loss] = {
    BATCH_ALL: partial(triplet, margin=0.2),
    "triplet, hard": partial(triplet, margin=0.2, mining="hard"),
    "N-pair": n_pair,
    "angular": partial(angular, degrees=40.0),
    "ranked list": partial(ranked_list, boundary=1.2, margin=0.4, negative_temperature=2.0),
    "SupCon": partial(sup_con, temperature=0.1),
    "contrastive": partial(contrastive, margin=1.0),
    "margin": lambda x, y: margin_loss(x, y, torch.tensor(1.2, device=x.device), margin=0.2),
}
OTHERS = ("contrastive", "margin")
"""Where the library has not the same function, but about the same work: no square of the hinge, other draws."""


@cache
def theirs(name: str) -> Loss:
    """The library's objective of that name, imported when asked for."""
    from pytorch_metric_learning import distances, losses, miners, reducers

    if name == "triplet, hard":
        miner = miners.BatchHardMiner(distance=distances.LpDistance(normalize_embeddings=False))
        loss = losses.TripletMarginLoss(
            margin=0.2, distance=distances.LpDistance(normalize_embeddings=False), reducer=reducers.MeanReducer()
        )
        return lambda x, y: loss(x, y, miner(x, y))
    if name == "margin":
        sampler, boundary = miners.DistanceWeightedMiner(cutoff=0.5, nonzero_loss_cutoff=1.4), losses.MarginLoss(0.2)
        return lambda x, y: boundary(x, y, sampler(x, y))
    made: dict[str, Callable[[], Loss]] = {
        BATCH_ALL: lambda: losses.TripletMarginLoss(
            margin=0.2, distance=distances.LpDistance(normalize_embeddings=False)
        ),
        "N-pair": lambda: losses.NPairsLoss(distance=distances.DotProductSimilarity(normalize_embeddings=False)),
        "angular": lambda: losses.AngularLoss(alpha=40),
        "ranked list": lambda: losses.RankedListLoss(margin=0.4, Tn=2.0, alpha=1.2),
        "SupCon": lambda: losses.SupConLoss(temperature=0.1),
        "contrastive": lambda: losses.ContrastiveLoss(0.0, 1.0, distance=distances.LpDistance(power=2)),
    }
    return made[name]()


def batch(n: int, samples: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Rows (n, 128) around the centres of their classes, and labels, on the GPU if there is one."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(n) // samples
    x = torch.randn(n // samples, DIM, generator=generator)[y] + 2 * torch.randn(n, DIM, generator=generator)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return x.to(device, dtype).requires_grad_(), y.to(device)


def step(loss: Loss, x: Tensor, y: Tensor) -> Tensor:
    """The gradient of x, whose rows are brought to the length 1 before."""
    (gradient,) = torch.autograd.grad(loss(F.normalize(x, dim=1), y), x)
    return gradient


def prepare_memory(n: int) -> Callable[[], object]:
    """For extra_peak_memory: one forward and backward of batch-all."""
    loss = OBJECTIVES[BATCH_ALL]
    step(loss, *batch(64, 8))  # libraries and threads are there before it counts
    return partial(step, loss, *batch(n, 8))


def run(report: Report, quick: bool) -> None:
    """Correctness first, then time, then the size that no other way reaches."""
    report.machine("torch", PML)
    report.line(f"d = {DIM}, float32, unit rows; {'cuda' if torch.cuda.is_available() else 'cpu'}")
    if find_spec("pytorch_metric_learning") is None:
        report.line(f"{PML} is not installed, so nothing is compared: pip install {PML}")
    else:
        right = correctness(report)
        for name in OBJECTIVES:
            sizes = [(64, 2)] if quick else [(512, 2)] if name == "N-pair" else [(512, 8), (512, 64)]
            for n, samples in sizes if name in right or name in OTHERS else []:
                timing(report, name, n, samples, quick)
    large(report, 256 if quick else 4096, quick)


def correctness(report: Report, n: int = 48) -> list[str]:
    """Our values and gradients beside the library's in float64; returns where both have the same function."""
    same, rows = [], []
    for name, ours in OBJECTIVES.items():
        x, y = batch(n, 2 if name == "N-pair" else 6, torch.float64)
        values = [loss(F.normalize(x, dim=1), y) for loss in (ours, theirs(name))]
        gradients = [step(loss, x, y) for loss in (ours, theirs(name))]
        off = abs(values[0].item() / values[1].item() - 1)
        wrong = ((gradients[0] - gradients[1]).norm() / gradients[1].norm()).item()
        verdict = "the same" if max(off, wrong) < 1e-4 else "the same value" if off < 1e-4 else "ANOTHER FUNCTION"
        if off < 1e-4:
            same.append(name)
        rows.append([name, f"{off:.1e}", f"{wrong:.1e}", verdict])
    report.table(f"Ours beside {PML}, n = {n}, float64", ["relative difference", "loss", "gradient", ""], rows)
    return same


def timing(report: Report, name: str, n: int, samples: int, quick: bool) -> None:
    """One race of an objective."""
    x, y = batch(n, samples)
    contestants = {OURS: partial(step, OBJECTIVES[name], x, y), PML: partial(step, theirs(name), x, y)}
    times = race(contestants, rounds=3 if quick else 12)
    what = f"{name}, n = {n}, {samples} a class"
    report.race(what, times, reference=OURS)
    if quick:
        return
    if name == BATCH_ALL:
        report.target(f"{PML} over ours, {what}", paired_ratio(times, PML, OURS).median, at_least=20)
    else:
        report.target(f"ours over {PML}, {what}", paired_ratio(times, OURS, PML).median, at_most=1.1)


def large(report: Report, n: int, quick: bool) -> None:
    """Batch-all where the triplets themselves, or a mask of them, would not fit into memory."""
    rows, worst, rounds = [], 0.0, 3 if quick else 10
    for samples in (4, 8, 64):
        x, y = batch(n, samples)
        seconds = []
        for _ in range(rounds):
            synchronize()
            began = time.perf_counter()
            step(OBJECTIVES[BATCH_ALL], x, y)
            synchronize()
            seconds.append(time.perf_counter() - began)
        median, low, high = spread(seconds)
        worst = max(worst, median)
        triplets = n * (samples - 1) * (n - samples)
        rows.append([f"{samples} a class", f"{triplets / 1e6:,.0f}", f"{median:.2f}", f"{low:.2f}–{high:.2f}"])
    report.table(f"Batch-all, n = {n:,}", [f"{rounds} rounds", "triplets, millions", "s", "10–90 %"], rows)
    report.target(f"seconds of batch-all, n = {n:,}", worst, at_most=3)
    extra = extra_peak_memory(prepare_memory, n)
    report.target(f"MB on top, n = {n:,}", None if extra is None else extra / 1e6, at_most=500)
