"""What a recipe says about views becomes the views that are drawn, and what does not fit is refused beforehand."""

import numpy as np
import pytest
import scipy.io
import torch

from simclr.augment import OPERATIONS
from simclr.data.scenes.band_noise import noise_of_bands
from simclr.data.scenes.bands import band_numbers, wavelengths_of
from simclr.data.scenes.indian_pines import load_indian_pines
from simclr.data.scenes.scene import SceneSource
from simclr.data.scenes.scene_file import load_scene
from simclr.errors import InputError
from simclr.recipe.read import check_recipe, read_recipe, write_recipe
from simclr.views.inputs import build_inputs

CPU = torch.device("cpu")
BYOL = {
    "views": 2,
    "blur": {"kernel_size": 3, "sigma": [0.5, 2.0], "p": 1.0},
    "overrides": [{"views": [1], "blur": {"p": 0.1}, "solarize": {"p": 0.2}}],
}


def photos(tmp_path, augment, **data):
    path = tmp_path / "photos.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (600, 16, 16, 3), dtype=np.uint8))
    tree = {"data": {"source": "arrays", "path": str(path), "layout": "NHWC", **data}, "augment": augment}
    return check_recipe(tree)


def draw(recipe, ids, epoch=0):
    inputs = build_inputs(recipe, CPU)
    batch = inputs.source[ids]
    return [None if draw is None else draw(batch, ids, epoch) for draw in (inputs.augment, inputs.small)]


def test_asymmetric_views_have_the_probabilities_of_their_override(tmp_path):
    ids = torch.arange(600)
    views, _ = draw(photos(tmp_path, BYOL), ids)
    plain = draw(photos(tmp_path, {}), ids)[0]
    changed = (views - plain).flatten(2).abs().amax(2) > 1e-6
    assert changed[0].all()
    # In the second view: 1 - (1 - .1)(1 - .2) = .28, of 600 samples.
    assert 0.22 < float(changed[1].float().mean()) < 0.34


def test_an_override_changes_only_what_it_names(tmp_path):
    augment = photos(tmp_path, {**BYOL, "views": 3, "horizontal_flip": {}}).augment
    assert augment.of_view(0) == augment.of_view(2)
    assert augment.of_view(1)["blur"] == {"kernel_size": 3, "sigma": (0.5, 2.0), "p": 0.1}
    assert augment.of_view(1)["solarize"] == {"threshold": 0.5, "p": 0.2}
    assert augment.of_view(1)["horizontal_flip"] == {"p": 0.5}
    dropped = photos(tmp_path, {**BYOL, "overrides": [{"views": [1], "blur": None}]}).augment
    assert "blur" not in dropped.of_view(1)


def test_a_written_recipe_still_inherits(tmp_path):
    """A resolved recipe says of an override only what was set, so that a change of the base still reaches it."""
    small = {"count": 2, "resized_crop": {"size": 8}}
    recipe = photos(tmp_path, {**BYOL, "resized_crop": {"scale": [0.5, 1.0]}, "small_views": small})
    write_recipe(recipe, tmp_path / "recipe.yaml")
    assert read_recipe(tmp_path / "recipe.yaml") == recipe
    again = read_recipe(
        tmp_path / "recipe.yaml", ["augment.blur.kernel_size=5", "augment.resized_crop.scale=[0.1,0.2]"]
    )
    assert again.augment.of_view(1)["blur"]["kernel_size"] == 5
    assert again.augment.of_view(2)["resized_crop"]["scale"] == (0.1, 0.2)
    assert again.augment.of_view(2)["resized_crop"]["size"] == 8


def test_small_views_come_beside_the_large_ones_and_change_none_of_them(tmp_path):
    base = {"resized_crop": {"scale": [0.3, 1.0]}, "horizontal_flip": {}}
    small = {"count": 4, "resized_crop": {"size": 6, "scale": [0.05, 0.3]}}
    ids = torch.arange(20, 60)
    large, none = draw(photos(tmp_path, base), ids, 3)
    both, few = draw(photos(tmp_path, {**base, "small_views": small}), ids, 3)
    assert none is None
    assert large.shape == (2, 40, 3, 16, 16)
    assert few.shape == (4, 40, 3, 6, 6)
    assert torch.equal(both, large)
    assert len({view.sum().item() for view in few}) == 4


