"""What is wrong in the augment section is one clear line, for every operation, before anything runs."""

import re
import subprocess
import sys

import numpy as np
import pytest
import torch

from simclr.augment import OPERATIONS
from simclr.errors import InputError
from simclr.recipe.augment import Operations
from simclr.recipe.read import apply_overrides, check_recipe
from simclr.views.inputs import build_inputs

SECTIONS = {name: field.annotation.__args__[0] for name, field in Operations.model_fields.items()}
FIELDS = [(name, field) for name, section in SECTIONS.items() for field in section.model_fields]
NOT_ON_SPECTRA = {"color_jitter": "3 bands.* have 200", "grayscale": "RGB images.* 200 bands", "solarize": "have 200"}


def refused(tree, operation, *values, message):
    """The single line with which a recipe that sets ``operation.field`` is refused."""
    overrides = [f"augment.{operation}.{field}={value}" for field, value in values]
    with pytest.raises(InputError, match=message) as error:
        build_inputs(check_recipe(apply_overrides(tree, overrides)), torch.device("cpu"))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 250
    return str(error.value)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    path = tmp_path_factory.mktemp("scene") / "cube.npy"
    np.save(path, np.random.default_rng(0).random((12, 12, 200), dtype=np.float32))
    return {"data": {"source": "scene", "path": str(path), "patch_size": 9}}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    path = tmp_path_factory.mktemp("photographs") / "photographs.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (8, 9, 9, 3), dtype=np.uint8))
    return {"data": {"source": "arrays", "path": str(path), "layout": "NHWC"}}


def test_the_schema_knows_every_operation():
    assert list(SECTIONS) == list(OPERATIONS)


def test_recipes_of_shipped_operations_are_read_without_torch():
    code = (
        "import sys\n"
        "from simclr.recipe.augment import Operations\n"
        "from simclr.recipe.read import check_recipe, read_experiment, shipped_recipes\n"
        "recipes = [read_experiment(name) for name in shipped_recipes()]\n"
        "everything = {name: {'kernel_size': 3} if name == 'blur' else {} for name in Operations.model_fields}\n"
        "recipes.append(check_recipe({'data': {'source': 'indian-pines'}, 'augment': everything}))\n"
        "print(len(recipes) > 5, [m for m in ('torch', 'numpy', 'kornia') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True []"


@pytest.mark.parametrize(("operation", "field"), FIELDS)
@pytest.mark.parametrize("value", [".nan", ".inf", "much", "{}", "[1.0, .nan]", "[1, 2, 3, x]"])
def test_what_is_no_number_is_refused(scene, operation, field, value):
    refused(scene, operation, (field, value), message=rf"augment\.{operation}\.{field}.* (is|must) ")


@pytest.mark.parametrize("operation", [name for name in SECTIONS if "p" in SECTIONS[name].model_fields])
@pytest.mark.parametrize("p", ["1.2", "-0.1", "true", "[0.5]"])
def test_a_probability_lies_between_0_and_1(photographs, operation, p):
    refused(photographs, operation, ("p", p), message=rf"augment\.{operation}\.p is {re.escape(p)}, but must be ")


@pytest.mark.parametrize(
    ("operation", "field"),
    [(name, field) for name, field in FIELDS if field in ("scale", "ratio", "alpha", "sigma")],
)
@pytest.mark.parametrize("value", ["[0.9, 0.2]", "[-0.5, 0.5]", "[0.5]", "[1, 2, 3]", "0.5"])
def test_a_range_increases_within_its_bounds(scene, operation, field, value):
    refused(scene, operation, (field, value), message=rf"augment\.{operation}(\.|: ){field} is ")


@pytest.mark.parametrize("operation", SECTIONS)
def test_what_takes_photographs_refuses_spectra_and_says_so(scene, operation):
    tree = apply_overrides(scene, [f"augment.{operation}={{}}"])
    if operation == "blur":
        tree = apply_overrides(tree, ["augment.blur.kernel_size=3"])
    if operation in NOT_ON_SPECTRA:
        refused(tree, operation, message=f"augment.{operation}: .*{NOT_ON_SPECTRA[operation]}")
    else:
        inputs = build_inputs(check_recipe(tree), torch.device("cpu"))
        ids = torch.arange(4)
        assert inputs.augment(inputs.source[ids], ids, 0).isfinite().all()


@pytest.mark.parametrize(
    ("operation", "field", "value", "limit"),
    [
        ("resized_crop", "size", "10", "use 9 or less"),
        ("resized_crop", "size", "0", "at least 1"),
        ("blur", "kernel_size", "23", "use at most 17"),
        ("blur", "kernel_size", "4", "5"),
        ("band_dropout", "window", "200", "199 or less"),
        ("noise", "sd", "[0.1, 0.2]", "200"),
        ("cutout", "scale", "[0.5, 1.5]", "at most 1"),
        ("affine", "degrees", "200", "180"),
        ("affine", "scale", "[0.0, 1.5]", "above 0"),
        ("affine", "shear", "90", "80"),
        ("morphology", "size", "1", "at least 2"),
        ("neighbour_mixture", "alpha", "[0.5, 1.5]", "1"),
        ("neighbour_mixture", "shift", "0", "at least 1"),
        ("neighbour_mixture", "shift", "12", "12x12"),
        ("spectral_jitter", "order", "-1", "at least 0"),
        ("spectral_shift", "shift", "-1", "at least 0"),
        ("spectral_shift", "shift", "199", "less than 199"),
        ("color_jitter", "hue", "0.6", "0.5"),
        ("color_jitter", "mode", "quick", "compiled"),
    ],
)
def test_what_does_not_suit_the_samples_is_refused_with_what_does(scene, operation, field, value, limit):
    """Patches of 9x9 pixels and 200 bands, of a scene of 12x12."""
    refused(scene, operation, (field, value), message=rf"augment\.{operation}.*{field}.*{limit}")


@pytest.mark.parametrize("key", ["radiation.alpha", "blur.sigma", "cutout.scale", "neighbour_mixture.alpha"])
@pytest.mark.parametrize("value", [[0.9, 0.2], [0.5, -1.0], [2.0, 0.0], [0.5, 0.0], [1e9, -1e9]])
def test_the_range_that_is_advised_is_taken(scene, key, value):
    name, field = key.split(".")
    with pytest.raises(InputError) as caught:
        check_recipe(apply_overrides(scene, [f"augment.{key}={value}"]))
    advised = re.search(r"use (\[.*\])", str(caught.value))
    if advised:
        recipe = check_recipe(apply_overrides(scene, [f"augment.{name}={{{field}: {advised[1]}}}"]))
        assert getattr(getattr(recipe.augment, name), field) == (value[1], value[0])
    else:
        assert "both ends must be" in str(caught.value)
