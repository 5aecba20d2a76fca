import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, roc_auc_score, roc_curve

from simclr.errors import InputError
from simclr.eval.open_set.metrics import UNKNOWN, auroc, fpr95, mapping_error, open_scores, openness, oscr

ANY_SEED = st.integers(0, 10**6)


def ranked(seed, ties):
    """Scores (with ties), unknown samples of any share, right closed-set answers."""
    g = np.random.default_rng(seed)
    n = int(g.integers(1, 60))
    score = g.normal(size=n).round(0 if ties else 8)
    unknown = g.random(n) < g.choice([0.0, 0.2, 0.5, 1.0])
    return torch.tensor(score), torch.tensor(unknown), torch.tensor(g.random(n) < 0.7)


def decided(seed):
    """Decisions over some of six classes, of which some may be empty, all or none unknown."""
    g = np.random.default_rng(seed)
    n = int(g.integers(1, 80))
    allowed = g.choice(np.arange(-1, 6), size=int(g.integers(1, 6)), replace=False)
    truth, predicted = g.choice(allowed, n), g.choice(allowed, n)
    if g.random() < 0.5:
        predicted = np.where(g.random(n) < 0.7, truth, predicted)
    return torch.tensor(truth), torch.tensor(predicted)


@settings(max_examples=150, deadline=None)
@given(seed=ANY_SEED, ties=st.booleans())
def test_auroc_is_scikit_learns(seed, ties):
    score, unknown, _ = ranked(seed, ties)
    found = auroc(score, unknown)
    if unknown.all() or not unknown.any():
        assert found is None
    else:
        assert found == pytest.approx(roc_auc_score(unknown, score))


@settings(max_examples=150, deadline=None)
@given(seed=ANY_SEED, ties=st.booleans())
def test_fpr95_is_the_first_point_of_the_roc_curve_at_95_percent(seed, ties):
    score, unknown, _ = ranked(seed, ties)
    for positive, truth, value in (("unknown", unknown, score), ("known", ~unknown, -score)):
        found = fpr95(score, unknown, positive)
        if truth.all() or not truth.any():
            assert found is None
            continue
        fpr, tpr, _ = roc_curve(truth, value, drop_intermediate=False)
        assert found == pytest.approx(fpr[tpr >= 0.95 - 1e-12].min())


def test_the_two_fpr95_differ():
    score = torch.tensor([0.0] * 19 + [10.0] + [1.0] * 20)
    unknown = torch.tensor([False] * 20 + [True] * 20)
    assert fpr95(score, unknown, "known") == 0.0
    assert fpr95(score, unknown, "unknown") == 0.05
    with pytest.raises(InputError, match="positive"):
        fpr95(score, unknown, "both")


@settings(max_examples=150, deadline=None)
@given(seed=ANY_SEED, ties=st.booleans())
def test_oscr_is_the_area_of_the_points_of_all_thresholds(seed, ties):
    score, unknown, correct = ranked(seed, ties)
    found = oscr(score, unknown, correct)
    if unknown.all() or not unknown.any():
        assert found is None
        return
    points = [(0.0, 0.0)]
    for t in sorted(set(score.tolist())):
        accepted = score <= t
        points.append(
            (
                float((accepted & unknown).sum() / unknown.sum()),
                float((accepted & ~unknown & correct).sum() / (~unknown).sum()),
            )
        )
    area = sum((x1 - x0) * (y1 + y0) / 2 for (x0, y0), (x1, y1) in itertools.pairwise(points))
    assert found == pytest.approx(area)
    if bool(correct[~unknown].all()):
        assert found == pytest.approx(auroc(score, unknown))


@settings(max_examples=100, deadline=None)
@given(seed=ANY_SEED)
def test_decisions_against_counting_by_hand(seed):
    truth, predicted = decided(seed)
    found = open_scores(truth, predicted)
    pairs = list(zip(truth.tolist(), predicted.tolist()))
    n = len(pairs)
    assert found["open_oa"] == pytest.approx(sum(t == p for t, p in pairs) / n)
    known = [(t, p) for t, p in pairs if t != UNKNOWN]
    unknown = [(t, p) for t, p in pairs if t == UNKNOWN]
    accepted = sum(p != UNKNOWN for _, p in known)
    assert found["known_accepted"] == (pytest.approx(accepted / len(known)) if known else None)
    for name, part in (("known_accuracy", known), ("unknown_recall", unknown)):
        assert found[name] == (pytest.approx(sum(t == p for t, p in part) / len(part)) if part else None)
    assert found["macro_f1"] == pytest.approx(f1_score(truth, predicted, average="macro", zero_division=0))

    known_classes = sorted({c for pair in pairs for c in pair} - {UNKNOWN})
    if known_classes:
        reference = f1_score(truth, predicted, labels=known_classes, average="micro", zero_division=0)
        assert found["micro_f1"] == pytest.approx(reference)
    else:
        assert found["micro_f1"] is None

    tp = sum(t == p for t, p in known)
    fp = sum(t != p for t, p in known)
    fn = sum(t != p for t, p in unknown)
    assert found["mdl4ow_f1"] == (pytest.approx(2 * tp / (2 * tp + fp + fn)) if tp + fp + fn else None)

    classes = {c for pair in pairs for c in pair}
    one_vs_rest = [(t == c) == (p == c) for c in classes for t, p in pairs]
    assert found["evml_open_oa"] == pytest.approx(sum(one_vs_rest) / len(one_vs_rest))

    error = sum(abs(sum(p == c for _, p in pairs) - sum(t == c for t, _ in pairs)) for c in known_classes)
    assert mapping_error(truth, predicted) == found["mapping_error"]
    assert found["mapping_error"] == (pytest.approx(error / len(known)) if known else None)


def test_openness_of_the_literature():
    assert openness(10, 10) == 0.0
    assert openness(6, 10) == pytest.approx(0.134, abs=5e-4)  # six known and four unknown, as in Neal et al. 2018
    assert openness(16, 17) == pytest.approx(1 - (32 / 33) ** 0.5)


def test_decisions_of_unequal_length_are_refused():
    with pytest.raises(InputError, match="one length"):
        open_scores(torch.tensor([0, 1]), torch.tensor([0]))