@pytest.mark.parametrize(
    ("augment", "message"),
    [
        ({"overrides": [{"views": [2], "blur": None}]}, r"names view 2, but augment.views is 2: .* from 0 to 1"),
        ({"overrides": [{"views": []}]}, r"augment.overrides.0.views is \[\]"),
        ({"overrides": [{"views": [1], "center_shift": {"shift": 3}}]}, "unknown key"),
        ({"small_views": {"count": 2}}, "augment.small_views.resized_crop is missing"),
        ({"small_views": {"count": 2, "resized_crop": {}}}, "augment.small_views.resized_crop.size is missing"),
        ({"small_views": {"count": 2, "resized_crop": {"size": 17}}}, "small_views.resized_crop: size is 17x17, but"),
        (
            {"small_views": {"count": 255, "resized_crop": {"size": 8}}},
            "views is 257 with its small ones",
        ),
        ({"resized_crop": {"size": 17}}, "augment.resized_crop: size is 17x17, but the samples are 16x16"),
        (
            {"resized_crop": {"scale": [0.5, 1.5]}},
            r"scale is \[0.5, 1.5\], but both ends must be above 0 and at most 1",
        ),
        ({"overrides": [{"views": [1], "resized_crop": {"size": 8}}]}, "view 0 is 16x16, view 1 is 8x8"),
        ({"neighbour_mixture": {}}, "augment.neighbour_mixture takes pixels near by in a scene"),
        ({"center_shift": {"shift": 2}}, "augment.center_shift takes pixels near by in a scene"),
        ({"noise": {"snr": 30}}, "augment.noise.snr takes a scene"),
        ({"noise": {"sd": -1}}, "augment.noise.sd is -1, but must be at least 0"),
        ({"noise": {"sd": 0.1, "snr": 30}}, "both sd and snr"),
        ({"horizontal_flip": {"p": 1.2}}, "augment.horizontal_flip.p is 1.2, but must be at least 0 and at most 1"),
        ({"overrides": [{"views": [1], "blurr": {}}]}, "overrides.0.blurr: did you mean augment.overrides.0.blur?"),
        ({"overrides": [{"views": [1], "neighbour_mixture": {}}]}, "augment.neighbour_mixture takes pixels near by"),
        ({"overrides": [{"views": [1], "noise": {"snr": 3}}]}, "augment.noise.snr takes a scene"),
        ({"overrides": None}, "augment.overrides is null, but must be a list"),
        ({"views": 257}, "augment.views is 257, but must be at least 2 and at most 256"),
        ({"views": []}, r"augment.views is \[\], but must be an integer"),
        ({"blur": True}, "augment.blur is true, but must be a section: {} takes its defaults, null leaves it out"),
        ({"blur": {"kernel_size": 4}}, "augment.blur.kernel_size is 4, but has to have a centre: use 3 or 5"),
        ({"blur": {"kernel_size": 33}}, "augment.blur: kernel_size 33 is too long for 16x16 images: use at most 31"),
        (
            {"cutout": {"scale": [0.3, 0.1]}},
            r"\[0.3, 0.1\], but runs backwards: use \[0.1, 0.3\]",
        ),
        ({"cutout": {"scale": [0.3]}}, r"augment.cutout.scale is \[0.3\], but must be a pair \[from, to\]"),
        ({"solarize": {"threshold": -1}}, "augment.solarize.threshold is -1, but must be at least 0 and at most 1"),
        ({"noise": {"sd": [0.1, 0.2]}}, "augment.noise: sd has 2 values, but the samples have 3 bands: give 1, or 3"),
        ({"noise": {"sd": "x"}}, 'augment.noise.sd is "x", but must be a number or a list'),
        ({"noise": {"sd": [0.1, -2]}}, "augment.noise.sd.1 is -2, but must be at least 0"),
        ({"spectral_shift": {}}, "augment.spectral_shift: it works along a spectrum, but the samples have 3 bands"),
        ({"spectral_smoothing": {}}, "augment.spectral_smoothing: it works along a spectrum"),
        ({"band_dropout": {"window": 3}}, "augment.band_dropout: window is 3, but the samples have 3 bands: use 2 or"),
        (
            {"small_views": {"count": 2, "resized_crop": {"size": 0}}},
            "small_views.resized_crop.size is 0, but must be",
        ),
    ],
)
def test_views_that_cannot_be_are_refused_in_one_line(tmp_path, augment, message):
    with pytest.raises(InputError, match=message) as error:
        build_inputs(photos(tmp_path, augment), CPU)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["color_jitter", "solarize"])
