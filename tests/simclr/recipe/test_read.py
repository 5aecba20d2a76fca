import os
from typing import Literal, get_args, get_origin

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from simclr.errors import InputError
from simclr.recipe.data import section_of
from simclr.recipe.read import check_recipe, read_experiment, read_recipe, shipped_recipes, write_recipe
from simclr.recipe.schema import Recipe
from simclr.recipe.sources import SOURCES


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_are_valid_and_survive_being_written(name, tmp_path):
    recipe = read_experiment(name)
    write_recipe(recipe, tmp_path / "recipe.yaml")
    assert read_experiment(tmp_path / "recipe.yaml") == recipe
    assert recipe.description


def test_what_must_be_shipped_is_shipped():
    assert {"indian-pines", "digits", "cifar10", "image-folder", "imagenet"} <= set(shipped_recipes())


def test_overrides_reach_sections_that_the_file_leaves_out():
    recipe = read_recipe("digits", ["train.lr=1e-3", "augment.blur.p=0.25", "augment.noise=null", "seed=7"])
    assert recipe.train.lr == 0.001
    assert recipe.augment.blur is not None
    assert recipe.augment.blur.p == 0.25
    assert recipe.augment.noise is None
    assert recipe.seed == 7


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.epcohs=5", ["train.epcohs", "did you mean train.epochs"]),
        ("batch_size=4", ["batch_size", "did you mean train.batch_size"]),
        ("augment.blurr.p=1", ["augment.blurr", "did you mean augment.blur"]),
        ("train.epochs=many", ["train.epochs", "many", "integer"]),
        ("train.epochs=1.5", ["train.epochs", "1.5", "integer"]),
        ("train.epochs=0", ["train.epochs", "0", "at least 1"]),
        ("train.lr=.nan", ["train.lr", "nan", "finite"]),
        ("train.lr=true", ["train.lr", "true", "number"]),
        ("train.optimizer=adma", ["train.optimizer", "adma", "'lars', 'sgd' or 'adamw'"]),
        ("augment.blur.p=1.2", ["augment.blur.p", "1.2", "at least 0 and at most 1"]),
        ("data.patch_size=5", ["data.patch_size", "scene or indian-pines", "data.source is digits", "leave it out"]),
        ("loss.temperature=0", ["loss.temperature", "0", "at least 0.002"]),
        ("seed.x=2", ["seed", "integer"]),
        ("train.epochs", ["train.epochs", "KEY=VALUE"]),
        ("train.epochs=[", ["train.epochs", "YAML"]),
    ],
)
def test_a_wrong_override_is_one_line_that_names_the_key(override, words):
    with pytest.raises(InputError) as caught:
        read_recipe("digits", [override])
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_unknown_recipe_names_the_nearest():
    with pytest.raises(InputError, match="did you mean digits"):
        read_recipe("digit")


def refusal(recipe, *overrides):
    with pytest.raises(InputError) as caught:
        read_recipe(recipe, overrides)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"- a\n- b\n", 'but this is ["a", "b"]'),
        (b"", "a recipe is a mapping of sections"),
        (b"data: [unclosed", "x.yaml is not readable as YAML"),
        (b"\x00", "x.yaml is not readable as YAML"),
        (b"seed: 1\ndescription: caf\xe9\n", "x.yaml is not in UTF-8 at line 2: save it as UTF-8"),
        (b"data: {source: digits}\nseed: 1\nseed: 2\n", "x.yaml has the key 'seed' twice, at lines 2 and 3"),
        (b"x: " * 400_000, "x.yaml is larger than 1 MiB"),
        (b"data: {source: digits}\n" + b"a" * 300 + b": 1", "unknown key aaa"),
        (b"data: {source: digits}\nencoder: {name: " + b"a" * 300 + b"}\nx: 1", "unknown key x"),
        (
            b"data: {source: digits}\nseed: " + b"9" * 5000,
            "seed: 99999999999999999999\u2026 is a number of 5000 digits",
        ),
        (b"data: {source: digits}\ntrain: {epochs: 100000000000000000000}", "at least 1 and at most 16777216"),
    ],
)
def test_a_file_that_is_no_recipe_is_one_line(content, words, tmp_path):
    (tmp_path / "x.yaml").write_bytes(content)
    assert words in refusal(tmp_path / "x.yaml")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_that_an_editor_saved_with_a_byte_order_mark_is_read(encoding, tmp_path):
    (tmp_path / "x.yaml").write_text("data: {source: digits}\nseed: 3\ndescription: µ\n", encoding=encoding)
    recipe = read_recipe(tmp_path / "x.yaml")
    assert (recipe.seed, recipe.description) == (3, "µ")


