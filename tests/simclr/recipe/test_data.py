"""The data section: each source has its own keys, and files that wrote out those of all sources are read."""

import subprocess
import sys

import pytest
import yaml

from simclr.errors import InputError
from simclr.recipe.data import Preprocessing, keys_read_by, section_of
from simclr.recipe.images import ArraysData, DigitsData, ImageFolderData, TorchvisionData
from simclr.recipe.read import check_recipe, read_recipe, write_recipe
from simclr.recipe.scenes import IndianPinesData, SceneFileData
from simclr.recipe.sources import SOURCES

SHARED = {"source", "normalize", "whiten", "mean", "std", "workers", "unknown"}
FILES = {"path", "name", "image_size", "in_chans", "feed", "resident_limit", "max_damaged", "eval_size"}
SCENE = {"patch_size", "pool", "spectrum", "wavelengths", "bad_bands"}
KEYS = {
    "image-folder": FILES | {"test_path"},
    "torchvision": FILES | {"split", "download"},
    "arrays": {"path", "name", "test_path", "key", "layout", "labels", "test_labels", "labels_key", "eval_size"}
    | {"unlabelled"},
    "digits": {"eval_size"},
    "scene": SCENE
    | {
        "path",
        "name",
        "cube_key",
        "ground_truth",
        "ground_truth_key",
        "class_names",
        "unlabelled",
        "layout",
        "no_data",
    },
    "indian-pines": SCENE,
}

# As recipe.yaml and encoder.json were written when one section held the keys of all sources.
OLD = """
source: indian-pines
path: null
test_path: null
name: null
split: null
download: false
image_size: null
eval_size: null
in_chans: null
key: null
layout: auto
labels: null
test_labels: null
labels_key: null
cube_key: null
ground_truth: null
ground_truth_key: null
class_names: []
patch_size: 9
pool: 3
wavelengths: null
bad_bands: []
normalize: standardize
whiten: 60
mean: null
std: null
feed: auto
resident_limit: null
workers: null
unknown: []
max_damaged: 0.01
"""


def data(**keys):
    return check_recipe({"data": keys}).data


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_has_its_own_section(source):
    section = type(data(source=source))
    assert section is section_of({"source": source})
    assert set(section.model_fields) == SHARED | KEYS[source]
    assert set(data(source=source).model_dump()) == SHARED | KEYS[source]
    assert section() == data(source=source)


@pytest.mark.parametrize("source", SOURCES)
def test_a_key_of_another_source_is_refused_unless_it_holds_its_default(source):
    values = yaml.safe_load(OLD)
    others = {"path": "x", "split": "x", "download": True, "image_size": 8, "labels_key": "x", "class_names": ["a"]}
    others |= {"key": "x", "test_path": "x", "patch_size": 5, "bad_bands": [1], "max_damaged": 0.5, "feed": "stream"}
    for key, value in others.items():
        readers = [name for name in SOURCES if key in KEYS[name]]
        if source in readers:
            assert getattr(data(**{"source": source, key: value}), key) == value
            continue
        said = f"data.{key} belongs to data.source={' or '.join(readers)}, but data.source is {source}: leave it out"
        with pytest.raises(InputError) as caught:
            data(**{"source": source, key: value})
        assert str(caught.value) == said
        assert data(**{"source": source, key: values[key]}) == data(source=source)


def test_the_sentence_names_all_sources_that_read_a_key():
    for key, value, readers in (
        ("path", "x", "image-folder or torchvision or arrays or scene"),
        ("patch_size", 5, "scene or indian-pines"),
    ):
        with pytest.raises(InputError) as caught:
            data(**{"source": "digits", key: value})
        assert str(caught.value) == (
            f"data.{key} belongs to data.source={readers}, but data.source is digits: leave it out"
        )


