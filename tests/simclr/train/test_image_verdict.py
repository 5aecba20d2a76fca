"""The verdict without labels on images: what finds them again, and what does not."""

import pytest
import torch
from scipy.spatial.distance import cdist

from simclr.data.fitting import fit_preprocess
from simclr.data.images.digits import load_digits
from simclr.data.source import TensorSource
from simclr.train.image_verdict import ImageJudge


@pytest.fixture(scope="module")
def judge():
    source = load_digits()
    return ImageJudge(source, fit_preprocess(source), torch.arange(0, 1797, 6), seed=0)


def test_it_is_the_share_of_looks_that_are_nearest_to_their_own_image(judge):
    plain, looks = (x.flatten(1)[:, :40] for x in judge._pairs)
    distance = cdist((looks - plain.mean(0)).numpy(), (plain - plain.mean(0)).numpy(), "cosine")
    assert judge.measure(plain, looks) == pytest.approx((distance.argmin(1) == range(300)).mean())


def test_looks_differ_but_not_beyond_recognition(judge):
    plain, looks = judge._pairs
    assert plain.shape == looks.shape == (300, 1, 8, 8)
    assert not torch.equal(plain, looks)
    assert 1 / 300 < judge.baselines["pixels"] < 1


def test_noise_finds_nothing_and_a_memory_finds_all(judge):
    generator = torch.Generator().manual_seed(0)
    assert judge.look(lambda x: torch.randn(len(x), 20, generator=generator)).value < 0
    codes = torch.eye(300)
    calls = iter([codes, codes])
    verdict = judge.look(lambda x: next(calls))
    assert verdict.h == 1.0
    assert verdict.baseline == "pixels"


def test_another_encoder_is_a_baseline_too(judge):
    judge.add_baseline("pixels again", lambda x: x.flatten(1))
    assert judge.baselines["pixels again"] == pytest.approx(judge.baselines["pixels"])


def test_images_of_16_bits_and_several_channels():
    images = torch.randint(0, 60000, (40, 3, 12, 10), dtype=torch.int32, generator=torch.Generator().manual_seed(0))
    source = TensorSource(images, value_max=65535)
    verdict = ImageJudge(source, fit_preprocess(source), torch.arange(40), seed=1).look(lambda x: x.flatten(1))
    assert 0 <= verdict.h <= 1
