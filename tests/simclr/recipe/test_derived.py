"""A constructor as a section of a recipe: its types, its defaults, and what is refused in plain words."""

import inspect
from collections.abc import Sequence
from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError, create_model

from simclr.recipe.augment import BandNoise, Near, Sized
from simclr.recipe.complaint import complain
from simclr.recipe.derived import derived_section
from simclr.recipe.section import Section


class Fade:
    def __init__(
        self,
        strength: float,
        share: Annotated[float, Field(ge=0, le=1)] = 0.5,
        mode: Literal["dim", "bright"] = "dim",
        levels: float | Sequence[float] = (1, 2.5),
        steps: "int | None" = None,
        window: tuple[float, float] = (0.0, 1.0),
        anything=3,
    ):
        pass


def section(constructor, *bases):
    return derived_section("fade", constructor, list(inspect.signature(constructor).parameters.values()), bases)


FADE = section(Fade)
RECIPE = create_model("Recipe", __base__=Section, fade=(FADE | None, None))


def test_keys_are_the_arguments_with_their_defaults():
    assert list(FADE.model_fields) == list(inspect.signature(Fade).parameters)
    read = FADE.model_validate_json('{"strength": 2}')
    assert read.model_dump(mode="json") == {
        "strength": 2.0,
        "share": 0.5,
        "mode": "dim",
        "levels": [1.0, 2.5],
        "steps": None,
        "window": [0.0, 1.0],
        "anything": 3,
    }
    # Written out, it is read as the same.
    assert FADE.model_validate_json(read.model_dump_json()) == read


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"strength": "x"}', 'fade.strength is "x", but must be a number'),
        ('{"strength": NaN}', "fade.strength is nan, but must be a finite number"),
        ('{"strength": 1, "share": 1.5}', "fade.share is 1.5, but must be at least 0 and at most 1"),
        ('{"strength": 1, "mode": "dark"}', "fade.mode is \"dark\", but must be 'dim' or 'bright'"),
        ('{"strength": 1, "levels": true}', "fade.levels is true, but must be a number or a list"),
        ('{"strength": 1, "levels": [1, "x"]}', 'fade.levels.1 is "x", but must be a number'),
        ('{"strength": 1, "steps": 1.5}', "fade.steps is 1.5, but must be an integer"),
        ('{"strength": 1, "window": [1]}', "fade.window is [1], but must be a pair [from, to]"),
        ('{"strength": 1, "shar": 0.1}', "unknown key fade.shar: did you mean fade.share?"),
        ("{}", "fade.strength is missing: the recipe must set it"),
        ("3", "fade is 3, but must be a section that sets strength, or null to leave it out"),
    ],
)
def test_what_is_wrong_is_said_as_of_every_section(text, message):
    with pytest.raises(ValidationError) as error:
        RECIPE.model_validate_json(f'{{"fade": {text}}}')
    assert complain(error.value, RECIPE) == message


def test_keys_of_what_it_needs_come_with_it():
    class Near3:
        def __init__(self, size: int, sd: float | Sequence[float] = 2, p: float = 1):
            pass

    near = section(Near3, Near, Sized, BandNoise)
    read = near.model_validate_json("{}").model_dump()
    # The size is left open, and its own sd is the default.
    assert read == {"shift": 3, "size": None, "sd": 2.0, "snr": None, "p": 1.0}
    for text, message in (
        ('{"sd": -1}', "greater than or equal to 0"),
        ('{"shift": 0}', "greater than or equal to 1"),
        ('{"sd": 1, "snr": 3}', "augment.fade has both sd and snr: set one of the two"),
    ):
        with pytest.raises(ValidationError, match=message):
            near.model_validate_json(text)
    assert near.model_validate_json('{"sd": 2.0, "snr": 3}').snr == 3


def test_an_argument_that_no_recipe_can_hold_is_named():
    class Odd:
        def __init__(self, thing: object.__class__ = object):
            pass

    class Unset:
        def __init__(self, level: float = "much"):
            pass

    class Unwritable:
        def __init__(self, mask: memoryview):
            pass

    for kind, message in (
        (Odd, "Odd's argument is thing: type = <class 'object'>, which no recipe can hold: use numbers, text"),
        (Unset, "Unset's argument is level: float = .much., which no recipe can hold"),
        (Unwritable, "Unwritable's argument is mask: memoryview, which no recipe can hold"),
    ):
        with pytest.raises(TypeError, match=message):
            section(kind)
