"""Twice the light is twice the radiance in every band, whatever units the radiance is in."""

import math

import pytest
import torch

from simclr.augment import Views
from simclr.augment.illumination import RandomIllumination


def test_in_shifted_units_it_is_a_factor_of_the_radiance():
    radiance = torch.rand(5, 7, 3, 3, generator=torch.Generator().manual_seed(0)) * 9 + 1
    mean, sd = torch.arange(7.0) + 2, torch.arange(7.0) / 3 + 1
    standard = (radiance - mean[:, None, None]) / sd[:, None, None]
    operation = RandomIllumination(0.5, zero=(-mean / sd).tolist())
    views = Views({"illumination": operation}, views=2, seed=3)(standard, torch.arange(5), 0)
    back = views * sd[:, None, None] + mean[:, None, None]
    factor = back / radiance
    torch.testing.assert_close(factor, factor[:, :, :1, :1, :1].expand_as(factor), rtol=1e-4, atol=0)
    logs = factor[:, :, 0, 0, 0].log()
    assert float(logs.abs().max()) <= 0.5 + 1e-4
    assert len(logs.unique()) == 10


def test_the_factor_is_uniform_on_a_logarithmic_scale():
    views = Views({"illumination": RandomIllumination(0.3)}, views=1, seed=0)(
        torch.ones(4000, 1, 1, 1), torch.arange(4000), 0
    )
    logs = views.flatten().log().sort().values
    uniform = torch.linspace(-0.3, 0.3, 4000)
    assert float((logs - uniform).abs().max()) < 0.3 * 2 * 1.95 / math.sqrt(4000)  # Kolmogorov-Smirnov, 0.1 %


def test_what_the_light_does_not_change_stays():
    x = torch.rand(4, 3, 2, 2, generator=torch.Generator().manual_seed(1))
    operation = RandomIllumination(1.0, zero=[0.0, math.nan, 0.5])
    view = Views({"illumination": operation}, views=1, seed=0)(x, torch.arange(4), 0)[0]
    assert torch.equal(view[:, 1], x[:, 1])
    factor = view[:, 0] / x[:, 0]
    torch.testing.assert_close((view[:, 2] - 0.5) / (x[:, 2] - 0.5), factor, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"gain": -1}, "gain"),
        ({"gain": 21}, "at most 20"),
        ({"zero": []}, "empty list"),
        ({"zero": math.inf}, "zero"),
        ({"p": 2}, "p is 2"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        RandomIllumination(**arguments)


def test_one_zero_for_each_band():
    with pytest.raises(ValueError, match="give 1, or 3"):
        RandomIllumination(zero=[0.0, 1.0])(torch.rand(1, 3, 2, 2))
