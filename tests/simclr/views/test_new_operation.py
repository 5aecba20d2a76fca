"""A new operation is one file and one line: it works in recipes, in views and from the command line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from simclr import augment

STRANGER = '''
from __future__ import annotations
from collections.abc import Sequence
from typing import Literal
import torch
from simclr.augment import checks
from simclr.augment.base import IntensityOperation, per_sample
from simclr.augment.needs import Need

class RandomFade(IntensityOperation):
    """x * (1 - strength * u): darker at random, of photographs."""
    needs = frozenset({Need.UNIT_RANGE})
    keeps_label = False

    def __init__(self, strength: float = 0.25, mode: Literal["each", "all"] = "each", p: float = 1.0, keepdim=False):
        super().__init__(p, keepdim, strength=checks.number("strength", strength, 0.0, 1.0), mode=mode)

    def draws(self, shape: Sequence[int]) -> int:
        return 1

    def compute_parameters(self, u, shape):
        return {"factor": 1.0 - self.flags["strength"] * u[:, 0]}

    def operate(self, x, parameters, flags):
        return x * per_sample(parameters["factor"], x)
'''
OF_SCENES = '''
from simclr.augment import RandomNeighbourMixture
from simclr.augment.needs import Need

class RandomPatchwork(RandomNeighbourMixture):
    """Only a neighbour, with everything else that a scene can give."""
    needs = frozenset(Need) - {Need.UNIT_RANGE}

    def __init__(self, size: int, sd: float | list[float], wavelengths=None, unit="nm", zero=1.0, p: float = 1.0):
        super().__init__((0.0, 0.0), p)
        self.flags |= {"size": size, "sd": sd, "wavelengths": wavelengths, "unit": unit, "zero": zero}
'''
SCENE_PROGRAM = """
import json
from simclr.augment.registry import OPERATIONS_TABLE
OPERATIONS_TABLE["patchwork"] = "stranger:RandomPatchwork"

import torch
from simclr.errors import InputError
from simclr.recipe.read import check_recipe, read_recipe
from simclr.views.inputs import build_inputs

def refused(data, **patchwork):
    try:
        build_inputs(check_recipe({"data": data, "augment": {"patchwork": patchwork}}), torch.device("cpu"))
    except InputError as error:
        return str(error)

data = {"source": "scene", "path": "cube.npy", "patch_size": 1, "normalize": "none", "wavelengths": [400.0, 430.0]}
recipe = check_recipe({"data": data, "augment": {"patchwork": {"shift": 1, "snr": 10.0}}})
inputs = build_inputs(recipe, torch.device("cpu"))
ids = torch.arange(400)
flags = inputs.augment.members()[0].named()["patchwork"].flags
print(json.dumps({
    "keys": recipe.augment.of_view(0)["patchwork"],
    "flags": {key: flags[key] for key in ("size", "sd", "wavelengths", "unit", "zero")},
    "views": inputs.augment(inputs.source[ids], ids, 0)[:, :, 0].flatten(1).tolist(),
    "refused": [
        refused({"source": "digits"}),
        refused(data, shift=20),
        refused(data, snr=[1.0, 2.0]),
        refused(data, snr=1.0, sd=0.1),
        refused(data, wavelengths=[1.0]),
    ],
}))
"""
# The one line, made here from outside, and what a user does then.
PROGRAM = """
import json
from pathlib import Path
from simclr.augment.registry import OPERATIONS_TABLE
OPERATIONS_TABLE["fade"] = "stranger:RandomFade"

import torch
from simclr.augment import trace
from simclr.errors import InputError
from simclr.recipe.read import check_recipe, read_recipe, write_recipe
from simclr.views.inputs import build_inputs, build_training_views

def refused(*overrides):
    try:
        build_inputs(read_recipe("digits", overrides), torch.device("cpu"))
    except InputError as error:
        return str(error)

recipe = read_recipe("digits", ["augment={fade: {}, views: 2}", "data.normalize=minmax"])
write_recipe(recipe, Path("written.yaml"))
inputs = build_inputs(recipe, torch.device("cpu"))
ids = torch.arange(100)
views = inputs.augment(inputs.source[ids], ids, 0)
plain = build_training_views(recipe.augment, recipe.seed, inputs.source, inputs.preprocess)
other = read_recipe("digits", [
    "augment.overrides=[{views: [1], fade: {strength: 0.5}}]",
    "augment.small_views={count: 1, resized_crop: {size: 4}, fade: {p: 0.3}}",
])
notes = trace(inputs.augment, ids, 0, inputs.source[ids].shape[1:])
print(json.dumps({
    "of_view": recipe.augment.of_view(0),
    "again": read_recipe("written.yaml") == recipe,
    "describe": inputs.describe(),
    "others": build_inputs(other, torch.device("cpu")).describe(),
    "training": plain.describe(),
    "factors": [[note["fade"]["factor"] for note in row] for row in notes],
    "views": ((views - inputs.preprocess.bias) / inputs.preprocess.matrix).flatten(2).tolist(),
    "refused": [
        refused("augment.fade.strenght=1"),
        refused("augment.fad={}"),
        refused("augment.fade.strength=x"),
        refused("augment.fade.mode=none"),
        refused("augment.fade.strength=2"),
        refused("augment.overrides=[{views: [1], fade: {stren: 1}}]"),
        refused("augment.fade={}", "data.normalize=standardize"),
        refused("augment.fade=1"),
    ],
}))
"""
COMMANDS = """
import sys
from simclr.augment.registry import OPERATIONS_TABLE
OPERATIONS_TABLE["fade"] = "stranger:RandomFade"