def test_a_recipe_that_is_no_file_is_said_to_be_none(tmp_path):
    assert "is a folder: give a YAML file" in refusal(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert "is no file but a device or a pipe" in refusal(tmp_path / "pipe")
    assert "File name too long" in refusal("x" * 300)
    assert refusal("").startswith("there is no recipe '': give")
    assert refusal("caf\udce9\n").startswith(r"there is no recipe 'caf\udce9\n': give")
    assert "is no name that a file can have" in refusal("x\0y")


@pytest.mark.parametrize(
    "value",
    ["photos #2", "2024", "on", "010", "1:30", "1e3", "@x", "a: b", "*x", "&x", "%x", "`x`", "| x", "- x", "!x"],
)
def test_text_on_the_command_line_is_what_was_typed(value):
    assert read_recipe("image-folder", [f"data.path={value}", f"data.name={value}"]).data.path == value
    recipe = read_recipe("image-folder", [f"data.path='{value}'", f'data.name="{value}"', f"description={value}"])
    assert (recipe.data.path, recipe.data.name, recipe.description) == (value,) * 3


def test_a_value_is_taken_as_the_schema_says_in_files_and_on_the_command_line(tmp_path):
    (tmp_path / "x.yaml").write_text(
        "seed: 010\ndata: {source: image-folder, path: 2024, name: on, max_damaged: 1e-2, unknown: [007, 7, on]}\n"
        "monitor: {knn: off}\n"
    )
    recipe = read_recipe(tmp_path / "x.yaml", ["train.epochs=08", "log.project=123"])
    assert (recipe.seed, recipe.train.epochs, recipe.monitor.knn) == (10, 8, False)
    assert (recipe.data.path, recipe.data.name, recipe.data.max_damaged) == ("2024", "on", 0.01)
    assert (recipe.data.unknown, recipe.log.project) == (["007", 7, "on"], "123")
    assert refusal("digits", "train.max_steps=1:30") == 'train.max_steps is "1:30", but must be an integer'
    write_recipe(recipe, tmp_path / "again.yaml")
    assert read_recipe(tmp_path / "again.yaml") == recipe


def test_of_a_key_given_twice_on_the_command_line_the_last_counts_but_within_a_value_it_is_refused():
    assert read_recipe("digits", ["seed=1", "seed=2"]).seed == 2
    assert "has the key 'lr' twice" in refusal("digits", "train={lr: 1, lr: 2}")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("data.path=caf\udce9", "is not in UTF-8"),
        ("x" * 5000 + "=1", "unknown key xxx"),
        ("a." * 5000 + "b=1", "nests hundreds of levels deep"),
        ("augment.blur={p: " + "[" * 1000 + "}", "nests deeper than 40 levels"),
        ("train.lr=" + "9" * 5000, "train.lr: 99999999999999999999… is a number of 5000 digits"),
        ("data.unknown=[" + "0, " * 50_000 + "]", "has more than 10000 entries"),
        ("train=null", "must be a section"),
        ("data.source=[1]", "must be 'image-folder'"),
        ("description=[", "is not readable as YAML"),
    ],
)
def test_a_monstrous_override_is_one_line(override, words):
    assert words in refusal("image-folder", override)


