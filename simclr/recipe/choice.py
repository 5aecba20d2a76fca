"""What a recipe chooses by name, an encoder or a loss, and the arguments that only what it chose takes."""

import difflib
import inspect
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SerializerFunctionWrapHandler, model_serializer
from pydantic_core import PydanticCustomError

from simclr.errors import InputError
from simclr.recipe.section import Section

PlainValue = bool | int | float | str


def plain_options(options: Any) -> Any:
    """A validator: arguments and plain values, or pydantic's error."""
    if not isinstance(options, dict):
        raise PydanticCustomError("options", "must be arguments and their values: {empty} for none", {"empty": "{}"})
    for name, value in options.items():
        if isinstance(value, int) and abs(value) >= 2**63:  # which no tensor could hold
            raise PydanticCustomError("option", "must be below 2^63", {"name": str(name)})
        if isinstance(value, float) and not math.isfinite(value):
            raise PydanticCustomError("option", "must be a finite number", {"name": str(name)})
        if not isinstance(value, PlainValue):
            raise PydanticCustomError("option", "must be true or false, a number or text", {"name": str(name)})
    return options


class Choice(Section):
    """A name, and options: arguments that only the thing of that name takes."""

    name: str
    options: Annotated[dict[str, PlainValue], BeforeValidator(plain_options)] = Field(
        {}, description="arguments that only the one of this name takes: plain values"
    )

    @model_serializer(mode="wrap")
    def _without_empty_options(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What has no options is written as it was before there were any."""
        dumped: dict[str, Any] = dump(self)
        if not self.options:
            dumped.pop("options", None)
        return dumped


def unknown_name(key: str, name: str, known: Iterable[str], or_else: str = "") -> InputError:
    """What to raise when a registry lacks the name that a recipe gives.

    Args:
        key: of the recipe, such as ``encoder.name``.
        name: its value.
        known: names of the registry.
        or_else: what is allowed besides, in words.
    """
    known = list(known)
    return InputError(f"{key} is {name!r}, but must be one of {', '.join(known)}{or_else}{nearest(name, known)}")


def no_such(what: str, name: str, known: Iterable[str], where: str = "") -> InputError:
    """What to raise where something is asked for by a name that nothing has.

    Args:
        what: it would be, a word.
        name: as given.
        known: names that there are.
        where: the name stands, in words, where it is not all that was given.
    """
    known = list(known)
    inside = f" ({where})" if where else ""
    return InputError(f"there is no {what} {name!r}{inside}: choose from {', '.join(known)}{nearest(name, known)}")


def nearest(name: str, known: Iterable[str], cutoff: float = 0.3) -> str:
    """How a complaint about a name ends: with the known name that is most like it, if one is, by a cutoff."""
    near = difflib.get_close_matches(name[:100], list(known), n=1, cutoff=cutoff)
    return f"; did you mean {near[0]}?" if near else ""


def check_options(
    section: str,
    name: str,
    thing: Callable[..., object],
    options: Collection[str],
    set_by: Mapping[str, str],
    key: str = "{section}.options.{option}",
) -> None:
    """Hold a recipe's options against the signature of the class or function that they are for.

    Args:
        section: of the recipe, such as ``encoder``.
        name: of the thing.
        thing: takes the options as keyword arguments.
        options: names of those that are given.
        set_by: arguments that come from elsewhere -> from where, in words.
        key: how an option is called in the recipe.

    Raises:
        InputError: an option that is no argument (the nearest one is named), or an argument that is missing.
    """
    parameters = inspect.signature(thing).parameters.values()
    keywords = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name not in set_by]
    known = [p.name for p in keywords]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    for option in options:
        called = key.format(section=section, option=option)
        if option in set_by:
            raise InputError(f"{called} is set by {set_by[option]} and not among the options: leave it out")
        if option not in known and not takes_any:
            near = difflib.get_close_matches(option, known, n=1, cutoff=0.0)
            hint = f": did you mean {near[0]}?" if near else ", which takes none: leave it out"
            raise InputError(f"{called} is no argument of {name}{hint}")
    for parameter in keywords:
        if parameter.default is parameter.empty and parameter.name not in options:
            called = key.format(section=section, option=parameter.name)
            raise InputError(f"{called} is missing: {name} does not do without it")