def test_files_that_hold_the_keys_of_all_sources_are_read(tmp_path):
    old = yaml.safe_load(OLD)
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump({"data": old, "seed": 3}))
    recipe = read_recipe(tmp_path / "recipe.yaml")
    assert recipe == check_recipe({"data": {k: v for k, v in old.items() if k in SHARED | SCENE}, "seed": 3})
    assert recipe.data == IndianPinesData(patch_size=9, pool=3, normalize="standardize", whiten=60)
    write_recipe(recipe, tmp_path / "new.yaml")
    assert set(yaml.safe_load((tmp_path / "new.yaml").read_text())["data"]) == SHARED | SCENE
    plain = {**old, "pool": 1, "normalize": "auto", "whiten": None}
    for source in SOURCES:
        assert data(**{**plain, "source": source}) == data(source=source)
    with pytest.raises(InputError, match=r"data\.pool belongs to data\.source=scene or indian-pines, but .* is digits"):
        data(**{**old, "source": "digits"})


def test_an_unknown_key_names_the_nearest_of_any_source():
    for keys, nearest in (
        ({"source": "digits", "whitten": 3}, "data.whiten"),
        ({"source": "digits", "patchsize": 3}, "data.patch_size, which data.source=scene or indian-pines reads"),
        (
            {"source": "indian-pines", "pth": "x"},
            "data.path, which data.source=image-folder or torchvision or arrays or scene reads",
        ),
        ({"source": "scene", "ground_truht": "x"}, "data.ground_truth"),
        ({"source": "folder", "whitten": 3}, None),
    ):
        with pytest.raises(InputError) as caught:
            data(**keys)
        unknown = list(keys)[1]
        if nearest:
            assert str(caught.value) == f"unknown key data.{unknown}: did you mean {nearest}?"
        else:  # of an unknown source nothing is known
            assert str(caught.value).startswith('data.source is "folder", but must be ')


@pytest.mark.parametrize("source", ["folder", "", 3, None, ["digits"], {"digits": 1}, True])
def test_a_source_that_is_none_is_refused_with_the_names_of_all(source):
    with pytest.raises(InputError) as caught:
        data(source=source, patch_size=5)
    assert str(caught.value).endswith(
        "but must be 'image-folder', 'torchvision', 'arrays', 'digits', 'scene' or 'indian-pines'"
    )


def test_what_of_one_source_another_reads():
    old = yaml.safe_load(OLD) | {"path": "here", "unknown": [3]}
    assert keys_read_by(section_of({"source": "digits"}), old) == {key: old[key] for key in (*SHARED, "eval_size")}
    assert keys_read_by(SceneFileData, old)["path"] == "here"
    assert keys_read_by(section_of({"source": "nothing"}), old) == old


def test_sections_say_what_preprocessing_they_want():
    assert DigitsData().preprocessing(8) == Preprocessing("auto", None, None, None, input_size=8)
    folder = ImageFolderData(eval_size=32, normalize="unit", mean=[0.5], std=[0.2])
    assert folder.preprocessing(24) == Preprocessing("unit", None, [0.5], [0.2], pool=1, input_size=32)
    pines = IndianPinesData(pool=3, whiten=6)
    assert pines.preprocessing(9) == Preprocessing("auto", 6, None, None, pool=3, input_size=None)


def test_only_what_downloads_goes_first():
    assert TorchvisionData(download=True).fetches
    assert not any(section().fetches for section in (TorchvisionData, ImageFolderData, ArraysData, IndianPinesData))


def test_recipes_of_every_source_are_read_without_torch():
    code = (
        "import sys; from simclr.recipe.read import *; from simclr.recipe.sources import SOURCES\n"
        "for name in shipped_recipes(): read_experiment(name)\n"
        "for name in SOURCES: check_recipe({'data': {'source': name}})\n"
        "try: read_recipe('digits', ['data.whitten=3'])\n"
        "except ValueError: print(sorted({'torch', 'numpy', 'simclr.data'} & {*sys.modules}))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