def test_operations_on_values_from_0_to_1_refuse_others(tmp_path, name):
    """They clamp to 0..1 or turn values about 0.5, which spoils z-scores without a word."""
    for normalize in ("standardize", "none"):
        message = f"augment.{name} works on values from 0 to 1, but with data.normalize={normalize}"
        with pytest.raises(InputError, match=message):
            build_inputs(photos(tmp_path, {name: {}}, normalize=normalize), CPU)
    for normalize in ("unit", "minmax"):
        build_inputs(photos(tmp_path, {name: {}}, normalize=normalize), CPU)


def test_images_that_are_not_square_are_checked_too(tmp_path):
    path = tmp_path / "wide.npy"
    np.save(path, np.arange(4 * 12 * 20 * 3).reshape(4, 12, 20, 3).astype(np.uint8))
    data = {"source": "arrays", "path": str(path), "layout": "NHWC"}
    for augment, message in (
        ({"rotation90": {}}, "augment.rotation90: quarter turns take square images, but these are 12x20: crop them"),
        ({"blur": {"kernel_size": 25}}, "augment.blur: kernel_size 25 is too long for 12x20 images: use at most 23"),
        ({"resized_crop": {"size": 16}}, "augment.resized_crop: size is 16x16, but the samples are 12x20: use 12 or"),
    ):
        with pytest.raises(InputError, match=message):
            build_inputs(check_recipe({"data": data, "augment": augment}), CPU)
    build_inputs(check_recipe({"data": data, "augment": {"resized_crop": {}, "rotation90": {}}}), CPU)


def test_an_encoder_of_one_size_refuses_small_views(tmp_path):
    pytest.importorskip("timm")
    tree = {"data": {"source": "digits"}, "encoder": {"name": "timm:vit_tiny_patch16_224"}}
    with pytest.raises(InputError, match=r"encoder.name=timm:vit_tiny_patch16_224 does not take views of 8x8"):
        build_inputs(check_recipe(tree), CPU)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"patch_size": 11}, "data.patch_size belongs to data.source=scene or indian-pines, but data.source is arrays"),
        ({"bad_bands": [1]}, "data.bad_bands belongs to"),
        ({"split": "test"}, "data.split belongs to data.source=torchvision"),
        ({"image_size": 16}, "data.image_size belongs to data.source=image-folder or torchvision"),
    ],
)
def test_keys_of_another_source_are_refused(tmp_path, data, message):
    with pytest.raises(InputError, match=message):
        photos(tmp_path, {}, **data)
    photos(tmp_path, {}, patch_size=9, bad_bands=[], split=None)  # defaults, as a run folder writes them out


def test_bands_and_wavelengths_of_a_recipe():
    assert band_numbers([5, [1, 3], (2, 4)], 8) == (1, 2, 3, 4, 5)
    assert wavelengths_of([400.0, 700.0], 4) == (400.0, 500.0, 600.0, 700.0)
    assert wavelengths_of([400.0, 410, 415], 3) == (400.0, 410.0, 415.0)
    for given, message in (
        ([8], "names 8, but the bands are 0 to 7"),
        ([[3, 1]], r"has \[3, 1\], which runs backwards: write \[1, 3\]"),
        ([[0, 7]], "all 8 bands"),
    ):
        with pytest.raises(InputError, match=message):
            band_numbers(given, 8)
    for given, message in (
        ([400.0] * 3, "3 values, but the scene has 5 bands: give 5, or"),
        ([0.4, 2.5], "micrometres"),
        ([900.0, 400.0], "go from 900 to 400, but must ascend: reverse the bands"),
        ([0.0, 0.0], r"go from 0 to 0, but must ascend\."),
        ([-5.0, 900.0], "hold -5, but must be finite positive"),
        ([], "0 values, but the scene has 5 bands"),
    ):
        with pytest.raises(InputError, match=message):
            wavelengths_of(given, 5)


