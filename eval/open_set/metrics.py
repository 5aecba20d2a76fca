"""How well unknown classes are told from known ones, and known ones from each other.

Two kinds of question. Rankings need no threshold: an *unknownness* score for each test sample, larger for more
unknown (``auroc``, ``fpr95``, ``oscr``). Decisions are labels, with ``UNKNOWN`` for rejected samples (``open_scores``).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from simclr.augment.checks import shown
from simclr.errors import InputError
from simclr.eval.metrics.judgement import class_counts

UNKNOWN = -1
# The field's way to write them, and to tell two ways of counting apart.
TITLES = {
    "auroc": "AUROC",
    "oscr": "OSCR",
    "closed_oa": "closed OA",
    "open_oa": "open OA",
    "known_accepted": "known accepted",
    "known_accuracy": "known OA",
    "unknown_recall": "unknown rejected",
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "mapping_error": "mapping error",
    "mdl4ow_f1": "MDL4OW F1",
    "evml_open_oa": "EVML OA",
    "fpr95 (known positive)": "FPR95 (known pos.)",
    "fpr95 (unknown positive)": "FPR95 (unknown pos.)",
    "shift": "shift",
    "unknown_needed": "unknown needed",
}


def auroc(score: Tensor, unknown: Tensor) -> float | None:
    """Probability that an unknown sample scores higher than a known one, ties counting half.

    Args:
        score: unknownness, (n,) float.
        unknown: (n,) bool.

    Returns:
        From 0 to 1; None where all samples are known or all unknown.

    Source: Hanley & McNeil, "The meaning and use of the area under a ROC curve", Radiology 1982.
    """
    n_unknown, n_known = int(unknown.sum()), int((~unknown).sum())
    if n_unknown == 0 or n_known == 0:
        return None
    _, place, counts = score.double().unique(return_inverse=True, return_counts=True)
    last = counts.cumsum(0).double()
    rank = (last - (counts.double() - 1) / 2)[place]  # the mean rank of equal scores
    return float((rank[unknown].sum() - n_unknown * (n_unknown + 1) / 2) / (n_unknown * n_known))


def fpr95(score: Tensor, unknown: Tensor, positive: str) -> float | None:
    """Share of the negative class that is taken for positive where at least 95 % of the positive class is found.

    Args:
        score: unknownness, (n,) float.
        unknown: (n,) bool.
        positive: ``known``: 95 % of the known samples are accepted, and the result is the share of unknown ones that
            are accepted too (usual for out-of-distribution detection); ``unknown``: 95 % of the unknown samples are
            rejected, and the result is the share of known ones that are rejected too.

    Returns:
        From 0 to 1; None where all samples are known or all unknown.

    Raises:
        InputError: for another word than ``known`` or ``unknown``.
    """
    if positive not in ("known", "unknown"):
        raise InputError(f"positive is {shown(positive)}: choose known or unknown.")
    # The positive class as the one with the higher scores.
    value, is_positive = (score, unknown) if positive == "unknown" else (-score, ~unknown)
    if not bool(is_positive.any()) or bool(is_positive.all()):
        return None
    found = value[is_positive].double().sort(descending=True).values
    threshold = found[math.ceil(0.95 * len(found)) - 1]
    return float((value[~is_positive].double() >= threshold).double().mean())


def oscr(score: Tensor, unknown: Tensor, correct: Tensor) -> float | None:
    """Area under the correct classification rate over the false positive rate, by the trapezoidal rule.

    At each threshold the correct classification rate is the share of known samples that are accepted and classified
    correctly, the false positive rate the share of unknown samples that are accepted. Equal scores pass together.

    Args:
        score: unknownness, (n,) float.
        unknown: (n,) bool.
        correct: whether the closed-set class is right, (n,) bool; read for known samples only.

    Returns:
        From 0 to the closed-set accuracy; None where all samples are known or all unknown.

    Source: Dhamija, Günther & Boult, "Reducing network agnostophobia", NeurIPS 2018, section 3.
    """
    n_unknown, n_known = int(unknown.sum()), int((~unknown).sum())
    if n_unknown == 0 or n_known == 0:
        return None
    levels, place = score.double().unique(return_inverse=True)
    accepted_right = torch.zeros(len(levels), dtype=torch.float64).index_add_(0, place, (correct & ~unknown).double())
    accepted_unknown = torch.zeros(len(levels), dtype=torch.float64).index_add_(0, place, unknown.double())
    zero = torch.zeros(1, dtype=torch.float64)
    ccr = torch.cat([zero, accepted_right.cumsum(0) / n_known])
    fpr = torch.cat([zero, accepted_unknown.cumsum(0) / n_unknown])
    return float(torch.trapezoid(ccr, fpr))


def openness(training_classes: int, test_classes: int) -> float:
    """1 - √(2K / (K + T)): 0 where every test class was trained on, towards 1 with more unknown ones.

    Args:
        training_classes: K, the known classes.
        test_classes: T, all classes among the test samples, known and unknown.

    Source: Scheirer et al., "Toward open set recognition", TPAMI 2013, with the classes to recognise being those
        trained on; as Geng et al., "Recent advances in open set recognition", TPAMI 2021, eq. 4.
    """
    return 1 - math.sqrt(2 * training_classes / (training_classes + test_classes))


def mapping_error(truth: Tensor, predicted: Tensor) -> float | None:
    """Sum over known classes of |samples assigned - samples there|, over all known samples there.

    It asks whether the areas on a map are right, not whether the pixels are.

    Args:
        truth, predicted: (n,) int64, ``UNKNOWN`` for unknown and rejected samples.

    Returns:
        0 is perfect; above 1 where classes are assigned several times their number. None without known samples.

    Source: Liu, Shi & Zhang, "Few-shot hyperspectral image classification with unknown classes using multitask deep
        learning", TGRS 2020.
    """
    known = int((truth != UNKNOWN).sum())
    if known == 0:
        return None
    classes = int(max(truth.max(), predicted.max())) + 1
    there, assigned = (t[t != UNKNOWN].bincount(minlength=classes) for t in (truth, predicted))
    # A class that no test sample has counts as well: its area should be nothing.
    return float((assigned - there).abs().sum() / known)


def open_scores(truth: Tensor, predicted: Tensor) -> dict[str, float | None]:
    """Metrics of decisions where rejection, ``UNKNOWN``, is one more class.

    - ``open_oa``: share of samples with the right class, rejected unknown ones among them.
    - ``known_accepted``: share of the known samples that are not rejected, in whatever class.
    - ``known_accuracy``, ``unknown_recall``: share of the known samples with the right class, of the unknown ones that
      are rejected.
    - ``macro_f1``: mean over the classes that occur in truth or prediction, the unknown among them, of
      2·TP / (2·TP + FP + FN).
    - ``micro_f1``: over the known classes together: TP, FP and FN are added up before the one fraction is taken; an
      unknown sample that is accepted is a FP, a known one that is rejected a FN, a known one in a wrong class both.
    - ``mapping_error``: see :func:`mapping_error`.
    - ``mdl4ow_f1``: as public code of MDL4OW counts: TP right known samples; FP wrong known ones, rejected or not; FN
      unknown ones that were accepted. A known sample in a wrong class counts once.
    - ``evml_open_oa``: as public code of EVML counts: (TP + TN) / all, added up over one-vs-rest problems, one for
      each class that occurs in truth or prediction. It is 1 - 2·(1 - open_oa)/C, and flatters as C grows (4 there).

    Args:
        truth, predicted: (n,) int64, ``UNKNOWN`` for unknown and rejected samples, known classes from 0.

    Returns:
        Fractions; None where a metric has nothing to be taken over.

    Raises:
        InputError: if the two differ in length or are empty.
    """
    classes, *numbers = class_counts(truth + 1, predicted + 1)  # 0 is the unknown
    there, assigned, right = (column.double() for column in numbers)
    strange = classes == 0
    n, wrong = there.sum(), (there - right).sum()
    f1 = 2 * right / (there + assigned)
    known_right, known = right[~strange].sum(), there[~strange].sum()
    unknown_right, unknown = right[strange].sum(), there[strange].sum()
    accepted = assigned[~strange].sum()
    known_in = ((truth != UNKNOWN) & (predicted != UNKNOWN)).sum().double()
    wrong_known, accepted_unknown = known - known_right, unknown - unknown_right
    return {
        "open_oa": float(right.sum() / n),
        "known_accepted": _share(known_in, known),
        "known_accuracy": _share(known_right, known),
        "unknown_recall": _share(unknown_right, unknown),
        "macro_f1": float(f1.mean()),
        "micro_f1": _share(2 * known_right, known + accepted),
        "mapping_error": mapping_error(truth, predicted),
        "mdl4ow_f1": _share(2 * known_right, 2 * known_right + wrong_known + accepted_unknown),
        "evml_open_oa": float(1 - 2 * wrong / (len(classes) * n)),
    }


def _share(part: Tensor, whole: Tensor) -> float | None:
    return float(part / whole) if float(whole) > 0 else None
