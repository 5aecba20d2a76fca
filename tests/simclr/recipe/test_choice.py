import json

import pytest

from simclr.errors import InputError
from simclr.recipe.choice import check_options
from simclr.recipe.read import check_recipe, read_recipe, write_recipe
from simclr.recipe.schema import Encoder, Loss


def net(in_chans, depth=2, *, dropout: float = 0.0):
    pass


def needs_heads(in_chans, heads):
    pass


def takes_all(in_chans, **anything):
    pass


@pytest.mark.parametrize(
    ("thing", "options", "message"),
    [
        (net, {"dpeth": 1}, "encoder.options.dpeth is no argument of my_net: did you mean depth?"),
        (net, {"depth": 1, "drop_out": 1}, "encoder.options.drop_out is no argument of my_net: did you mean dropout?"),
        (lambda in_chans: None, {"x": 1}, "encoder.options.x is no argument of my_net, which takes none: leave it out"),
        (
            net,
            {"in_chans": 3},
            "encoder.options.in_chans is set by the data and not among the options: leave it out",
        ),
        (
            takes_all,
            {"in_chans": 3},
            "encoder.options.in_chans is set by the data and not among the options: leave it out",
        ),
        (needs_heads, {}, "encoder.options.heads is missing: my_net does not do without it"),
        (net, {}, None),
        (net, {"depth": 1, "dropout": 0.5}, None),
        (needs_heads, {"heads": 4}, None),
        (takes_all, {"whatever": True}, None),
    ],
)
def test_options_are_held_against_the_signature(thing, options, message):
    if message is None:
        check_options("encoder", "my_net", thing, options, {"in_chans": "the data"})
        return
    with pytest.raises(InputError) as caught:
        check_options("encoder", "my_net", thing, options, {"in_chans": "the data"})
    assert str(caught.value) == message


def test_plain_values_keep_their_type(tmp_path):
    overrides = [f"encoder.options.{text}" for text in ("depth=3", "rate=0.5", "whole=2.0", "deep=true", "kind=gelu")]
    recipe = read_recipe("digits", ["encoder.name=my_net", *overrides])
    expected = {"depth": 3, "rate": 0.5, "whole": 2.0, "deep": True, "kind": "gelu"}
    write_recipe(recipe, tmp_path / "recipe.yaml")
    again = read_recipe(tmp_path / "recipe.yaml")
    assert again == recipe
    for options in (recipe.encoder.options, again.encoder.options):
        assert {name: (type(value), value) for name, value in options.items()} == {
            name: (type(value), value) for name, value in expected.items()
        }


@pytest.mark.parametrize("section", ["encoder", "loss"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (3, "{}.options is 3, but must be arguments and their values: {{}} for none"),
        (None, "{}.options is null, but must be arguments and their values: {{}} for none"),
        ({"a": [1]}, "{}.options.a is [1], but must be true or false, a number or text"),
        ({"b": None}, "{}.options.b is null, but must be true or false, a number or text"),
        ({"c": {"d": 1}}, '{}.options.c is {{"d": 1}}, but must be true or false, a number or text'),
        ({"g": -(2**63)}, "{}.options.g is -9223372036854775808, but must be below 2^63"),
        ({"e": float("nan")}, "{}.options.e is nan, but must be a finite number"),
    ],
)
def test_other_values_are_refused(section, options, message):
    with pytest.raises(InputError) as caught:
        check_recipe({"data": {"source": "digits"}, section: {"name": "mine", "options": options}})
    assert str(caught.value) == message.format(section)


def test_a_section_without_options_is_written_as_it_was_before_there_were_any():
    assert Encoder().model_dump() == {"name": "resnet18", "stem": "imagenet", "width": 64}
    assert "options" not in json.loads(Loss().model_dump_json())
    assert Encoder(options={"depth": 3}).model_dump()["options"] == {"depth": 3}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["loss.name=mine", "loss.temperature=0.5", "loss.decoupled=true"],
            "loss.decoupled is true, but only nt-xent reads it, and loss.name is mine: "
            "leave it out, or set loss.decoupled=false",
        ),
        (
            ["loss.name=mine", "loss.temperature=0.5", "loss.negative_distance=3"],
            "loss.negative_distance is 3, but only nt-xent reads it, and loss.name is mine: "
            "leave it out, or set loss.negative_distance=null",
        ),
        (
            ["loss.options.tile=64"],
            "loss.options.tile is no argument of nt-xent: "
            "set loss.temperature or loss.decoupled or loss.negative_distance",
        ),
    ],
)
def test_keys_of_nt_xent_and_options_of_others_do_not_mix(overrides, message):
    with pytest.raises(InputError) as caught:
        read_recipe("digits", overrides)
    assert str(caught.value) == message
