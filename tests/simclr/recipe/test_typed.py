"""A plain word is what the schema's type says."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from simclr.errors import InputError
from simclr.recipe.choice import Choice
from simclr.recipe.document import Written
from simclr.recipe.section import Section
from simclr.recipe.typed import typed


class Inner(Section):
    name: str = ""
    p: Annotated[float, Field(ge=0)] = 0.5


class Whole(Section):
    inner: Inner | None = None
    several: tuple[Inner, ...] = ()


@pytest.mark.parametrize(
    ("word", "kind", "value"),
    [
        ("2024", str, "2024"),
        ("2024", str | None, "2024"),
        ("010", str, "010"),
        ("on", str, "on"),
        ("null", str | None, None),
        ("1.50", str, "1.50"),
        ("true", str, "true"),
        ("010", int, 10),
        ("010", int | str, "010"),
        ("10", int | str, 10),
        ("-3", int | str, -3),
        ("0", int | str, 0),
        ("1:30", int, "1:30"),
        ("on", int, "on"),
        ("on", bool, True),
        ("No", bool, False),
        ("1", bool, 1),
        ("3", float, 3),
        ("true", float, True),
        ("true", float | str, "true"),
        ("1e-3", float | None, 1e-3),
        ("estimate", float | list[float] | Literal["estimate"] | None, "estimate"),
        ("16", Literal["fp32", "16"], "16"),
        ("3", Literal[1, 3], 3),
        ("3", Any, 3),
        ("9" * 5000, str, "9" * 5000),
    ],
)
def test_a_word_is_taken_as_its_type_says(word, kind, value):
    found = typed(Written(word), kind)
    assert (type(found), found) == (type(value), value)


def test_a_word_is_taken_as_the_key_says_that_it_stands_at():
    given = {
        "inner": {"name": Written("007"), "p": Written("1")},
        "several": [{"name": Written("off")}],
        "x": Written("1"),
    }
    assert typed(given, Whole) == {"inner": {"name": "007", "p": 1}, "several": [{"name": "off"}], "x": 1}
    assert typed([Written("01"), Written("2")], list[int | tuple[int, int]]) == [1, 2]
    assert typed([[Written("01"), Written("2")]], list[str | list[str]]) == [["01", "2"]]


def test_what_is_no_plain_word_stays():
    assert typed({"name": 5, "p": "1"}, Inner) == {"name": 5, "p": "1"}


def test_a_word_that_is_both_is_refused():
    with pytest.raises(
        InputError, match=r"options\.rotary is off, which is both false and text: write false, or 'off'"
    ):
        typed({"options": {"rotary": Written("off")}}, Choice)
    with pytest.raises(InputError, match="both true and text"):
        typed(Written("on"), Any)
    assert typed({"options": {"axis": Written("n")}}, Choice) == {"options": {"axis": "n"}}


def test_a_number_of_thousands_of_digits_is_refused_with_its_key():
    with pytest.raises(InputError, match=r"inner\.p: 9+… is a number of 5000 digits") as caught:
        typed({"inner": {"p": Written("9" * 5000)}}, Whole)
    assert len(str(caught.value)) < 120
