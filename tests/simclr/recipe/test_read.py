import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from simclr.errors import InputError
from simclr.recipe.read import check_recipe, read_recipe, shipped_recipes, write_recipe


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_are_valid_and_survive_being_written(name, tmp_path):
    recipe = read_recipe(name)
    write_recipe(recipe, tmp_path / "recipe.yaml")
    assert read_recipe(tmp_path / "recipe.yaml") == recipe
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


@pytest.mark.parametrize("text", ["- a\n- b\n", "", "data: [unclosed", "\x00"])
def test_a_file_that_is_no_recipe_is_one_line(text, tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_recipe(path)
    assert "\n" not in str(caught.value)


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
