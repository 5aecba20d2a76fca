"""The test of simclr distance: its p values where there is no difference, its power where there is one.

Sets of n samples each of Gaussians with unit covariance, whose means lie some way apart; a test of 199 permutations for
each draw. Power is the share of draws with p of 0.05 or less.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.stats import kstest

from benchmarks.harness import Report
from simclr.eval.metrics.two_sets import two_sample_test

PERMUTATIONS, LEVEL = 199, 0.05
SIZES, WIDTHS, SHIFTS = (25, 50, 100, 200), (16, 256), (0.0, 0.5, 1.0, 1.5, 2.0)


def run(report: Report, quick: bool) -> None:
    """Measure; ``quick`` takes a twentieth of the draws."""
    report.machine("torch", "scipy")
    draws = 500 // (20 if quick else 1)
    null, chance = p_values(50, 16, 0.0, draws), 3 * (LEVEL * (1 - LEVEL) / draws) ** 0.5
    uniform = kstest(null, "uniform").pvalue
    report.target(f"{draws} p values without a difference against the uniform, p of KS", uniform, at_least=0.01)
    report.target(f"share of them of {LEVEL} or less", float(np.mean(null <= LEVEL)), at_most=LEVEL + chance)
    draws = 200 // (20 if quick else 1)
    report.line(f"Below: distance of the means in standard deviations of a feature, {draws} draws.")
    for width in WIDTHS:
        report.table(
            f"Power in %, {width} features",
            ["samples of each", *(f"{shift:g} σ" for shift in SHIFTS)],
            [
                [str(n), *(f"{100 * np.mean(p_values(n, width, shift, draws) <= LEVEL):.0f}" for shift in SHIFTS)]
                for n in SIZES
            ],
        )


def p_values(n: int, width: int, shift: float, draws: int) -> np.ndarray:
    """p of the test of two sets of ``n`` samples whose means lie ``shift`` standard deviations apart, (draws,)."""
    found = []
    for draw in range(draws):
        generator = torch.Generator().manual_seed(draw)
        a, b = torch.randn(2, n, width, generator=generator)
        b[:, 0] += shift
        found.append(two_sample_test(a, b, permutations=PERMUTATIONS, seed=draw).p)
    return np.array(found)
