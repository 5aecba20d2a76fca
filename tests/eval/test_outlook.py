"""What is foretold is what is done: every kind of work ends with nothing left, and nothing is done that was not."""

import pytest

from simclr.eval.few_shot import evaluate_few_shot
from simclr.eval.linear_eval import evaluate_linear
from simclr.eval.protocol import FewShotRequest, LinearRequest
from simclr.eval.subject.subject import subject_of
from simclr.eval.work.forecast import Forecast
from simclr.eval.work.work import Work
from tests.eval.test_few_shot import blobs, scene_encoder


class Ledger(Forecast):
    """Adds up what is expected and what is done."""

    def __init__(self):
        super().__init__()
        self.expected, self.made = {}, {}

    def expect(self, kind, units):
        self.expected[kind] = self.expected.get(kind, 0) + units
        super().expect(kind, units)

    def took(self, kind, units, seconds):
        self.made[kind] = self.made.get(kind, 0) + units
        super().took(kind, units, seconds)


def check(ledger, *kinds):
    assert set(kinds) <= set(ledger.expected)
    assert ledger.made == pytest.approx(ledger.expected)
    assert ledger.left() == 0
    assert ledger.is_whole


def test_few_shot_foretells_all_that_it_does(monkeypatch):
    monkeypatch.setattr("simclr.eval.outlook.SAID_FROM", 0.0)
    monkeypatch.setattr("simclr.eval.probes.end_to_end.STEPS", 6)
    monkeypatch.setattr("simclr.eval.probes.end_to_end.PASSES", 1)
    encoder, scene = scene_encoder()
    asked = {"shots": (3,), "seeds": (0, 1), "episodes": 30, "ways": 3, "unknown_classes": 1, "objectives": ["triplet"]}
    asked |= {"objective_options": {"steps": 5}, "fine_tune": True, "fine_tune_options": {"steps": 6}}
    ledger, said = Ledger(), []
    subject = subject_of(encoder, scene)
    evaluate_few_shot(subject, FewShotRequest(**asked), work=Work(forecast=ledger, say=said.append))
    # Of two passes over the steps the second may be shorter; the rest of it counts as done.
    check(ledger, "features", "ridge", "unknown classes", "episodes", "objectives: triplet", "fine-tune", "supervised")
    to_do, takes = said
    for words in ("fits of", "unknown classes on 2 splits", "episodes", "training under triplet", "fine-tuning"):
        assert words in to_do
    assert takes.startswith("it takes about ")


@pytest.mark.parametrize("of_features", [True, False])
def test_linear_evaluation_foretells_all_that_it_does(of_features):
    model, samples = blobs() if of_features else scene_encoder()
    asked = {"shots": (3,), "seeds": (0, 1), "splits": ["random"], "supervised": False, "probes": ["ridge", "knn"]}
    ledger = Ledger()
    evaluate_linear(subject_of(model, samples), LinearRequest(**asked), work=Work(forecast=ledger, say=print))
    check(ledger, "ridge", "knn", "structure", *([] if of_features else ["features", "calibrations"]))
