"""Signs and ranks of verdicts against those of labelled differences."""

import numpy as np
import pytest

from benchmarks.quality.verdict import Judged, agreement


def runs(*pairs):
    return [Judged(f"set {i}", "scene", verdict, difference) for i, (verdict, difference) in enumerate(pairs)]


def test_signs_and_ranks_by_hand():
    verdicts, differences = [0.2, -0.1, 0.3, -0.5], [4.0, 1.0, 3.0, -9.0]
    found = agreement(runs(*zip(verdicts, differences), (None, 50.0)))
    ranks = [np.argsort(np.argsort(values)) for values in (verdicts, differences)]
    assert (found.runs, found.silent, found.same_sign) == (4, 1, 0.75)
    assert found.correlation == pytest.approx(np.corrcoef(ranks)[0, 1])


def test_nothing_said_is_no_agreement():
    assert agreement(runs((None, 1.0), (None, -1.0))) == (0, 2, None, None)
    assert agreement([]) == (0, 0, None, None)


def test_no_correlation_of_two_runs_or_of_what_never_changes():
    assert agreement(runs((1.0, 2.0), (0.5, 1.0))).correlation is None
    assert agreement(runs((1.0, 2.0), (1.0, 1.0), (1.0, -3.0))) == (3, 0, pytest.approx(2 / 3), None)


def test_a_verdict_of_zero_is_not_positive():
    assert agreement(runs((0.0, -1.0))).same_sign == 1
    assert agreement(runs((0.0, 1.0))).same_sign == 0
