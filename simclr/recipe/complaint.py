"""What is wrong with a recipe, in one line: the key, what was given, what is allowed."""

import difflib
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from simclr.recipe.named_files import shortened

# pydantic's kinds of error, in the words of whoever writes YAML.
_WORDS = {
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a pair [from, to]",
    "missing": "a pair [from, to]",
    "too_long": "a pair [from, to]",
    "too_short": "a list that is not empty",
}
_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
_BOUND_ERRORS = ("greater_than_equal", "greater_than", "less_than_equal", "less_than")


def complain(error: ValidationError, model: type[BaseModel], of_others: Mapping[str, str] | None = None) -> str:
    """The first thing that is wrong, in one line.

    Args:
        error: what pydantic found.
        model: of the whole recipe.
        of_others: dotted keys of other recipes, which an unknown key may have been meant for -> who reads them.
    """
    if error.errors()[0]["type"] == "json_invalid":
        return f"the recipe holds what is no text in Unicode: {error.errors()[0]['ctx']['error']}"
    problems = [(*_place(problem, model), problem) for problem in error.errors()]
    # An unknown key explains most other complaints (a missing one, say), so it comes first.
    key, field, problem = next((p for p in problems if p[2]["type"] == "extra_forbidden"), problems[0])
    if problem["type"] == "extra_forbidden":
        nearest = _nearest(key, list(_dotted_keys(model)), of_others or {})
        return f"unknown key {shortened(key)}: did you mean {nearest}?"
    # Where several types are allowed, each has its complaint: the deepest is of the type that was meant.
    key, field, problem = next((p for p in problems if p[0].startswith(f"{key}.")), (key, field, problem))
    if problem["type"] == "value_error":
        said = str(problem["ctx"]["error"])
        return of_the_target(said) if "target" in problem["loc"] else said
    if problem["type"] == "missing" and not isinstance(problem["loc"][-1], int):
        return f"{key} is missing: the recipe must set it"
    if problem["type"] == "option":
        name = problem["ctx"]["name"]
        return f"{shortened(f'{key}.{name}')} is {shown(problem['input'][name])}, but {problem['msg']}"
    alike = [p for other, _, p in problems if other == key]
    meant = [p for p in alike if not p["type"].endswith(("_type", "literal_error"))] or alike
    words = list(dict.fromkeys(_words(p, field) for p in meant))
    if len(words) > 1:
        words = [f"must be {' or '.join(word.removeprefix('must be ') for word in words)}"]
    return f"{shortened(key)} is {shown(problem['input'])}, but {words[0]}"


def _place(problem: ErrorDetails, model: type[BaseModel]) -> tuple[str, FieldInfo | None]:
    """The dotted key that a problem belongs to, and its field."""
    parts: list[str] = []
    named: list[str] = []
    field, section = None, model
    loc = problem["loc"]
    if problem["type"] == "missing" and isinstance(loc[-1], int):  # half of a pair: said of the pair
        loc = loc[:-1]
    for part in loc:
        if isinstance(part, int):
            parts.append(str(part))
        elif part in section.model_fields:
            field = section.model_fields[part]
            section = _section_of(field) or section
            parts.append(part)
            named = [part]
        elif problem["type"] == "extra_forbidden" or (field and parts[-1:] == named and _holds_any_key(field)):
            parts.append(part)
        # Else it is pydantic's name of one of several types.
    return ".".join(parts), field


def _holds_any_key(field: FieldInfo) -> bool:
    """Whether it is a section without a schema, such as arguments and their values."""
    return any(get_origin(kind) is dict for kind in (field.annotation, *get_args(field.annotation)))


def _words(problem: ErrorDetails, field: FieldInfo | None) -> str:
    kind = problem["type"]
    if kind in _BOUND_ERRORS:
        bounds = {**_bounds(field), **problem["ctx"]}
        said = [f"{word} {_number(bounds[name])}" for name, word in _BOUNDS.items() if name in bounds]
        return f"must be {' and '.join(said)}"
    if kind == "model_type":
        return _section_words(field)
    if kind == "literal_error":
        return f"must be {problem['ctx']['expected']}"
    return f"must be {_WORDS[kind]}" if kind in _WORDS else problem["msg"]


def _number(bound: float) -> str:
    return str(bound) if isinstance(bound, int) else f"{bound:g}"


def _section_words(field: FieldInfo | None) -> str:
    section = field and _section_of(field)
    if field is None or section is None:
        return "must be a section of keys"
    required = [name for name, part in section.model_fields.items() if part.is_required()]
    optional = type(None) in get_args(field.annotation)
    if required:
        return f"must be a section that sets {' and '.join(required)}" + (
            ", or null to leave it out" if optional else ""
        )
    if optional:
        return "must be a section: {} takes its defaults, null leaves it out"
    return f"must be a section of keys such as {next(iter(section.model_fields))}"


def _section_of(field: FieldInfo) -> type[BaseModel] | None:
    """The section that a key, or each item of its list, holds."""
    kinds = (field.annotation, *get_args(field.annotation))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _bounds(node: Any) -> dict[str, float]:
    """Bounds of a number, wherever its annotation holds them: ge, gt, le, lt → value."""
    found: dict[str, float] = {}
    if isinstance(node, FieldInfo):
        for part in (node.annotation, *node.metadata):
            found |= _bounds(part)
    for part in (*get_args(node), *getattr(node, "__metadata__", ())):
        found |= _bounds(part)
    return found | {name: getattr(node, name) for name in _BOUNDS if isinstance(getattr(node, name, None), int | float)}


def shown(value: Any) -> str:
    """A value as YAML has it, cut short where it is long."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _dotted_keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield prefix + name
        section = _section_of(field)
        if section:
            yield from _dotted_keys(section, f"{prefix}{name}.")


def _nearest(key: str, known: list[str], of_others: Mapping[str, str]) -> str:
    """The known key that is most like an unknown one, with the numbers of items of lists as they were given."""
    given = key.split(".")
    plain = shortened(".".join(part for part in given if not part.isdigit()))  # a comparison takes its length squared
    near = _alike(plain, [*known, *of_others])
    if near and near in of_others:
        return f"{near}, which {of_others[near]} reads"
    nearest: list[str] = []
    for part in (near or _most_alike(plain, known)).split("."):
        alike = bool(given) and given.pop(0) == part
        nearest.append(part)
        while alike and given and given[0].isdigit():
            nearest.append(given.pop(0))
        given = given if alike else []
    return ".".join(nearest)


def _alike(key: str, known: list[str]) -> str | None:
    """A key of the same last part, or one that is spelled much like it."""
    same = [name for name in known if name.rpartition(".")[2] == key.rpartition(".")[2]]
    return next(iter(same or difflib.get_close_matches(key, known, n=1, cutoff=0.6)), None)


def _most_alike(key: str, known: list[str]) -> str:
    by_leaf = {name.rpartition(".")[2]: name for name in reversed(known)}
    near = difflib.get_close_matches(key.rpartition(".")[2], by_leaf, n=1, cutoff=0.0)
    return by_leaf[near[0]] if near else known[0]


def of_the_target(said: str) -> str:
    """What was said of a section ``data``, of ``target``."""
    return re.sub(r"\bdata\.(?=[a-z_]+\b)", "target.", said)
