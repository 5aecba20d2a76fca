"""Options of an encoder or a loss that an override replaces: they go, and a line says so."""

import pytest

from simclr.errors import InputError
from simclr.recipe.read import read_recipe

PYRAMID = """
data: {source: digits}
encoder: {name: pyramid, width: 16, options: {levels: 1, grid: 1}}
loss: {temperature: 0.2, decoupled: true}
"""


@pytest.fixture
def recipe(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(PYRAMID, encoding="utf-8")
    return file


def test_the_recipes_options_are_for_the_recipes_encoder(recipe):
    same = read_recipe(recipe, ["encoder.name=pyramid", "encoder.options.grid=2"])
    assert same.encoder.options == {"levels": 1, "grid": 2}
    assert same.chosen == []
    other = read_recipe(recipe, ["encoder.name=resnet8"])
    assert other.encoder.options == {}
    assert other.encoder.width == 16
    keys = "encoder.options.levels, encoder.options.grid"
    assert other.chosen == [f"left out {keys}, which the recipe says of pyramid: encoder.name is resnet8"]


def test_options_that_are_given_stay(recipe):
    found = read_recipe(recipe, ["encoder.options.levels=2", "encoder.name=my_net", "encoder.options.depth=3"])
    assert found.encoder.options == {"levels": 2, "depth": 3}
    assert found.chosen == [
        "left out encoder.options.grid, which the recipe says of pyramid: encoder.name is my_net",
    ]


def test_what_only_one_loss_reads_goes_with_it(recipe):
    found = read_recipe(recipe, ["loss.name=mine", "loss.options.power=2"])
    assert (found.loss.decoupled, found.loss.temperature, found.loss.options) == (False, 0.2, {"power": 2})
    assert found.chosen == ["left out loss.decoupled, which the recipe says of nt-xent: loss.name is mine"]
    with pytest.raises(InputError, match="only nt-xent reads it"):
        read_recipe(recipe, ["loss.name=mine", "loss.decoupled=true"])


def test_from_a_loss_of_ones_own_to_nt_xent(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("data: {source: digits}\nloss: {name: mine, options: {power: 2}}\n", encoding="utf-8")
    assert read_recipe(file, ["loss.name=nt-xent"]).loss.options == {}
    assert read_recipe(file).loss.options == {"power": 2}


def test_a_section_that_is_none_is_refused_as_ever(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("data: {source: digits}\nencoder: pyramid\n", encoding="utf-8")
    with pytest.raises(InputError, match="encoder"):
        read_recipe(file, ["encoder.name=resnet8"])


def test_lines_of_a_run_before_stay_in_front(recipe, tmp_path):
    recipe.write_text(PYRAMID + "chosen: [a line of the run before]\n", encoding="utf-8")
    lines = read_recipe(recipe, ["encoder.name=resnet8"]).chosen
    assert lines[0] == "a line of the run before"
    assert len(lines) == 2
