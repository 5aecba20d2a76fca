"""Ridge and logistic regression for 45 penalties, against scikit-learn.

Features are synthetic: Gaussian with standard deviations 1/j along random axes, class means at a tenth of them (the
classes overlap: no penalty separates them), standardised. On the small size scikit-learn is timed on all 45, also with
each fit started where the one before it ended. On the large one all 45 would take hours: it is timed on the first, the
middle and the last, for at most its default of 100 iterations, and fifteen times their sum is a lower bound of what all
take to its tolerance. Ours runs before, between and after.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV
from threadpoolctl import threadpool_limits
from torch import Tensor

from benchmarks.harness import Report, race
from simclr.eval.probes.logistic_path import logistic_path
from simclr.eval.probes.logistic_probe import PENALTIES
from simclr.eval.probes.ridge_path import leave_one_out, ridge_statistics
from simclr.eval.probes.ridge_probe import ALPHAS

CLASSES = 10
SCIKIT_TOL = 1e-4
DEFAULT_ITERATIONS = 100
# Of 45 penalties the first, the middle and the last.
EVERY = 22
T = TypeVar("T")


def features(n: int, dim: int, overlap: float = 0.1, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Standardised features (n, dim) float64 and classes (n,)."""
    g = torch.Generator().manual_seed(seed)
    deviations = 1 / torch.arange(1, dim + 1, dtype=torch.float64)
    axes = torch.linalg.qr(torch.randn(dim, dim, generator=g, dtype=torch.float64))[0]
    means = torch.randn(CLASSES, dim, generator=g, dtype=torch.float64) * deviations * overlap
    y = torch.randint(0, CLASSES, (n,), generator=g)
    x = (torch.randn(n, dim, generator=g, dtype=torch.float64) * deviations + means[y]) @ axes
    return (x - x.mean(0)) / x.std(0, correction=0), y


def run(report: Report, quick: bool) -> None:
    report.machine("torch", "scikit-learn", "numpy", "scipy")
    for n, dim in [(5_000, 128)] if quick else [(5_000, 128), (50_000, 512)]:
        ridge_race(report, n, dim, rounds=3 if quick else 10)
        logistic_race(report, n, dim)


def ridge_race(report: Report, n: int, dim: int, rounds: int) -> None:
    x, y = features(n, dim)
    alphas = torch.from_numpy(ALPHAS)
    large = n * dim > 10**7
    ours = {"ours": lambda: leave_one_out(ridge_statistics(x, y, CLASSES), x, y, alphas)}
    theirs = {"scikit-learn RidgeClassifierCV": lambda: RidgeClassifierCV(ALPHAS).fit(x.numpy(), y.numpy())}
    contestants: dict[str, Callable[[], object]] = {**ours, **({} if large else theirs)}
    times = race(contestants, rounds=rounds)
    report.race(f"ridge, exact leave-one-out for 45 penalties, {n:,} x {dim}", times, reference="ours")
    if large:
        report.target("seconds of ridge", float(np.median(times["ours"])), at_most=2)