def test_wavelengths_are_found_in_the_file(tmp_path):
    cube = np.random.default_rng(0).random((6, 7, 5))
    scipy.io.savemat(tmp_path / "x.mat", {"cube": cube, "Wavelength": np.array([[0.4, 0.5, 0.6, 0.7, 0.8]])})
    assert load_scene(tmp_path / "x.mat").wavelengths == pytest.approx((400, 500, 600, 700, 800))
    pines = load_indian_pines()
    assert len(pines.wavelengths) == pines.in_chans == 200
    assert (pines.wavelengths[0], pines.wavelengths[103]) == (400, pytest.approx(400 + 108 * 2100 / 219))


def test_the_noise_of_bands_is_what_the_others_do_not_explain():
    rng = np.random.default_rng(0)
    sd = np.linspace(1.0, 3.0, 80)
    pixels = rng.normal(size=(20000, 3)) @ rng.normal(size=(3, 80)) * 200 + rng.normal(size=(20000, 80)) * sd
    estimated = noise_of_bands(torch.from_numpy(np.cov(pixels.T)))
    np.testing.assert_allclose(estimated, sd, rtol=0.15)
    # Independent reference: the residual of an ordinary least-squares fit on the other bands.
    centred = pixels - pixels.mean(0)
    others = np.delete(centred, 4, axis=1)
    residual = centred[:, 4] - others @ np.linalg.lstsq(others, centred[:, 4], rcond=None)[0]
    assert float(estimated[4]) == pytest.approx(residual.std(), rel=1e-3)


SCENE = {
    "center_shift": {"shift": 2},
    "neighbour_mixture": {"shift": 2, "p": 1.0},
    "affine": {"fill": 0.5},
    "elastic": {},
    "resized_crop": {"size": 5, "keep_center": True},
    "horizontal_flip": {},
    "vertical_flip": {},
    "rotation90": {},
    "morphology": {},
    "spectral_shift": {"shift": 0.5, "p": 1.0},
    "spectral_smoothing": {"p": 1.0},
    "illumination": {},
    "radiation": {},
    "spectral_jitter": {"p": 1.0},
    "band_dropout": {"p": 1.0, "window": 2},
    "noise": {"p": 1.0},
    "blur": {"kernel_size": 3, "p": 1.0},
    "cutout": {"p": 1.0},
}
BAD = [0, *range(7, 11), 19]


def scene(tmp_path, cube, augment, **data):
    np.save(tmp_path / "cube.npy", cube)
    given = {"source": "scene", "path": str(tmp_path / "cube.npy"), "patch_size": 7, "bad_bands": [0, [7, 10], 19]}
    return check_recipe({"data": {**given, **data}, "augment": augment})


def test_every_operation_on_spectra_is_among_those_that_bad_bands_are_hidden_from():
    assert set(SCENE) - {"center_shift"} == set(OPERATIONS) - {"color_jitter", "grayscale", "solarize"}


@pytest.mark.parametrize("normalize", ["standardize", "minmax", "none"])
@pytest.mark.parametrize("whiten", [None, 4])
def test_no_operation_touches_bad_bands_and_nothing_depends_on_them(tmp_path, normalize, whiten):
    cube = np.random.default_rng(0).normal(size=(12, 13, 20)).astype(np.float32) + 3
    junk = cube.copy()
    junk[..., BAD] = np.random.default_rng(1).normal(size=(12, 13, 6)) * 1e4
    ids = torch.arange(40)
    drawn = []
    for version in (cube, junk):
        recipe = scene(tmp_path, version, SCENE, normalize=normalize, whiten=whiten, wavelengths=[400.0, 900.0])
        inputs = build_inputs(recipe, CPU)
        drawn.append(inputs.augment(inputs.source[ids], ids, 0))
        raw = torch.from_numpy(version).permute(2, 0, 1)[None]
        drawn.append(inputs.preprocess(raw))
    assert torch.equal(drawn[0], drawn[2])
    assert torch.equal(drawn[1], drawn[3])
    if whiten is None:
        for out, axis in ((drawn[0], 2), (drawn[1], 1)):
            assert out.index_select(axis, torch.tensor(BAD)).abs().max() == 0
            good = [band for band in range(20) if band not in BAD]
            assert out.index_select(axis, torch.tensor(good)).std() > 0.1


