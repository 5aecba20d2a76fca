"""Operations get from the source what they say they need, and nothing else."""

import numpy as np
import pytest
import torch

from simclr.augment import OPERATIONS
from simclr.augment.needs import Need
from simclr.augment.registry import OPERATIONS_TABLE
from simclr.errors import InputError
from simclr.recipe.augment import KEYS_OF_NEED, SECTIONS, Near
from simclr.recipe.read import check_recipe
from simclr.views.inputs import build_inputs, build_training_views

CPU = torch.device("cpu")
SPECTRAL = [name for name in OPERATIONS if name not in ("color_jitter", "grayscale", "solarize")]
# What is given beside the defaults, for samples of 3 bands and of 20 wavelengths.
GIVEN = {"blur": {"kernel_size": 3}, "spectral_smoothing": {"sigma": [5.0, 15.0]}, "spectral_shift": {"shift": 4.0}}
OF_SPECTRA = ("spectral_shift", "spectral_smoothing")
BAD = [2, 3, 11]
GOOD = [band for band in range(20) if band not in BAD]


def names_of(need):
    return {name for name, operation in OPERATIONS.items() if need in operation.needs}


def photographs(tmp_path, operations, **data):
    pixels = np.random.default_rng(0).integers(0, 256, (12, 10, 14, 3), dtype=np.uint8)
    np.save(tmp_path / "photographs.npy", pixels)
    given = {"source": "arrays", "path": str(tmp_path / "photographs.npy"), "layout": "NHWC"}
    return check_recipe({"data": {**given, **data}, "augment": operations})


def scene(tmp_path, operations, **data):
    np.save(tmp_path / "cube.npy", np.random.default_rng(0).normal(300, 60, (12, 13, 20)).astype(np.float32))
    given = {"source": "scene", "path": str(tmp_path / "cube.npy"), "patch_size": 7, "bad_bands": BAD}
    return check_recipe({"data": {**given, "wavelengths": [400.0, 590.0], **data}, "augment": operations})


def built(recipe, name):
    return build_inputs(recipe, CPU).augment.members()[0].named()[name]


def refusal(make):
    """The line with which views are refused; empty if they are drawn."""
    try:
        inputs = build_inputs(make(), CPU)
    except InputError as error:
        return str(error)
    ids = torch.arange(8)
    assert inputs.augment(inputs.source[ids], ids, 0).isfinite().all()
    return ""


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name not in OF_SPECTRA])
def test_what_needs_values_from_0_to_1_is_refused_on_others_and_nothing_else_is(tmp_path, name):
    def said(normalize):
        # Square samples, for the quarter turns.
        operations = {"resized_crop": {}, name: GIVEN.get(name, {})}
        samples = scene if name == "neighbour_mixture" else photographs
        return refusal(lambda: samples(tmp_path, operations, normalize=normalize))

    assert said("minmax") == ""
    expected = f"augment.{name} works on values from 0 to 1, but with data.normalize=standardize they are not: "
    expected += "set data.normalize=unit or minmax, or leave it out"
    assert said("standardize") == (expected if name in ("color_jitter", "solarize") else "")


def test_bands_that_an_operation_does_not_take_are_said_before_their_units(tmp_path):
    for name in ("color_jitter", "solarize"):
        assert f"augment.{name}: it takes" in refusal(lambda: scene(tmp_path, {name: {}}))  # noqa: B023


@pytest.mark.parametrize("name", SPECTRAL)
def test_what_needs_wavelengths_has_those_of_the_good_bands_and_nothing_else_has(tmp_path, name):
    expected = {"nm": [400.0 + 10 * band for band in GOOD], "bands": [float(band) for band in GOOD]}
    for unit, wavelengths in (("nm", [400.0, 590.0]), ("bands", None)):
        given = {} if unit == "bands" and name in OF_SPECTRA else GIVEN.get(name, {})
        axis = getattr(built(scene(tmp_path, {name: given}, wavelengths=wavelengths), name), "axis", None)
        assert (axis is not None) == (name in OF_SPECTRA)
        if axis is not None:
            assert (list(axis.wavelengths), axis.unit) == (pytest.approx(expected[unit]), unit)


