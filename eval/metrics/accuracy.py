"""How good a set of predictions is: overall accuracy, average accuracy, Cohen's kappa, and the recall of each class.

All are fractions.
"""

from __future__ import annotations

from torch import Tensor

from simclr.eval.metrics.judgement import Judgement, Metric, confusion


def per_class_recall(labels: Tensor, predictions: Tensor) -> dict[int, float]:
    """Share of each class's samples that were recognised, for the classes that occur in ``labels``."""
    counts = confusion(labels, predictions).double()
    total = counts.sum(1)
    return {c: float(counts[c, c] / total[c]) for c in range(len(counts)) if total[c] > 0}


def overall_accuracy(judged: Judgement) -> float:
    """Share of the samples that were recognised: the trace of the confusion matrix over n."""
    return float(judged.counts.trace() / judged.counts.sum())


def average_accuracy(judged: Judgement) -> float:
    """Mean recall of the classes that occur among the true ones."""
    recalls = per_class_recall(judged.truth, judged.classes)
    return sum(recalls.values()) / len(recalls)


def cohen_kappa(judged: Judgement) -> float:
    """(oa - p_e) / (1 - p_e), p_e being the agreement expected by chance; may be negative.

    1 when both lists hold one and the same class.

    Source: Cohen, "A coefficient of agreement for nominal scales", 1960, eq. 1.
    """
    counts = judged.counts
    chance = float((counts.sum(0) * counts.sum(1)).sum() / counts.sum() ** 2)
    return 1.0 if chance == 1.0 else (overall_accuracy(judged) - chance) / (1.0 - chance)


OA = Metric(overall_accuracy, "OA", family="accuracy")
AA = Metric(average_accuracy, "AA", family="accuracy", few_or_scene=True)
KAPPA = Metric(cohen_kappa, "κ × 100", family="accuracy", few_or_scene=True)