def test_a_tree_from_elsewhere_may_be_monstrous_too():
    deep: dict = {}
    for _ in range(5000):
        deep = {"x": deep}
    for tree, words in (
        ({"data": {"source": "digits"}, "x": deep}, "levels deep"),
        ({"data": {"source": "digits"}, "description": "\ud800"}, "no text in Unicode"),
        ([0] * 1_000_000, "a recipe is a mapping of sections"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            check_recipe(tree)
        assert len(str(caught.value)) < 400


def integers(annotation, metadata=()):
    """The bounds of every integer in an annotation: lists of what pydantic's Field gives."""
    if annotation is int:
        yield metadata
    if get_origin(annotation) in (Literal, dict):  # values, and options, which have a check of their own
        return
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for field in annotation.model_fields.values():
            yield from integers(field.annotation, field.metadata)
    for part in get_args(annotation):
        yield from integers(part, getattr(annotation, "__metadata__", metadata))


@pytest.mark.parametrize("source", SOURCES)
def test_every_number_has_an_upper_bound_that_fits_into_memory_and_lifetime(source):
    section = section_of({"source": source})
    found = [*integers(Recipe), *integers(section)]
    assert len(found) > 30
    for bounds in found:
        flat = [each for bound in bounds for each in (getattr(bound, "metadata", None) or [bound])]
        assert any(getattr(each, name, None) is not None for each in flat for name in ("le", "lt")), bounds


@pytest.mark.parametrize(
    "override",
    [
        "train.epochs=100000000000000000000",
        "train.batch_size=1000000000",
        "train.micro_batch=1000000000",
        "train.checkpoint_every=1000000000000",
        "monitor.every=1000000000000",
        "encoder.width=100000",
        "head.hidden_dim=1000000000",
        "head.out_dim=1000000000",
        "data.eval_size=1000000",
        "data.image_size=1000000",
        "data.workers=1000000",
        "data.whiten=1000000",
        "data.resident_limit=1e300",
        "augment.resized_crop.size=1000000",
        "augment.blur.kernel_size=1000001",
        "augment.views=1000000",
        "augment.small_views={count: 1000000, resized_crop: {size: 4}}",
        "train.warmup_epochs=1e300",
        "train.lr=1e300",
    ],
)
def test_what_would_take_terabytes_or_years_is_refused_with_the_bound(override):
    message = refusal("image-folder", override)
    assert message.startswith(override.partition("=")[0])
    assert "at most" in message


def test_a_missing_key_is_named():
    with pytest.raises(InputError, match=r"data\.source is missing"):
        check_recipe({"data": {}})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


KEYS = ["train.epochs", "train.lr", "augment.blur.sigma", "data", "seed", "log.trackers"]


@given(key=st.sampled_from(KEYS), value=json_values)
def test_any_value_is_taken_or_refused_in_one_line(key, value):
    tree: dict = {"data": {"source": "digits"}}
    *parents, leaf = key.split(".")
    node = tree
    for part in parents:
        node = node.setdefault(part, {})
    node[leaf] = value
    message = ""
    try:
        recipe = check_recipe(tree)
        assert check_recipe(yaml.safe_load(yaml.safe_dump(recipe.model_dump(mode="json")))) == recipe
    except InputError as error:
        message = str(error)
    assert "\n" not in message


@pytest.mark.parametrize(
    ("recipe", "overrides", "other"),
    [
        ("indian-pines", ["train.epochs=2", "data.whiten=20"], False),
        ("indian-pines", ["data.source=scene", "data.path=samson.mat"], True),
        ("cifar10", ["data.path=elsewhere"], False),
        ("cifar10", ["data.name=CIFAR100"], True),
        ("image-folder", ["data.path=photos"], False),
        ("digits", ["data.source=image-folder", "data.path=photos"], True),
    ],
)
def test_a_description_is_only_kept_with_the_data_that_it_is_of(recipe, overrides, other):
    said = read_recipe(recipe, overrides).description
    assert said == (f"the settings of {recipe}, other data" if other else read_recipe(recipe).description)
    assert read_recipe(recipe, [*overrides, "description=mine"]).description == "mine"