def test_what_needs_a_side_has_the_shorter_one_of_the_samples(tmp_path):
    assert built(photographs(tmp_path, {"resized_crop": {}}), "resized_crop").flags["size"] == (10, 10)
    assert built(photographs(tmp_path, {"resized_crop": {"size": 4}}), "resized_crop").flags["size"] == (4, 4)
    assert built(scene(tmp_path, {"resized_crop": {}}), "resized_crop").flags["size"] == (7, 7)
    pooled = scene(tmp_path, {"resized_crop": {}}, patch_size=9, pool=3)
    assert built(pooled, "resized_crop").flags["size"] == (3, 3)


def test_what_needs_the_noise_of_bands_has_that_of_the_good_ones(tmp_path):
    sd = [0.1 * (1 + band) for band in range(20)]
    flags = built(scene(tmp_path, {"noise": {"sd": sd}}), "noise").flags
    assert flags["sd"] == pytest.approx([sd[band] for band in GOOD])
    message = refusal(lambda: scene(tmp_path, {"noise": {"snr": [3.0, 4.0]}}))
    assert message == "augment.noise.snr has 2 values, but the scene has 20 bands: give 1, or one for each"


def test_needs_are_those_by_which_each_operation_was_treated():
    assert names_of(Need.UNIT_RANGE) == {"color_jitter", "solarize"}
    assert names_of(Need.WAVELENGTHS) == {"spectral_shift", "spectral_smoothing"}
    assert names_of(Need.SAMPLE_SIDE) == {"resized_crop"}
    assert names_of(Need.BAND_NOISE) == {"noise"}
    assert names_of(Need.NEIGHBOURS) == {"neighbour_mixture"}
    assert {name for name, operation in OPERATIONS.items() if not operation.keeps_label} == {"neighbour_mixture"}


@pytest.mark.parametrize("need", KEYS_OF_NEED)
def test_the_sections_say_more_of_what_their_operations_need(need):
    assert {name for name, section in SECTIONS.items() if issubclass(section, KEYS_OF_NEED[need])} == names_of(need)


def test_what_needs_neighbours_takes_a_scene_whatever_the_view(tmp_path):
    for name, section in SECTIONS.items():
        for operations in ({name: {}}, {"overrides": [{"views": [1], name: {}}]}):
            if issubclass(section, Near):
                message = f"augment.{name} takes pixels near by in a scene, but data.source is arrays: leave it out"
                with pytest.raises(InputError, match=message):
                    photographs(tmp_path, operations)
            else:
                photographs(tmp_path, operations)


def test_supervised_training_leaves_out_what_does_not_keep_the_label(tmp_path):
    operations = {
        "neighbour_mixture": {},
        "center_shift": {"shift": 2},
        "radiation": {},
        "overrides": [{"views": [0], "neighbour_mixture": {"p": 1.0}, "cutout": {}}],
    }
    recipe = scene(tmp_path, operations)
    inputs = build_inputs(recipe, CPU)
    whole = ["neighbour_mixture", "radiation", "cutout"]
    assert [list(views.named()) for views in inputs.augment.members()] == [whole, whole[:2]]
    single = build_training_views(recipe.augment, recipe.seed, inputs.plain, inputs.preprocess).augment
    assert [list(views.named()) for views in single.members()] == [whole[1:]]
    assert single.members()[0].neighbours is None
    assert single.members()[0].mixed_in is None


def test_one_neighbour_is_mixed_into_a_view(tmp_path, monkeypatch):
    """A second operation that needs one is refused: ``SECTIONS`` here, since recipes were read before it came."""
    monkeypatch.setitem(OPERATIONS_TABLE, "again", OPERATIONS_TABLE["neighbour_mixture"])
    recipe = scene(tmp_path, {"neighbour_mixture": {}})
    of_view = {name: recipe.augment.neighbour_mixture.model_dump() for name in ("neighbour_mixture", "again")}
    monkeypatch.setattr(type(recipe.augment), "of_view", lambda augment, view: of_view)
    with pytest.raises(InputError, match=r"augment\.neighbour_mixture and augment\.again both mix in a neighbour"):
        build_inputs(recipe, CPU)
