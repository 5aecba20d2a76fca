"""A look at scenes whose noise, contrast and roughness were made."""

import pytest
import torch

from simclr.choose.scenes import CLEAR, ROUGH, SceneSeen, choose_scene, look_at_scene
from simclr.data.scenes.scene import SceneSource
from tests.simclr.data.scenes.test_neighbour_noise import fields


def seen(**changes):
    return SceneSeen(
        **{
            "height": 95,
            "width": 90,
            "bands": 156,
            "components": 20,
            "contrast": 10,
            "roughness": 1.1,
            "noise": 0.3,
            "light": 0.1,
        }
        | changes
    )


def test_fields_that_differ_little_beyond_noise_have_little_contrast():
    clear, faint = (look_at_scene(SceneSource(fields(noise=noise)[0], patch_size=1)) for noise in (0.02, 0.6))
    assert clear.contrast > 10 * faint.contrast
    assert clear.contrast > CLEAR > faint.contrast
    assert (clear.regime, faint.regime) == ("both", "context")


def test_contrast_is_the_variance_of_unit_spectra_over_that_of_their_noise():
    generator = torch.Generator().manual_seed(0)
    # Every pixel another: neighbours differ as any two do, and half of the squared differences is the variance. The
    # calmer half of differences in many bands is hardly calmer.
    cube = 5 + torch.rand(200, 30, 30, generator=generator)
    assert look_at_scene(SceneSource(cube, patch_size=1)).contrast == pytest.approx(1, abs=0.1)


def test_mixtures_that_change_from_pixel_to_pixel_are_rough():
    cube, _sd = fields(bands=40, noise=0.01)
    generator = torch.Generator().manual_seed(2)
    share = torch.rand(1, 40, 40, generator=generator)
    mixed = cube * share + cube.flip(1) * (1 - share)
    smooth, rough = (look_at_scene(SceneSource(c, patch_size=1)) for c in (cube, mixed))
    assert smooth.roughness < 1.3
    assert rough.roughness > ROUGH


@pytest.mark.parametrize("change", ["units", "dead band", "constant band", "a brighter side"])
def test_what_does_not_matter(change):
    cube, _ = fields()
    other, bad = cube, []
    if change == "units":
        other = cube * 1e4
    if change == "dead band":
        other, bad = torch.cat([cube, torch.rand(1, 40, 40)]), [12]
    if change == "constant band":
        other = torch.cat([cube, torch.zeros(1, 40, 40)])
    if change == "a brighter side":
        other = cube * torch.linspace(0.8, 1.25, 40)
    one, two = (
        look_at_scene(SceneSource(cube, patch_size=1)),
        look_at_scene(SceneSource(other, patch_size=1, bad_bands=bad)),
    )
    assert two.contrast == pytest.approx(one.contrast, rel=0.05)
    assert two.bands == one.bands == 12
    if change != "a brighter side":  # which neighbours differ by, too
        assert two.components == one.components
        assert two.roughness == pytest.approx(one.roughness, rel=1e-3)


@pytest.mark.parametrize(
    ("looks", "regime", "keep"),
    [
        ({"contrast": 10, "roughness": 1.1}, "context", "context"),
        ({"contrast": 10, "roughness": 5}, "context", "context"),
        ({"contrast": 500, "roughness": 5}, "material", "material"),
        ({"contrast": 500, "roughness": 1.1}, "both", "context"),
    ],
)
def test_the_regime_follows_from_contrast_and_roughness(looks, regime, keep):
    scene = seen(**looks)
    assert (scene.regime, scene.keep) == (regime, keep)
    values = {chosen.key: chosen.value for chosen in choose_scene(scene)}
    assert values["encoder.options.keep"] == keep
    assert values["encoder.options.learn"] == ("material" if keep == "material" else "both")
    assert values["data.spectrum"] == ("seen" if keep == "material" else "kept")
    assert ("augment.center_shift.shift" in values) == (keep == "context")


def test_light_is_changed_by_no_more_than_it_varies():
    cube, _ = fields(noise=0.001)
    light = torch.linspace(-1, 1, 40).exp()
    even, uneven = (look_at_scene(SceneSource(c, patch_size=1)) for c in (cube, cube * light))
    gains = [
        {chosen.key: chosen.value for chosen in choose_scene(look)}["augment.illumination.gain"]
        for look in (even, uneven)
    ]
    assert gains[0] == pytest.approx(even.light / 2, abs=1e-3)
    assert uneven.light == pytest.approx(float(torch.linspace(-1, 1, 40).std()), rel=0.1)
    assert gains[1] == pytest.approx(0.3, abs=0.03)


def test_small_scenes_get_small_batches_and_patches():
    values = {chosen.key: chosen.value for chosen in choose_scene(seen(height=6, width=8))}
    assert values["data.patch_size"] == 5
    assert values["train.batch_size"] == 24
    assert values["augment.center_shift.shift"] == 5


def test_every_value_says_why_or_follows_one_that_does():
    chosen = choose_scene(seen())
    assert chosen[0].why
    assert all(str(value).startswith(f"{value.key}=") for value in chosen)
    assert sum(bool(value.why) for value in chosen) > 8
