import colorsys
import functools
import os
import shutil
import subprocess
import sys
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from simclr.augment import RandomColorJitter
from simclr.augment.color_affine import color_affine
from simclr.augment.color_jitter import (
    BRIGHTNESS,
    CONTRAST,
    HUE,
    SATURATION,
    _all_at_once,
    _compiled,
    _order_by_order_,
    color_jitter,
)
from simclr.augment.hue import adjust_hue
from simclr.augment.luma import luma

TORCHVISION = {
    BRIGHTNESS: F.adjust_brightness,
    CONTRAST: F.adjust_contrast,
    SATURATION: F.adjust_saturation,
    HUE: F.adjust_hue,
}


def images(n, seed, bands=3, side=16):
    """Random images in 0..1: noise, few levels (ties between channels, exact greys), black and white."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(n, bands, side, side, generator=generator)
    x[::3] = (x[::3] * 3).round() / 3
    if n > 1:
        x[1, :, : side // 2] = 0.0
        x[1, :, side // 2 :] = 1.0
    return x


def torchvision_jitter(x, factors, order):
    out = []
    for image, factor, steps in zip(x, factors.tolist(), order.tolist()):
        for step in steps:
            image = TORCHVISION[step](image, factor[step])
        out.append(image)
    return torch.stack(out)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 1), st.floats(0, 0.5))
def test_jitter_equals_torchvision_with_each_samples_factors_and_order(seed, strength, hue):
    x = images(12, seed)
    generator = torch.Generator().manual_seed(seed)
    factors = 1 + strength * (2 * torch.rand(12, 4, generator=generator) - 1)
    factors[:, HUE] = hue * (2 * torch.rand(12, generator=generator) - 1)
    order = torch.stack([torch.randperm(4, generator=generator) for _ in range(12)])
    difference = (color_jitter(x, factors, order) - torchvision_jitter(x, factors, order)).abs()
    assert difference.max() < 1e-4


@pytest.mark.parametrize("steps", [[0], [1], [2], [3], [0, 1], [2, 3], [0, 1, 2], [1, 2, 3]])
def test_some_of_the_steps_equal_torchvision(steps):
    x, n = images(10, 4), len(steps)
    factors = torch.rand(10, 4) * 1.5
    factors[:, HUE] = torch.rand(10) - 0.5
    order = torch.stack([torch.tensor(steps)[torch.randperm(n)] for _ in range(10)])
    ours = color_jitter(x, factors, order, hue=HUE in steps)
    torch.testing.assert_close(ours, torchvision_jitter(x, factors, order), atol=1e-4, rtol=0)


def test_one_band_equals_torchvision():
    x, factors = images(6, 5, bands=1), torch.rand(6, 4) * 2
    order = torch.tensor([[0, 1], [1, 0]] * 3)
    ours = color_jitter(x, factors, order, hue=False)
    torch.testing.assert_close(ours, torchvision_jitter(x, factors, order), atol=1e-5, rtol=0)


def test_hue_equals_the_standard_library():
    x = images(2, 7, side=6)
    shift = torch.tensor([0.3, -0.45])
    ours = adjust_hue(x, shift)
    for i in range(2):
        for pixel, turned in zip(x[i].flatten(1).T.tolist(), ours[i].flatten(1).T.tolist()):
            h, s, v = colorsys.rgb_to_hsv(*pixel)
            assert turned == pytest.approx(colorsys.hsv_to_rgb((h + float(shift[i])) % 1.0, s, v), abs=1e-5)


def test_neutral_factors_change_nothing():
    x = images(4, 8)
    factors, order = torch.ones(4, 4), torch.arange(3).expand(4, 3)
    assert torch.equal(color_jitter(x, factors, order, hue=False), x)
    torch.testing.assert_close(adjust_hue(x, torch.zeros(4)), x, atol=1e-6, rtol=0)


@pytest.mark.parametrize("mode", ["exact", "compiled", "fast"])
def test_a_jitter_without_steps_changes_nothing(mode):
    x = images(4, 8)
    assert torch.equal(RandomColorJitter(p=1.0, mode=mode)(x), x)
    # Nothing is compiled for it, and a GPU does not look for a step among none.
    assert torch.equal(color_jitter(x, torch.ones(4, 4), torch.empty(4, 0, dtype=torch.int64), False, True), x)


def _sorted(orders):
    return torch.tensor(sorted(order.tolist() for order in orders))


def test_looking_at_the_orders_changes_no_bit():
    """A GPU takes the steps without looking, a CPU order by order; noise may have come before."""
    x, factors = images(48, 3), torch.rand(48, 4) + 0.5
    x += 0.1 * torch.randn_like(x)
    factors[:, HUE] = torch.rand(48) - 0.5
    order = _sorted([torch.randperm(4) for _ in range(48)])
    assert torch.equal(_order_by_order_(x.clone(), factors, order), _all_at_once(x, factors, order, hue=True))
    order = _sorted([torch.randperm(3) for _ in range(48)])
    assert torch.equal(_order_by_order_(x.clone(), factors, order), _all_at_once(x, factors, order, hue=False))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_the_fast_mode_equals_torchvision_where_nothing_is_clamped_and_hue_stays(seed):
    generator = torch.Generator().manual_seed(seed)
    x = 0.4 + 0.2 * torch.rand(8, 3, 6, 7, generator=generator)
    factors = 0.8 + 0.4 * torch.rand(8, 4, generator=generator)
    order = torch.stack([torch.randperm(3, generator=generator) for _ in range(8)])
    torch.testing.assert_close(
        color_affine(x, factors, order), torchvision_jitter(x, factors, order), atol=1e-5, rtol=0
    )


def test_the_fast_modes_hue_keeps_luma_and_greys_and_turns_as_torchvisions_does():
    x = 0.5 + 0.05 * (torch.rand(5, 3, 6, 6) - 0.5)
    factors, order = torch.tensor([[1.0, 1.0, 1.0, s] for s in (-0.5, -0.1, 0.0, 0.1, 0.3)]), torch.full((5, 1), HUE)
    out = color_affine(x, factors, order)
    torch.testing.assert_close(luma(out), luma(x), atol=1e-5, rtol=0)
    torch.testing.assert_close(color_affine(luma(x).repeat(1, 3, 1, 1), factors, order), luma(x).expand(-1, 3, -1, -1))
    torch.testing.assert_close(out[2], x[2])
    change, reference = (out - x)[[1, 3]], (torchvision_jitter(x, factors, order) - x)[[1, 3]]
    cosine = torch.nn.functional.cosine_similarity(change.flatten(1), reference.flatten(1))
    assert (cosine > 0.5).all()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_the_compiled_mode_equals_the_exact_one_and_does_not_depend_on_the_batch():
    x, factors = images(200, 3, side=19), torch.rand(200, 4) + 0.5
    factors[:, HUE] = torch.rand(200) - 0.5
    order = torch.stack([torch.randperm(4) for _ in range(200)])
    whole = color_jitter(x, factors, order, compiled=True)
    torch.testing.assert_close(whole, color_jitter(x, factors, order), atol=2e-6, rtol=0)
    for size in (1, 7, 64):
        parts = [color_jitter(*p, compiled=True) for p in zip(x.split(size), factors.split(size), order.split(size))]
        assert torch.equal(torch.cat(parts), whole)


@pytest.fixture
def fresh_compilation():
    """Whether the jitter can be compiled is found out once a process."""
    _compiled.cache_clear()
    yield
    _compiled.cache_clear()
    torch._dynamo.reset()


def same_pixels_and_one_warning():
    x = images(9, 2)
    exact, compiled = (RandomColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8, mode=mode) for mode in ("exact", "compiled"))
    drawn = exact.forward_parameters(x.shape)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert torch.equal(compiled(x, params=drawn), exact(x, params=drawn))
        assert torch.equal(compiled(x[:3], params={k: v[:3] for k, v in drawn.items()}), exact(x, params=drawn)[:3])
    (line,) = (str(warning.message) for warning in caught)
    assert line.startswith("the colour jitter runs uncompiled, for torch.compile fails here: ")
    assert "\n" not in line
    return line


def test_where_compilation_fails_the_compiled_mode_warns_once_and_gives_the_exact_pixels(
    monkeypatch, fresh_compilation
):
    def backend(*arguments):
        raise RuntimeError("no such machine\nand no such line")

    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))
    assert "no such machine" in same_pixels_and_one_warning()


@pytest.mark.slow
def test_without_a_compiler_the_compiled_mode_warns_once_and_gives_the_exact_pixels(tmp_path):
    code = f"import runpy; print(runpy.run_path({__file__!r})['same_pixels_and_one_warning']())"
    without = {**os.environ, "CXX": str(tmp_path / "g++"), "TORCHINDUCTOR_COMPILE_THREADS": "1"}
    without["TORCHINDUCTOR_CACHE_DIR"] = str(tmp_path)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=without)
    assert "No working C++ compiler" in done.stdout


def test_modes_draw_the_same_and_one_band_is_always_exact():
    for bands, arguments in ((3, {"brightness": 0.2, "hue": 0.1}), (1, {"brightness": 0.2, "contrast": 0.3})):
        exact, fast = (RandomColorJitter(**arguments, p=1.0, mode=mode) for mode in ("exact", "fast"))
        x = images(6, 5, bands)
        drawn = exact.forward_parameters(x.shape)
        assert torch.equal(exact(x, params=drawn), fast(x, params=drawn)) == (bands == 1)


def test_factors_are_distributed_as_torchvisions():
    arguments = {"brightness": 0.4, "contrast": (0.2, 0.9), "saturation": 1.3, "hue": 0.1}
    torch.manual_seed(0)
    ours = RandomColorJitter(**arguments).forward_parameters((4000, 3, 8, 8))
    reference = v2.ColorJitter(**arguments)
    drawn = [reference.make_params([]) for _ in range(2000)]
    for i, name in enumerate(("brightness", "contrast", "saturation", "hue")):
        theirs = [d[f"{name}_factor"] for d in drawn]
        assert stats.ks_2samp(ours["factors"][:, i].numpy(), theirs).pvalue > 1e-3
    assert torch.equal(ours["order"].sort(1).values, torch.arange(4).expand(4000, 4))
    code = (ours["order"] * torch.tensor([64, 16, 4, 1])).sum(1).unique(return_counts=True)[1]
    assert len(code) == 24
    assert stats.chisquare(code.numpy()).pvalue > 1e-3


def test_a_step_of_no_width_is_left_out():
    jitter = RandomColorJitter(brightness=0.4, saturation=(1.0, 1.0), hue=0.1)
    assert sorted(jitter.forward_parameters((1, 3, 4, 4))["order"][0].tolist()) == [BRIGHTNESS, HUE]
    x = images(3, 1)
    assert torch.equal(RandomColorJitter(p=1.0)(x), x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"brightness": -0.1}, "brightness is -0.1, but must be a number of at least 0.0"),
        ({"hue": 0.6}, "hue is 0.6, but must be a number between 0.0 and 0.5"),
        ({"hue": (-0.7, 0.1)}, "hue"),
        ({"contrast": (1.2, 0.8)}, "must increase"),
        ({"contrast": "strong"}, "contrast"),
        ({"p": 1.2}, "p is 1.2"),
        ({"mode": "quick"}, 'mode is .quick., but must be "exact", "compiled" or "fast"'),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        RandomColorJitter(**arguments)


def test_bands_that_do_not_suit_are_refused():
    with pytest.raises(ValueError, match="3 bands, but the samples have 200"):
        RandomColorJitter(hue=0.1)(torch.rand(2, 200, 5, 5))
    with pytest.raises(ValueError, match="set saturation=0 and hue=0"):
        RandomColorJitter(saturation=0.1)(torch.rand(2, 1, 5, 5))
    assert RandomColorJitter(brightness=0.4, p=1.0)(torch.rand(2, 1, 5, 5)).shape == (2, 1, 5, 5)