def logistic_race(report: Report, n: int, dim: int) -> None:
    x, y = features(n, dim)
    logistic_path(x[:500], y[:500], CLASSES, PENALTIES[:9])  # warm-up
    every = EVERY if n * dim > 10**7 else 1
    values = PENALTIES[::every].tolist()
    most = DEFAULT_ITERATIONS if every > 1 else 100_000
    # Its two pools of threads can be slower than one thread: the faster way for the strongest penalty counts.
    seconds_by_threads = {t: with_threads(t, x, y, values[:1], False, most)[0] for t in (1, None)}
    threads = min(seconds_by_threads, key=lambda t: seconds_by_threads[t])

    loose_s = [timed(lambda: logistic_path(x, y, CLASSES, PENALTIES, 0.0, SCIKIT_TOL))]
    half = (len(values) + 1) // 2 if every > 1 else len(values)
    cold = [with_threads(threads, x, y, values[:half], False, most)]
    loose_s.append(timed(lambda: logistic_path(x, y, CLASSES, PENALTIES, 0.0, SCIKIT_TOL)))
    warm = None if every > 1 else with_threads(threads, x, y, values, True, most)
    if half < len(values):
        cold.append(with_threads(threads, x, y, values[half:], False, most))
    loose_s.append(timed(lambda: logistic_path(x, y, CLASSES, PENALTIES, 0.0, SCIKIT_TOL)))
    tight_s, tight = timed(lambda: logistic_path(x, y, CLASSES, PENALTIES, 1e-6))

    loose_seconds, loose = median([s for s, _ in loose_s]), loose_s[0][1]
    cold_seconds, cold_fits = sum(s for s, _ in cold), [fit for _, fits in cold for fit in fits]
    lower = tight.objectives * (1 - tight.gaps)
    spread = " · ".join(f"{s:.2f}" for s, _ in loose_s)
    rows = [
        _row("ours, gradient ≤ 1e-4", loose_seconds, spread, gaps(loose.objectives, lower), loose.newton_steps),
        _row("ours, proven gap ≤ 1e-6", tight_s, "", gaps(tight.objectives, lower), tight.newton_steps),
    ]
    name = f"scikit-learn lbfgs, tol 1e-4, {'all threads' if threads is None else '1 thread'}"
    whole = cold_seconds * len(PENALTIES) / len(values)
    note = f"at least, from {len(values)} in {cold_seconds:.1f} s" if every > 1 else "all 45"
    rows.append(_row(f"{name}, cold", whole, note, *_quality(x, y, cold_fits, lower[::every])))
    best = whole
    if warm is not None:
        rows.append(_row(f"{name}, warm", warm[0], note, *_quality(x, y, warm[1], lower)))
        best = min(best, warm[0])
    head = ["45 penalties", "seconds", "runs", "largest relative gap", "iterations"]
    report.table(f"logistic regression, {n:,} x {dim}, {CLASSES} classes", head, rows)
    if every > 1:
        for fit, gap in zip(cold_fits, gaps(objectives(x, y, cold_fits), lower[::every]).tolist()):
            ended = "stopped there" if fit.iterations >= most else "reached its tolerance"
            report.line(
                f"  scikit-learn at penalty {fit.penalty:.1e}: {fit.seconds:.1f} s, {fit.iterations} iterations, "
                f"{ended}, gap {gap:.1e}"
            )
    report.target("scikit-learn's fastest over ours at its tolerance", best / loose_seconds, at_least=5)
    if every > 1:
        report.target("seconds at scikit-learn's tolerance", loose_seconds, at_most=30)
        report.target("seconds to a proven gap of 1e-6", tight_s, at_most=180)
    else:
        compare_coefficients(report, x, y, float(PENALTIES[len(PENALTIES) // 2]))


def _row(name: str, seconds: float, note: str, gaps: Tensor, iterations: Tensor) -> list[str]:
    return [name, f"{seconds:.2f}", note, f"{float(gaps.max()):.1e}", str(int(iterations.sum()))]


def _quality(x: Tensor, y: Tensor, fits: list[Fit], lower: Tensor) -> tuple[Tensor, Tensor]:
    return gaps(objectives(x, y, fits), lower), torch.tensor([fit.iterations for fit in fits])


def gaps(objectives: Tensor, lower: Tensor) -> Tensor:
    """How far objectives are above the proven lower bound of the minimum, relative to it."""
    return (objectives - lower) / lower


def with_threads(
    threads: int | None, x: Tensor, y: Tensor, penalties: list[float], warm: bool, most: int
) -> tuple[float, list[Fit]]:
    with threadpool_limits(threads):
        return timed(partial(scikit, x, y, penalties, warm, most))


class Fit(NamedTuple):
    """A solution of scikit-learn's: weights (K, dim) and intercepts (K,), in how many iterations and seconds."""

    penalty: float
    weights: np.ndarray
    intercepts: np.ndarray
    iterations: int
    seconds: float


def scikit(x: Tensor, y: Tensor, penalties: list[float], warm: bool, most: int) -> list[Fit]:
    found = []
    model = LogisticRegression(tol=SCIKIT_TOL, max_iter=most, warm_start=warm)
    for penalty in penalties:
        model.set_params(C=1 / penalty)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            seconds, _ = timed(lambda: model.fit(x.numpy(), y.numpy()))
        found.append(Fit(penalty, model.coef_.copy(), model.intercept_.copy(), int(model.n_iter_[0]), seconds))
    return found


def objectives(x: Tensor, y: Tensor, fits: list[Fit]) -> Tensor:
    """Mean loss with its penalty of each solution of scikit-learn's, (a,) float64."""
    values = []
    for fit in fits:
        z = x @ torch.from_numpy(fit.weights).T + torch.from_numpy(fit.intercepts)
        penalised = fit.penalty / (2 * len(x)) * float((fit.weights**2).sum())
        values.append(torch.nn.functional.cross_entropy(z, y) + penalised)
    return torch.stack(values)


def compare_coefficients(report: Report, x: Tensor, y: Tensor, penalty: float) -> None:
    """Prints the largest difference of a coefficient to scikit-learn's Newton solver at a tight tolerance."""
    ours = logistic_path(x, y, CLASSES, torch.tensor([penalty], dtype=torch.float64), 1e-13)
    model = LogisticRegression(C=1 / penalty, solver="newton-cholesky", tol=1e-10).fit(x.numpy(), y.numpy())
    difference = float(np.abs(ours.weights[0].T.numpy() - model.coef_).max() / np.abs(model.coef_).max())
    report.line(
        f"  coefficients at penalty {penalty:.2g} against newton-cholesky at tol 1e-10: they differ by at most "
        f"{difference:.0e} of the largest"
    )


def timed(call: Callable[[], T]) -> tuple[float, T]:
    started = time.perf_counter()
    result = call()
    return time.perf_counter() - started, result
