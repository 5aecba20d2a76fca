"""Every metric of an evaluation by its name in a result, in the order of its rows.

A metric of your own is one file with a ``Metric(function, title, …)`` and one line here. It then has a row for
everything that gives what it needs, and tables show it by its title.
"""

from __future__ import annotations

from simclr.eval.metrics.judgement import Judgement, Metric
from simclr.registry import Registry

METRICS: Registry[Metric] = Registry(
    {
        "oa": "simclr.eval.metrics.accuracy:OA",
        "aa": "simclr.eval.metrics.accuracy:AA",
        "kappa": "simclr.eval.metrics.accuracy:KAPPA",
        "ece": "simclr.eval.metrics.calibration:ECE",
        "ece_scaled": "simclr.eval.metrics.calibration:ECE_SCALED",
        "r_at_1": "simclr.eval.metrics.retrieval:R_AT_1",
        "map_at_r": "simclr.eval.metrics.retrieval:MAP_AT_R",
        "nmi": "simclr.eval.metrics.clustering:NMI",
    }
)


def measure(judged: Judgement) -> dict[str, float]:
    """Every metric that has what it needs, by name."""
    return {name: metric.function(judged) for name, metric in METRICS.items() if judged.has(metric.needs)}


def reported(few_or_scene: bool) -> tuple[str, ...]:
    """Names of the metrics of predictions that a result has rows of.

    Args:
        few_or_scene: whether it is of few shots or of a scene; other results call ``oa`` by its plain name, accuracy,
            and leave out what is customary there alone.
    """
    names = [name for name, metric in METRICS.items() if metric.needs != "features"]
    if few_or_scene:
        return tuple(names)
    return tuple("accuracy" if name == "oa" else name for name in names if not METRICS[name].few_or_scene)


def structural() -> tuple[str, ...]:
    """Names of the metrics that need features."""
    return tuple(name for name, metric in METRICS.items() if metric.needs == "features")
