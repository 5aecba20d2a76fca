"""What is given stays, what is open is chosen, and the same data give the same recipe."""

import numpy as np
import pytest

from simclr.choose.resolve import resolved
from simclr.errors import InputError
from simclr.recipe.read import read_recipe
from tests.simclr.data.scenes.test_neighbour_noise import fields


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "scene.npy"
    np.save(file, fields()[0].permute(1, 2, 0).numpy())
    return f"data.path={file}"


def test_open_values_are_chosen_and_written_down(path):
    recipe = resolved(read_recipe("scene", [path]))
    assert recipe.choose is None
    assert recipe.encoder.name == "material_context"
    assert any(line.startswith("encoder.options.learn=both: ") for line in recipe.chosen)
    assert resolved(recipe) == recipe == resolved(read_recipe("scene", [path]))


def test_what_is_given_stays(path):
    given = [
        path,
        "train.lr=1e-3",
        "augment.center_shift.shift=2",
        "augment.noise=null",
        "encoder.options.bins=3",
        "data.patch_size=7",
    ]
    recipe = resolved(read_recipe("scene", given))
    assert recipe.train.lr == 1e-3
    assert recipe.data.patch_size == 7
    assert recipe.augment.center_shift.shift == 2
    assert recipe.augment.center_shift.candidates == 5
    assert recipe.augment.noise is None
    assert recipe.encoder.options["bins"] == 3
    assert not any(line.startswith(("train.lr", "augment.noise", "data.patch_size")) for line in recipe.chosen)


def test_options_that_are_chosen_are_for_the_encoder_that_is_chosen(path):
    recipe = resolved(read_recipe("scene", [path, "encoder.name=resnet8"]))
    assert recipe.encoder.options == {}
    assert recipe.data.spectrum is None
    assert recipe.chosen[-1].startswith("not chosen: encoder.options.learn, encoder.options.keep, ")
    assert recipe.chosen[-1].endswith(" takes; encoder.name is resnet8")
    own = resolved(read_recipe("scene", [path, "encoder.name=my_net", "encoder.options.depth=3"]))
    assert own.encoder.options == {"depth": 3}
    named = resolved(read_recipe("scene", [path, "encoder.name=material_context"]))
    assert named.encoder.options == resolved(read_recipe("scene", [path])).encoder.options


def test_a_recipe_that_asks_for_nothing_stays_as_it_is():
    recipe = read_recipe("digits")
    assert resolved(recipe) is recipe


def test_a_scene_smaller_than_the_usual_patch_gets_smaller_ones(tmp_path):
    np.save(tmp_path / "small.npy", np.random.default_rng(0).random((5, 6, 8), dtype=np.float32))
    assert resolved(read_recipe("scene", [f"data.path={tmp_path / 'small.npy'}"])).data.patch_size == 5


def test_one_band_is_no_spectrum(tmp_path):
    np.save(tmp_path / "grey.npy", np.random.default_rng(0).random((30, 30, 1), dtype=np.float32))
    with pytest.raises(InputError, match="has 1 band"):
        resolved(read_recipe("scene", [f"data.path={tmp_path / 'grey.npy'}"]))


def test_another_kind_of_data_is_refused():
    with pytest.raises(InputError, match=r"choose is scene, but .*digits"):
        resolved(read_recipe("digits", ["choose=scene"]))