def test_operations_get_the_wavelengths_of_the_good_bands(tmp_path):
    cube = np.random.default_rng(0).random((12, 13, 20))
    augment = {"spectral_shift": {"shift": 4.0, "p": 1.0}}
    for wavelengths, expected in (
        ([400.0, 590.0], [400.0 + 10 * b for b in range(20) if b not in BAD]),
        (None, [float(b) for b in range(20) if b not in BAD]),
    ):
        inputs = build_inputs(scene(tmp_path, cube, augment, wavelengths=wavelengths), CPU)
        operation = inputs.augment.members()[0].named()["spectral_shift"]
        assert operation.axis.wavelengths == pytest.approx(expected)


@pytest.mark.parametrize(
    ("augment", "data", "message"),
    [
        ({"center_shift": {"shift": 12}}, {}, "center_shift.shift is 12, but .* has 12x13 pixels: use 11 or less"),
        ({"center_shift": {"shift": 1, "window": 25}}, {}, "center_shift.window is 25, but .*: use 23 or less"),
        ({"neighbour_mixture": {"shift": 200}}, {}, "neighbour_mixture.shift is 200, but .*: use 11 or less"),
        (
            {"overrides": [{"views": [1], "neighbour_mixture": {"shift": 200}}]},
            {},
            "neighbour_mixture.shift is 200, but .*: use 11 or less",
        ),
        (
            {"spectral_shift": {"shift": 5000}},
            {},
            "shift is 5000 nm, but the 14 bands reach from 410 to 580 nm: .*170",
        ),
        ({"spectral_smoothing": {"sigma": [1, 900]}}, {}, "sigma is 900 nm, but the 14 bands reach from 410 to 580 nm"),
        ({"spectral_shift": {"shift": 17}}, {"wavelengths": None}, "shift is 17 bands, but .* 1 to 18 bands: .* 17"),
        ({}, {"patch_size": 13}, "data.patch_size is 13, but .* has 12x13 pixels: use 11 or less, an odd number"),
        ({}, {"patch_size": 301}, "data.patch_size is 301, but .* has 12x13 pixels: use 11 or less, an odd number"),
        ({}, {"patch_size": 6}, "data.patch_size is 6, but has to have a centre: use 5 or 7"),
        ({}, {"bad_bands": ["4-9"]}, r'data.bad_bands.0 is "4-9", but must be an integer or a pair \[from, to\]'),
        ({"color_jitter": {}}, {}, "augment.color_jitter: it takes images of 3 bands, but the samples have 14 bands"),
        ({"grayscale": {}}, {}, "augment.grayscale: it takes RGB images, but the samples have 14 bands: leave it out"),
        ({"solarize": {}}, {}, "augment.solarize: it takes photographs of 1 or 3 bands, but the samples have 14 bands"),
    ],
)
def test_what_reaches_beyond_the_scene_or_its_spectrum_is_refused(tmp_path, augment, data, message):
    cube = np.random.default_rng(0).random((12, 13, 20))
    with pytest.raises(InputError, match=message) as error:
        build_inputs(scene(tmp_path, cube, augment, **{"wavelengths": [400.0, 590.0], **data}), CPU)
    assert "\n" not in str(error.value)


def test_what_just_fits_a_scene_is_taken(tmp_path):
    cube = np.random.default_rng(0).random((12, 13, 20))
    augment = {
        "center_shift": {"shift": 11, "window": 23},
        "neighbour_mixture": {"shift": 11},
        "spectral_shift": {"shift": 169},
        "spectral_smoothing": {"sigma": [1, 169]},
    }
    inputs = build_inputs(scene(tmp_path, cube, augment, wavelengths=[400.0, 590.0], patch_size=11), CPU)
    ids = torch.arange(12 * 13)
    assert inputs.augment(inputs.source[ids], ids, 0).isfinite().all()


