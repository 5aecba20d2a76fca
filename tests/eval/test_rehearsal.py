import pytest
import torch

from simclr.eval.judging import Drawn
from simclr.eval.probes.ridge_probe import ridge
from simclr.eval.rehearsal import CLASSES, TRAINED, rehearse, stage_of, stand_in, to_be_looked_at
from simclr.eval.splits.split import stratified
from simclr.eval.subject.representations import representations
from simclr.eval.subject.subject import subject_of
from simclr.eval.work.forecast import Forecast
from simclr.eval.work.work import Work
from tests.eval.test_few_shot import scene_encoder


def test_the_widths_are_those_of_the_representations():
    encoder, scene = scene_encoder()
    subject = subject_of(encoder, scene)
    drawn = Drawn([stratified(scene.labels, 0.5, seed) for seed in (0, 1)], [])
    found = list(to_be_looked_at(subject, drawn, (0, 1)))
    real = list(representations(subject, subject.usable(), (0, 1), lambda *told: None))
    assert [one.width for one in found] == [one.features.shape[1] for one in real]
    assert [len(one.drawn.closed) for one in found] == [2 if one.seed is None else 1 for one in real]


def test_a_stage_is_small_and_its_classes_can_be_told_with_errors():
    labels = torch.arange(4_000) % 7 + 20240101
    stage = stage_of(labels, Drawn([stratified(labels, 0.5, 0)], []), 40)
    (split,) = stage.drawn.closed
    assert (len(split.train), stage.features.shape[1]) == (TRAINED, 40)
    assert torch.equal(stage.features, stage_of(labels, Drawn([stratified(labels, 0.5, 0)], []), 40).features)
    train, test = split.train, split.test
    found = ridge(stage.features[train], stage.labels[train], stage.features[test]).classes
    assert 1 / 7 < float((found == stage.labels[test]).double().mean()) < 0.99
    assert torch.equal(stand_in(labels[:9], 3), stand_in(labels[:9], 3))
    many = stage_of(torch.arange(4_000) % 400, Drawn([stratified(torch.arange(4_000) % 400, 0.5, 0)], []), 40)
    assert len(many.labels.unique()) == CLASSES


@pytest.mark.parametrize(("listens", "times"), [(True, 2), (False, 0)])  # the first time warms up
def test_nothing_is_tried_where_nobody_listens(listens, times):
    encoder, scene = scene_encoder()
    drawn = Drawn([stratified(scene.labels, 0.5, 0)], [])
    calls, forecast = [], Forecast()
    forecast.expect("fits", 10)

    def measure(stage, tried):
        calls.append(stage.features.shape[1])
        tried.forecast.took("fits", 2, 3.0)

    rehearse(subject_of(encoder, scene), drawn, measure, Work(forecast=forecast, say=print if listens else None))
    assert len(calls) == times
    assert forecast.left() == pytest.approx(15.0 if listens else 0.0)
