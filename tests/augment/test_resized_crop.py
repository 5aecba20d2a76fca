import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kornia.constants import Resample
from scipy import stats
from torchvision.transforms import RandomResizedCrop as TorchvisionCrop
from torchvision.transforms.v2 import functional as F

from simclr.augment import RandomResizedCrop
from simclr.augment.resized_crop import crop_boxes, resized_crop


def boxes(n, height, width, scale, ratio, seed=0):
    u = torch.rand(n, 22, generator=torch.Generator().manual_seed(seed))
    return torch.stack(crop_boxes(u, height, width, scale, ratio), 1)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(2, 40), st.integers(2, 40), st.integers(0, 10**6))
def test_resized_crop_equals_torchvision(height, width, out_h, out_w, seed):
    # From one column to one column, torch 2.15's antialiased resize forgets the rows: widths start at 2.
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(3, 3, height, width, generator=generator)
    box = boxes(3, height, width, (0.05, 1.0), (0.5, 2.0), seed)
    for antialias in (True, False):
        ours = resized_crop(x, *box.T, (out_h, out_w), antialias)
        theirs = [F.resized_crop(i, *b, [out_h, out_w], antialias=antialias) for i, b in zip(x, box.tolist())]
        torch.testing.assert_close(ours, torch.stack(theirs), atol=1e-4, rtol=0)


def test_a_large_downscale_equals_torchvision():
    x = torch.rand(4, 3, 150, 200, generator=torch.Generator().manual_seed(0))
    box = boxes(4, 150, 200, (0.3, 1.0), (0.75, 4 / 3))
    theirs = [F.resized_crop(i, *b, [17, 17], antialias=True) for i, b in zip(x, box.tolist())]
    torch.testing.assert_close(resized_crop(x, *box.T, (17, 17)), torch.stack(theirs), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("height", "width", "scale", "ratio"),
    [(64, 64, (0.08, 1.0), (3 / 4, 4 / 3)), (40, 90, (0.2, 1.0), (0.5, 2.0)), (100, 20, (0.6, 1.0), (0.9, 1.2))],
)
def test_boxes_are_distributed_as_torchvisions(height, width, scale, ratio):
    n = 3000
    ours = boxes(n, height, width, scale, ratio, seed=1)
    torch.manual_seed(2)
    image = torch.empty(3, height, width)
    theirs = torch.tensor([TorchvisionCrop.get_params(image, list(scale), list(ratio)) for _ in range(n)])
    for column in range(4):
        assert stats.ks_2samp(ours[:, column].numpy(), theirs[:, column].numpy()).pvalue > 1e-3
    areas = [(b[:, 2] * b[:, 3]).numpy() for b in (ours, theirs)]
    assert stats.ks_2samp(*areas).pvalue > 1e-3
    aspects = [(b[:, 3] / b[:, 2]).numpy() for b in (ours, theirs)]
    assert stats.ks_2samp(*aspects).pvalue > 1e-3


def test_area_is_uniform_and_ratio_log_uniform():
    box = boxes(20000, 4000, 4000, (0.1, 0.5), (0.5, 2.0)).double()
    area, aspect = box[:, 2] * box[:, 3] / 4000**2, (box[:, 3] / box[:, 2]).log()
    assert stats.kstest(area.numpy(), stats.uniform(0.1, 0.4).cdf).pvalue > 1e-3
    assert stats.kstest(aspect.numpy(), stats.uniform(-math.log(2), 2 * math.log(2)).cdf).pvalue > 1e-3


@pytest.mark.parametrize(("height", "width"), [(4, 400), (400, 4), (50, 50)])
def test_the_fallback_is_torchvisions(height, width):
    scale, ratio = [5.0, 6.0], [0.75, 4 / 3]  # never fits
    expected = TorchvisionCrop.get_params(torch.empty(1, height, width), scale, ratio)
    assert boxes(1, height, width, scale, ratio)[0].tolist() == list(expected)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 50), st.integers(1, 50), st.integers(0, 10**6))
def test_boxes_lie_in_the_image(height, width, seed):
    top, left, h, w = boxes(50, height, width, (0.001, 1.0), (0.1, 10.0), seed).T
    assert (h >= 1).all()
    assert (w >= 1).all()
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + h <= height).all()
    assert (left + w <= width).all()


def test_the_values_stay_in_the_images_range_and_a_constant_stays():
    x = torch.full((5, 4, 31, 23), -7.25)
    torch.manual_seed(0)
    assert torch.allclose(RandomResizedCrop(16)(x), torch.tensor(-7.25), atol=1e-5)


def test_without_the_gate_the_whole_image_is_resized():
    x = torch.rand(4, 3, 20, 30)
    expected = F.resize(x, [8, 9], antialias=True)
    torch.testing.assert_close(RandomResizedCrop((8, 9), p=0.0)(x), expected, atol=1e-5, rtol=0)


def test_masks_are_resampled_as_torchs_nearest_exact():
    x = torch.rand(5, 2, 33, 27)
    op = RandomResizedCrop((14, 40))
    params = op.forward_parameters(x.shape)
    ours = op.operate(x, params, {**op.flags, "resample": Resample.NEAREST})
    box = torch.stack([params[k] for k in ("top", "left", "height", "width")], 1).tolist()
    pieces = [i[:, t : t + h, le : le + w] for i, (t, le, h, w) in zip(x, box)]
    theirs = [torch.nn.functional.interpolate(i[None], (14, 40), mode="nearest-exact")[0] for i in pieces]
    assert torch.equal(ours, torch.stack(theirs))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, "size is 0"),
        ({"size": (8, 8, 8)}, "pair"),
        ({"size": 8, "scale": (0.9, 0.2)}, r"scale is \(0.9, 0.2\), but must increase: use \[0.2, 0.9\]"),
        ({"size": 8, "scale": (0.0, 1.0)}, "above 0.0 and at most 1.0"),
        ({"size": 8, "scale": (0.2, 1.5)}, "scale"),
        ({"size": 8, "ratio": (0, 1)}, "ratio"),
        ({"size": 8, "ratio": 0.7}, "pair"),
        ({"size": 8, "p": 1.2}, "probability"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        RandomResizedCrop(**arguments)
