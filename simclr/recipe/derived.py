"""A section for what has none of its own: the arguments of a constructor as keys of a recipe."""

import json
from collections.abc import Sequence
from inspect import Parameter
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticUserError

from simclr.recipe.section import Section


def derived_section(
    name: str, constructor: type, arguments: Sequence[Parameter], bases: tuple[type[Section], ...] = ()
) -> type[Section]:
    """A section with a key for each argument, of its type and with its default.

    Args:
        name: of the section.
        constructor: the class, whose ``__init__`` is annotated: numbers, text, true or false, ``Literal``, lists and
            tuples of them, and ``Annotated[float, pydantic.Field(ge=0)]`` where bounds are known.
        arguments: those that a recipe may set; of those without annotation, any value is taken.
        bases: sections whose keys it has as well; an argument of the same name is of their type, with its own default.

    Raises:
        TypeError: an annotation of something that no recipe can hold, or a default of another type.

    Example:
        >>> derived_section("fog", RandomFog, arguments_of(RandomFog)).model_validate_json('{"density": 0.2}').p
        0.5
    """
    hints = get_type_hints(constructor.__init__, include_extras=True)  # type: ignore[misc]
    theirs = {key: kind for base in bases for key, kind in get_type_hints(base, include_extras=True).items()}
    fields: dict[str, Any] = {}
    for argument in arguments:
        required = argument.default is Parameter.empty
        if required and argument.name in theirs:
            continue
        kind = theirs.get(argument.name) or _as_written(hints.get(argument.name, Any))
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(kind)
            # As if it had been read, so that a default that was written out is equal to it.
            fields[argument.name] = (kind, ... if required else adapter.validate_json(json.dumps(argument.default)))
        except (PydanticUserError, ValidationError, TypeError):
            raise TypeError(
                f"{constructor.__name__}'s argument is {argument}, which no recipe can hold: use numbers, text, bool, "
                f"Literal, or lists of them, and a default of that type."
            ) from None
    return create_model(name, __base__=bases or Section, **fields)


def _as_written(kind: Any) -> Any:
    """An annotation as YAML has it: a sequence is a list."""
    if get_origin(kind) is Sequence:
        return list[_as_written(get_args(kind)[0])]  # type: ignore[misc]
    if get_origin(kind) in (Union, UnionType):
        return Union[tuple(_as_written(part) for part in get_args(kind))]  # noqa: UP007
    return kind
