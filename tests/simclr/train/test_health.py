import json
import math

import numpy as np
import pytest
import torch

from simclr.train.health import alignment, collapse_warning, contrastive_accuracy, health, rankme, uniformity, z_std


def test_rankme_of_known_spectra():
    q, _ = torch.linalg.qr(torch.randn(50, 8, generator=torch.Generator().manual_seed(0)))
    assert rankme(q) == pytest.approx(8, rel=1e-4)
    assert rankme(torch.ones(20, 6)) == pytest.approx(1, abs=1e-4)
    assert rankme(torch.zeros(20, 6)) == 1
    s = np.array([4.0, 2.0, 1.0, 1.0])
    p = s / s.sum()
    assert rankme(q[:, :4] * torch.tensor(s, dtype=torch.float32)) == pytest.approx(
        math.exp(-(p * np.log(p)).sum()), rel=1e-4
    )


def test_rankme_refuses_nan():
    with pytest.raises(ValueError, match="NaN"):
        rankme(torch.full((3, 3), torch.nan))


def test_alignment_and_uniformity_by_hand():
    z = torch.randn(2, 20, 5, generator=torch.Generator().manual_seed(1))
    u = (z / z.norm(dim=-1, keepdim=True)).numpy().astype(np.float64)
    assert alignment(z) == pytest.approx(((u[0] - u[1]) ** 2).sum(-1).mean(), rel=1e-5)
    pairs = [np.exp(-2 * ((u[0, i] - u[0, j]) ** 2).sum()) for i in range(20) for j in range(i)]
    assert uniformity(z[0]) == pytest.approx(np.log(np.mean(pairs)), rel=1e-5)


def test_z_std_is_one_when_spread_and_zero_when_collapsed():
    spread = torch.randn(4000, 64, generator=torch.Generator().manual_seed(2))
    assert z_std(spread) == pytest.approx(1, abs=0.02)
    assert z_std(torch.ones(10, 64)) == pytest.approx(0, abs=1e-6)


def test_contrastive_accuracy():
    z = torch.eye(6)[None].repeat(2, 1, 1)
    assert contrastive_accuracy(z) == 1
    z[1] = z[1].roll(1, 0)  # everybody's nearest row belongs to somebody else
    assert contrastive_accuracy(z) == 0


def test_collapse_is_said_and_health_is_not():
    generator = torch.Generator().manual_seed(3)
    h, z = torch.randn(64, 32, generator=generator), torch.randn(2, 64, 16, generator=generator)
    assert collapse_warning(health(h, z), 64) is None
    assert "collapsed" in collapse_warning(health(h, torch.ones(2, 64, 16)), 64)
    assert "RankMe of 64 images" in collapse_warning(health(torch.ones(64, 32), z), 64)


def test_of_a_few_images_a_small_rank_is_no_collapse():
    generator = torch.Generator().manual_seed(3)
    h, z = torch.randn(3, 32, generator=generator), torch.randn(2, 3, 16, generator=generator)
    h[2] = h[0] * 0.9 + h[1] * 0.9  # of rank two, as three images of two kinds may be
    numbers = health(h, z)
    assert numbers["rankme"] < 2
    assert collapse_warning(numbers, 3) is None


def test_a_single_image_tells_no_more_than_its_alignment():
    z = torch.randn(3, 1, 8, generator=torch.Generator().manual_seed(0))
    numbers = health(torch.randn(1, 16), z)
    first, second = torch.nn.functional.normalize(z[:2, 0].double(), dim=-1)
    assert numbers == {"alignment": pytest.approx(float((first - second).square().sum()), rel=1e-5)}
    assert collapse_warning(numbers, 1) is None


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_every_number_is_one_that_json_can_hold(batch):
    for z in (torch.zeros(2, batch, 4), torch.ones(2, batch, 4), torch.randn(2, batch, 4)):
        numbers = health(z[0], z)
        assert json.loads(json.dumps(numbers, allow_nan=False)) == numbers
