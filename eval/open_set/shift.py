"""How far test samples lie from held-out training samples, by their scores and without their labels."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from torch import Tensor

from simclr.eval.open_set.thresholds import REJECTED

TOO_FAR = 0.5
"""More unknown samples than this are not believed in: rather the known ones have moved."""
_RISK = 0.05


class Shift(NamedTuple):
    """Test scores against those of held-out training samples.

    Attributes:
        ks: the largest difference of the two distributions in the direction of unknown, F_held_out(t) − F_test(t), from
            0 to 1: of a one-sided Kolmogorov–Smirnov test.
        unknown_needed: the least share of unknown samples that explains how many test samples lie above the 95 %
            quantile of the held-out ones, if the known ones are as these are; at least this much with a confidence of
            95 %. A larger share than can be there says that the known samples have moved, and that a threshold from the
            held-out ones rejects too many.
    """

    ks: float
    unknown_needed: float


def score_shift(held_out: Tensor, test: Tensor, units: int) -> Shift:
    """Compares scores of held-out training samples with those of all test samples, known and unknown ones.

    If a share π of the test samples is unknown and the others are as the held-out ones, F_test ≥ (1 − π)·F_held_out
    everywhere, so π ≥ 1 − F_test / F_held_out; here at the quantile, since known classes of other frequencies change
    what lies far below. Both distributions are given the width of the Dvoretzky–Kiefer–Wolfowitz inequality, that of
    the held-out ones by the number of units that were drawn independently.

    It sees known samples that look more unknown than they should, whatever the unknown ones do, if they are many. It
    cannot tell a known class that has moved from an unknown one of the same size, nor see a class that moved closer.

    Args:
        held_out: unknownness, (n,), n ≥ 1.
        test: (m,), m ≥ 1.
        units: samples or groups that were left out.

    Source: Blanchard, Lee & Scott, "Semi-supervised novelty detection", JMLR 2010, section 4.
    """
    known, everything = (np.sort(t.double().numpy()) for t in (held_out, test))
    f_known = np.searchsorted(known, known, side="right") / len(known)
    f_test = np.searchsorted(everything, known, side="right") / len(everything)
    wide_known, wide_test = (math.sqrt(math.log(2 / _RISK) / (2 * n)) for n in (units, len(everything)))
    at = int(np.argmax(f_known >= 1 - REJECTED))
    sure = f_known[at] - wide_known
    needed = 1 - (f_test[at] + wide_test) / sure if sure > 0 else 0.0
    return Shift(float(max(0.0, (f_known - f_test).max())), float(max(0.0, needed)))
