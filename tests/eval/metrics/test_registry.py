import pytest
import torch

from simclr.eval.metrics.judgement import Judgement, Metric
from simclr.eval.metrics.registry import METRICS, measure, reported, structural
from simclr.eval.probes.score import score
from simclr.eval.splits.split import k_shot


def test_a_metric_is_measured_where_there_is_what_it_needs():
    truth, classes = torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0])
    logits = torch.tensor([[2.0, 0.0], [0.0, 2.0], [1.0, 0.0]])
    assert set(measure(Judgement(truth, classes))) == {"oa", "aa", "kappa"}
    assert set(measure(Judgement(truth, classes, logits))) == {"oa", "aa", "kappa", "ece"}
    assert set(measure(Judgement(truth, classes, logits, 2.0))) == {"oa", "aa", "kappa", "ece", "ece_scaled"}
    assert measure(Judgement(truth, classes))["oa"] == pytest.approx(2 / 3)


def test_what_is_reported_is_what_the_field_reports():
    assert reported(few_or_scene=True) == ("oa", "aa", "kappa", "ece", "ece_scaled")
    assert reported(few_or_scene=False) == ("accuracy", "ece", "ece_scaled")
    assert structural() == ("r_at_1", "map_at_r", "nmi")
    assert [METRICS[name].by for name in structural()] == ["retrieval", "retrieval", "k-means"]


def test_a_metric_of_ones_own_is_one_line(monkeypatch, tmp_path):
    (tmp_path / "worst_class.py").write_text(
        "from simclr.eval.metrics.judgement import Metric\n"
        "from simclr.eval.metrics.accuracy import per_class_recall\n"
        "def worst(judged):\n"
        "    return min(per_class_recall(judged.truth, judged.classes).values())\n"
        "WORST = Metric(worst, 'worst class')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(METRICS.lines, "worst", "worst_class:WORST")
    labels = torch.arange(60) % 3
    features = torch.randn(60, 4, generator=torch.Generator().manual_seed(0)) + torch.eye(4)[labels]
    split = k_shot(labels, 5, 0)
    (found,) = score(features, labels, [split], ["ridge"])
    assert found.metrics["worst"] == min(found.recall.values())
    assert isinstance(METRICS["worst"], Metric)
    assert "worst" in reported(few_or_scene=False)