def test_a_mixture_of_one_view_comes_from_its_own_neighbourhood(tmp_path):
    """Also where only an override mixes: from pixels near by, not from other samples of the batch."""
    cube = np.arange(400.0).reshape(20, 20, 1)
    mixture = {"shift": 1, "alpha": [0.0, 0.0], "p": 1.0}
    given = {"patch_size": 1, "bad_bands": [], "normalize": "none"}
    recipe = scene(tmp_path, cube, {"overrides": [{"views": [1], "neighbour_mixture": mixture}]}, **given)
    inputs = build_inputs(recipe, CPU)
    ids = torch.arange(400)
    first, second = inputs.augment(inputs.source[ids], ids, 0).flatten(1).round().long()
    assert torch.equal(first, ids)
    assert ((second // 20 - ids // 20).abs().max(), (second % 20 - ids % 20).abs().max()) == (1, 1)


@pytest.mark.parametrize("pool", [1, 7])
def test_noise_by_snr_is_in_the_units_that_operations_work_in(tmp_path, pool):
    rng = np.random.default_rng(0)
    mean, spread = np.linspace(50, 500, 20), np.linspace(5, 80, 20)
    cube = (mean + rng.normal(size=(40, 40, 20)) * spread).astype(np.float32)
    snr = [10.0 + band for band in range(20)]
    recipe = scene(tmp_path, cube, {"noise": {"snr": snr, "p": 1.0}}, pool=pool)
    sd = build_inputs(recipe, CPU).augment.members()[0].named()["noise"].flags["sd"]
    good = [band for band in range(20) if band not in BAD]
    expected = cube.mean((0, 1)) / np.array(snr) / cube.std((0, 1)) / pool
    np.testing.assert_allclose(sd, expected[good], rtol=1e-4)
    with pytest.raises(InputError, match="snr has 3 values, but the scene has 20 bands"):
        build_inputs(scene(tmp_path, cube, {"noise": {"snr": [1, 2, 3]}}), CPU)


def test_the_noise_of_a_scene_can_be_estimated(tmp_path):
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(60, 60, 3)) @ rng.normal(size=(3, 80)) * 100
    sd = np.linspace(2.0, 5.0, 80)
    cube = (signal + rng.normal(size=(60, 60, 80)) * sd).astype(np.float32)
    recipe = scene(tmp_path, cube, {"noise": {"snr": "estimate"}}, normalize="none")
    estimated = build_inputs(recipe, CPU).augment.members()[0].named()["noise"].flags["sd"]
    np.testing.assert_allclose(estimated, np.delete(sd, BAD), rtol=0.3)


def test_mixtures_come_from_the_neighbourhood_of_the_shifted_centre():
    from simclr.augment.addressed import Address
    from simclr.data.scenes.neighbours import Neighbours

    source = SceneSource(torch.arange(400.0).view(1, 20, 20), patch_size=1)
    shift = Neighbours(source, source, 6)
    mixed = Neighbours(source, source, 1, operation="neighbour_mixture.shift", around=shift)
    ids = torch.arange(400).repeat(2)
    address = Address(0, 0, ids, torch.arange(2).repeat_interleave(400))
    centre = torch.where(address.views > 0, shift.ids(address), ids)
    chosen = mixed.ids(address)
    row, column = (chosen // 20 - centre // 20).abs(), (chosen % 20 - centre % 20).abs()
    assert (row.max(), column.max()) == (1, 1)
    assert (centre[400:] // 20 - ids[400:] // 20).abs().max() > 3


def test_an_option_of_the_encoder_that_no_patch_fills_is_noted(tmp_path):
    cube = np.random.default_rng(0).random((12, 12, 6))
    scipy.io.savemat(tmp_path / "s.mat", {"cube": cube})
    data = {"source": "scene", "path": str(tmp_path / "s.mat"), "patch_size": 9, "pool": 3, "whiten": 2}
    options = {"mean": 5}
    recipe = check_recipe({"data": data, "encoder": {"name": "material_context", "options": options}})
    assert build_inputs(recipe, CPU).notes == (
        "encoder.options.mean is 5, but a patch is 3x3: the mean is that of the whole patch",
    )
