"""How good a set of predictions is: overall accuracy, average accuracy, Cohen's kappa, and the recall of each class.

All are fractions.
"""

from __future__ import annotations

from torch import Tensor

from simclr.eval.metrics.judgement import ClassCounts, Judgement, Metric, class_counts


def per_class_recall(labels: Tensor, predictions: Tensor) -> dict[int, float]:
    """Share of each class's samples that were recognised, for the classes that occur in ``labels``."""
    return _recalls(class_counts(labels, predictions))


def overall_accuracy(judged: Judgement) -> float:
    """Share of the samples that were recognised."""
    return int(judged.by_class.right.sum()) / int(judged.by_class.true.sum())


def average_accuracy(judged: Judgement) -> float:
    """Mean recall of the classes that occur among the true ones."""
    recalls = _recalls(judged.by_class)
    return sum(recalls.values()) / len(recalls)


def cohen_kappa(judged: Judgement) -> float:
    """(oa - p_e) / (1 - p_e), p_e being the agreement expected by chance; may be negative.

    1 when both lists hold one and the same class.

    Source: Cohen, "A coefficient of agreement for nominal scales", 1960, eq. 1.
    """
    true, predicted = judged.by_class.true.double(), judged.by_class.predicted.double()
    chance = float((true * predicted).sum() / true.sum() ** 2)
    return 1.0 if chance == 1.0 else (overall_accuracy(judged) - chance) / (1.0 - chance)


def _recalls(counts: ClassCounts) -> dict[int, float]:
    share = counts.right.double() / counts.true
    return {c: r for c, n, r in zip(counts.classes.tolist(), counts.true.tolist(), share.tolist()) if n}


OA = Metric(overall_accuracy, "OA", family="accuracy")
AA = Metric(average_accuracy, "AA", family="accuracy", few_or_scene=True)
KAPPA = Metric(cohen_kappa, "κ × 100", family="accuracy", few_or_scene=True)
