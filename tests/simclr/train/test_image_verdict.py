"""The verdict without labels on images: what tells kinds of edges apart, and what does not."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.linear_model import Ridge

from simclr.data.fitting import fit_preprocess
from simclr.data.images.digits import load_digits
from simclr.data.source import TensorSource
from simclr.train.image_verdict import IMAGES, LABELS, SHRINKAGE, ImageJudge


@pytest.fixture(scope="module")
def source():
    whole = load_digits()
    return TensorSource(whole.images[:300], whole.labels[:300], value_max=whole.value_max)


@pytest.fixture(scope="module")
def judge(source):
    return ImageJudge(source, fit_preprocess(source), torch.arange(0, 300, 6), seed=0)


def answers_by_hand(judge, x):
    """Share of right answers of each of the three questions, by scipy and scikit-learn."""
    distance = cdist(x - x.mean(0), x - x.mean(0), "cosine")
    np.fill_diagonal(distance, 9)
    nearest = distance.argmin(1)
    found = [np.mean([(kinds.numpy()[nearest] == kinds.numpy()) for kinds in judge._kinds], axis=0)]
    for labels in LABELS:
        scores = {}
        for probe in ("ridge", "near"):
            right, asked = np.zeros(len(x)), np.zeros(len(x))
            for kinds, amount, rows in judge._supports:
                if amount != labels:
                    continue
                kinds, rows = kinds.numpy(), rows.numpy()
                others = np.setdiff1d(np.arange(len(x)), rows)
                if probe == "near":
                    told = kinds[rows][distance[np.ix_(others, rows)].argmin(1)]
                else:
                    spread = np.maximum(x[rows].std(0), 1e-3 * x.std(ddof=1))
                    scaled = (x - x[rows].mean(0)) / spread
                    alpha = SHRINKAGE * (scaled[rows] ** 2).sum(1).mean()
                    targets = np.eye(kinds.max() + 1)[kinds[rows]]
                    fitted = Ridge(alpha=alpha).fit(scaled[rows], targets)
                    told = fitted.predict(scaled[others]).argmax(1)
                right[others] += told == kinds[others]
                asked[others] += 1
            scores[probe] = right / np.maximum(asked, 1)
        found.append(max(scores.values(), key=np.mean))
    return np.mean(found, axis=0)


def test_it_is_the_share_of_right_answers_by_image(judge):
    x = judge._inputs.flatten(1)[:, :40].contiguous()
    assert judge.measure(x).numpy() == pytest.approx(answers_by_hand(judge, x.double().numpy()), abs=0.02)
    assert float(judge.measure(x).mean()) == pytest.approx(answers_by_hand(judge, x.double().numpy()).mean(), abs=1e-3)


def test_noise_does_not_pay_and_what_knows_the_kinds_does(judge):
    generator = torch.Generator().manual_seed(0)
    noise = judge.look(lambda x: torch.randn(len(x), 20, generator=generator))
    assert noise.value < -2 * noise.error < 0
    assert str(noise).startswith("this pretraining does not pay")
    codes = torch.cat([torch.eye(int(kinds.max()) + 1)[kinds] for kinds in judge._kinds], dim=1)
    knows = judge.look(lambda x: codes)
    assert knows.value > 2 * knows.error > 0
    assert knows.baseline == "pixels"
    assert str(knows).startswith("this pretraining pays, as far as")


def test_the_very_pixels_again_are_no_difference_and_say_nothing(judge):
    again = judge.look(lambda x: x.flatten(1))
    assert again.value == pytest.approx(0, abs=1e-6)
    some = judge.look(lambda x: x.flatten(1) + 0.1 * torch.sin(torch.arange(64.0)))
    assert abs(some.value) < 0.05


def test_another_encoder_is_a_baseline_too(source):
    judge = ImageJudge(source, fit_preprocess(source), torch.arange(10), seed=0)
    judge.add_baseline("pixels again", lambda x: x.flatten(1))
    assert torch.equal(judge.baselines["pixels again"], judge.baselines["pixels"])


def test_held_out_images_come_first_and_others_fill_up():
    images = torch.randint(0, 256, (1500, 1, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    source = TensorSource(images)
    held_out = torch.arange(0, 1500, 5)
    ids = ImageJudge(source, fit_preprocess(source), held_out, seed=3).ids
    assert len(ids) == len(ids.unique()) == IMAGES
    assert torch.isin(held_out, ids).all()
    assert torch.equal(ids, ids.sort().values)


def test_images_of_16_bits_and_several_channels():
    images = torch.randint(0, 60000, (40, 3, 12, 10), dtype=torch.int32, generator=torch.Generator().manual_seed(0))
    source = TensorSource(images, value_max=65535)
    verdict = ImageJudge(source, fit_preprocess(source), torch.arange(40), seed=1).look(lambda x: x.flatten(1))
    assert 0 <= verdict.h <= 1


def test_of_three_images_nothing_can_be_said():
    images = torch.randint(0, 256, (3, 1, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    source = TensorSource(images)
    verdict = ImageJudge(source, fit_preprocess(source), torch.arange(1), seed=0).look(lambda x: x.flatten(1))
    assert verdict.is_open
    assert str(verdict).startswith("this pretraining may pay or not")
