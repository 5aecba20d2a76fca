"""Plain words of a recipe, taken as the schema's types say: ``name: 2024`` is text, ``seed: 010`` is ten."""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from simclr.errors import InputError
from simclr.recipe.document import Written, plain_value

# What YAML 1.1 takes for true and false besides; taken so where nothing but true or false can be meant.
_SWITCHES = {"yes": True, "on": True, "no": False, "off": False}


class _Nothing:
    """The type of what the schema does not know, and refuses."""


def typed(value: Any, kind: Any, key: str = "") -> Any:
    """A value of a recipe with each plain word in it as the type says; the rest as it is.

    A word is what it looks like where the type has it (a number, true, null), else text where the type has text, else
    what it looks like, for the schema to refuse.

    Args:
        value: from `simclr.recipe.document.parse`, or any other nested value.
        kind: a section, or any annotation of a field.
        key: where it stands, for complaints.

    Raises:
        InputError: a word that may be meant in two ways, or a number of a thousand digits.
    """
    kinds = list(_kinds(kind))
    if isinstance(value, dict):
        return {name: typed(part, _kind_of_key(kinds, name), _place(key, name)) for name, part in value.items()}
    if isinstance(value, list):
        item = _kind_of_items(kinds)
        return [typed(part, item, _place(key, str(i))) for i, part in enumerate(value)]
    return _word(value, kinds, key) if isinstance(value, Written) else value


def _place(key: str, part: str) -> str:
    return f"{key}.{part}" if key else part


def _word(word: Written, kinds: list[Any], key: str) -> Any:
    text = str(word)
    if text in kinds:  # of a Literal
        return text
    switch = _SWITCHES.get(text.lower())
    if switch is not None and (bool in kinds or Any in kinds):
        if str in kinds or Any in kinds:
            meant = str(switch).lower()
            raise InputError(f"{key} is {text}, which is both {meant} and text: write {meant}, or '{text}' in quotes")
        return switch
    if str in kinds and _is_code(text):
        return text
    try:
        looks = plain_value(text)
    except InputError as error:
        if str in kinds:
            return text
        raise InputError(f"{key}: {error}") from None
    if looks is None or type(looks) in kinds or (type(looks) is int and float in kinds):
        return looks
    return text if str in kinds else looks


def _is_code(text: str) -> bool:
    """Whether its zeros in front would be lost in a number."""
    return text.isdigit() and text != "0" and text.startswith("0")


def _kinds(annotation: Any) -> Iterator[Any]:
    """The types that an annotation allows; of a Literal its values."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _kinds(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for part in get_args(annotation):
            yield from _kinds(part)
    elif origin is Literal:
        yield from get_args(annotation)
    else:
        yield annotation


def _kind_of_key(kinds: list[Any], name: str) -> Any:
    """The annotation of a section's key, or of all values of a dict."""
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            field = kind.model_fields.get(name)
            return _Nothing if field is None else field.annotation
        if get_origin(kind) is dict:
            return get_args(kind)[1]
    return Any if Any in kinds else _Nothing


def _kind_of_items(kinds: list[Any]) -> Any:
    items = [part for kind in kinds if get_origin(kind) in (list, tuple) for part in get_args(kind) if part is not ...]
    return Union[tuple(items)] if items else Any if Any in kinds else _Nothing  # noqa: UP007