from simclr.cli.main import main
for command in (["views", "--output", "v.png", "--samples", "1"], ["plan", "--steps", "1"]):
    sys.argv = ["simclr", *command, "digits", *sys.argv[-2:]]
    try:
        main()
    except SystemExit as end:
        print("status", end.code)
"""


def python(folder, *arguments):
    """What another Python prints that finds both the stranger's file and this checkout."""
    path = os.pathsep.join([str(folder), str(Path(augment.__file__).parents[2])])
    environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "200"}
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_new_operation_is_one_file_and_one_line(tmp_path):
    (tmp_path / "stranger.py").write_text(STRANGER)
    (tmp_path / "program.py").write_text(PROGRAM)
    found = json.loads(python(tmp_path, "program.py"))
    assert found["of_view"] == {"fade": {"strength": 0.25, "mode": "each", "p": 1.0}}
    assert found["again"] is True
    assert found["describe"] == ["fade: strength=0.25, mode=each, p=1.0"]
    assert "fade: strength=0.5, mode=each, p=1.0 (view 1)" in found["others"]
    assert found["others"][-1] == "small: fade: strength=0.25, mode=each, p=0.3"
    assert found["training"] == []
    # In units of 0..1, a view is its sample times what was noted, to four digits.
    factors, samples = np.array(found["factors"]), load_digits().images[:100].reshape(100, 64) / 16
    np.testing.assert_allclose(found["views"], samples * factors[:, :, None], atol=2e-4)
    assert 0.75 <= factors.min() < 0.77 < 0.98 < factors.max() <= 1.0
    assert found["refused"] == [
        "unknown key augment.fade.strenght: did you mean augment.fade.strength?",
        "unknown key augment.fad: did you mean augment.fade?",
        'augment.fade.strength is "x", but must be a number',
        "augment.fade.mode is \"none\", but must be 'each' or 'all'",
        "augment.fade: strength is 2.0, but must be a number between 0.0 and 1.0.",
        "unknown key augment.overrides.0.fade.stren: did you mean augment.overrides.0.fade.strength?",
        "augment.fade works on values from 0 to 1, but with data.normalize=standardize they are not: "
        "set data.normalize=unit or minmax, or leave it out",
        "augment.fade is 1, but must be a section: {} takes its defaults, null leaves it out",
    ]


@pytest.mark.slow
def test_a_new_operation_gets_all_that_it_needs_of_a_scene(tmp_path):
    (tmp_path / "stranger.py").write_text(OF_SCENES)
    (tmp_path / "program.py").write_text(SCENE_PROGRAM)
    # The value of a pixel is its number.
    np.save(tmp_path / "cube.npy", np.repeat(np.arange(400.0).reshape(20, 20, 1), 4, axis=2))
    found = json.loads(python(tmp_path, "program.py"))
    assert found["keys"] == {"shift": 1, "size": None, "sd": 0.05, "snr": 10.0, "p": 1.0}
    expected = {"size": 1, "wavelengths": [400.0, 410.0, 420.0, 430.0], "unit": "nm", "zero": [0.0] * 4}
    assert {key: found["flags"][key] for key in expected} == expected
    assert found["flags"]["sd"] == pytest.approx([199.5 / 10] * 4)
    ids, chosen = np.arange(400), np.round(found["views"]).astype(int)
    rows, columns = np.abs(chosen // 20 - ids // 20), np.abs(chosen % 20 - ids % 20)
    assert (rows.max(), columns.max()) == (1, 1)
    assert found["refused"] == [
        "augment.patchwork takes pixels near by in a scene, but data.source is digits: leave it out",
        "augment.patchwork.shift is 20, but cube.npy has 20x20 pixels: use 19 or less",
        "augment.patchwork.snr has 2 values, but the scene has 4 bands: give 1, or one for each",
        "augment.patchwork has both sd and snr: set one of the two",
        "unknown key augment.patchwork.wavelengths: did you mean data.wavelengths?",
    ]


@pytest.mark.slow
def test_a_new_operation_works_from_the_command_line(tmp_path):
    (tmp_path / "stranger.py").write_text(STRANGER)
    small = "augment.small_views={count: 1, resized_crop: {size: 4}, fade: null}"
    said = python(tmp_path, "-c", COMMANDS, "augment.fade={}", small)
    assert said.count("status 0") == 2
    assert said.count("fade: strength=0.25, mode=each, p=1.0") == 2
    views = json.loads((tmp_path / "v.json").read_text())["samples"][0]["views"]
    assert ["fade" in view["operations"] for view in views] == [True, True, False]
