import pytest
import torch

from simclr.eval.report import foretold
from simclr.eval.report.foretold import TSNE, Outlook
from simclr.eval.subject.feature_cache import Look
from simclr.eval.subject.representations import FEATURES
from simclr.eval.work.forecast import Forecast
from tests.eval.test_few_shot import scene_encoder


@pytest.mark.parametrize("extracted", [400, 0])
def test_it_is_said_before_what_is_drawn_and_how_long_that_takes(monkeypatch, extracted):
    monkeypatch.setattr(foretold, "tsne", lambda features: features[:, :2].numpy())
    monkeypatch.setattr(foretold, "seconds_of_batch", lambda *given: 0.5)
    monkeypatch.setattr(foretold, "SAID_FROM", 0.0)
    encoder, scene = scene_encoder()
    said, forecast = [], Forecast()
    outlook = Outlook(forecast, said.append)
    outlook.begin(encoder, scene, 400, Look("", "", "", 400 - extracted, extracted, None))
    assert forecast.left(FEATURES) == pytest.approx(extracted * 0.5 / foretold.timed_samples(scene))
    assert said[0].startswith("to do: features of 400 samples (6 s); t-SNE" if extracted else "to do: t-SNE of 400")
    assert said[1].startswith("it takes about ")
    told = outlook.paced()
    told(0, extracted)
    told(extracted, extracted)
    assert outlook.tsne(torch.zeros(400, 3)).shape == (400, 2)
    assert forecast.left() == 0
    assert not forecast.expects(TSNE)
