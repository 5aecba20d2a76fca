"""Reading a recipe: the YAML file that says everything about a run, checked once, here, against `simclr.recipe.schema`.

`read_recipe("indian-pines", ["train.epochs=5"])` finds the file (a path, or the name of a shipped recipe), applies
the overrides and returns a frozen `Recipe`. Whatever is wrong is one `InputError` that names the key.
"""

import codecs
import difflib
import functools
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError, create_model

from simclr.errors import InputError
from simclr.files import write_text
from simclr.recipe.complaint import complain, shown
from simclr.recipe.data import (
    Data,
    keys_of_others,
    keys_read_by,
    section_of,
    target_section,
    without_keys_of_others,
)
from simclr.recipe.document import MOST_BYTES, DocumentError, Written, dump, parse, plain_value
from simclr.recipe.images import ArraysData
from simclr.recipe.left_out import changed_by
from simclr.recipe.named_files import shortened, why_not
from simclr.recipe.schema import Recipe
from simclr.recipe.tuning import TuningRecipe
from simclr.recipe.typed import typed

Experiment = Recipe | TuningRecipe
"""A recipe of pretraining, or one of fine-tuning: that has an ``objective``."""
R = TypeVar("R", Recipe, TuningRecipe)


def recipe_folder() -> Path:
    """The folder of the shipped recipes, inside the package."""
    return Path(__file__).parent.parent / "recipes"


def shipped_recipes() -> list[str]:
    """Names of the shipped recipes, sorted."""
    return sorted(path.stem for path in recipe_folder().glob("*.yaml"))


def read_recipe(recipe: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read, override and check a recipe of pretraining.

    Args:
        recipe: path of a YAML file, or the name of a shipped recipe.
        overrides: ``KEY=VALUE`` with a dotted key; the value is read as YAML (``null`` switches an operation off). One
            that names another encoder or loss takes the recipe's options of the old one away; ``chosen`` says so.

    Raises:
        InputError: no such recipe, not YAML, an unknown key (the nearest one is named), a wrong type or range.
    """
    return check_recipe(read_tree(recipe, overrides))


def read_experiment(recipe: str | Path, overrides: Sequence[str] = ()) -> Experiment:
    """`read_recipe`, of either kind."""
    return check_experiment(read_tree(recipe, overrides))


def read_tree(recipe: str | Path, overrides: Sequence[str] = ()) -> Any:
    """What a recipe says, with overrides, still unchecked; arguments and errors as of `read_recipe`."""
    file = find_recipe(recipe)
    tree = _load(file)
    changed, lines = changed_by(tree, functools.partial(apply_overrides, overrides=overrides))
    if lines:
        known = changed.get("chosen")
        changed["chosen"] = [*(known if isinstance(known, list) else []), *lines]
    if _other_data(tree, changed) and changed.get("description") == tree.get("description"):
        changed["description"] = (
            f"the settings of {file.parent.name if file.stem == 'recipe' else file.stem}, other data"
        )
    return changed


def _other_data(before: Any, after: Any) -> bool:
    """Whether overrides have led a recipe to other data than it names, of which its description says nothing."""
    old, new = (tree.get("data") if isinstance(tree, dict) else None for tree in (before, after))
    if not isinstance(old, dict) or not isinstance(new, dict):
        return False
    # A folder's path is only where its files lie.
    keys = ("source", "name", *(("path", "key", "cube_key") if old.get("source") in ("scene", "arrays") else ()))
    return any(old.get(key) not in (None, new.get(key)) for key in keys)


def check_recipe(tree: Any) -> Recipe:
    """Turn a nested dict into a `Recipe`, whose data is the section of the source that it names.

    Raises:
        InputError: names the first key that is wrong, its value and what is allowed.
    """
    if isinstance(tree, dict) and "objective" in tree:
        raise InputError("this is a recipe of fine-tuning, for it has an objective: use it with simclr fine-tune")
    return _checked(tree, Recipe)


def check_tuning(tree: Any) -> TuningRecipe:
    """`check_recipe` of fine-tuning."""
    if isinstance(tree, dict) and "objective" not in tree:
        raise InputError(
            "fine-tuning needs an objective: set one, such as objective.softmax={} or objective.triplet={}"
        )
    return _checked(tree, TuningRecipe)


def check_experiment(tree: Any) -> Experiment:
    """`check_recipe`, of either kind: what has an ``objective`` is of fine-tuning."""
    return check_tuning(tree) if isinstance(tree, dict) and "objective" in tree else check_recipe(tree)


def _checked(tree: Any, kind: type[R]) -> R:
    if not isinstance(tree, dict):
        raise InputError(
            f"a recipe is a mapping of sections ({', '.join(kind.model_fields)}), but this is {shown(tree)}"
        )
    sections = {"data": section_of(tree.get("data"))}
    if "target" in kind.model_fields and not is_null(tree.get("target")):
        sections["target"] = target_section(section_of(tree["target"]))
    model = _with_data(kind, **sections)
    try:
        tree = typed(tree, model)
        for key, section in sections.items():
            if isinstance(tree.get(key), dict):
                tree[key] = without_keys_of_others(tree[key], section, key)
        # Through JSON, because pydantic's strict mode then still takes a list for a tuple and an integer for a float.
        return model.model_validate_json(json.dumps(tree, default=str))
    except ValidationError as error:
        others = {
            f"{place}.{key}": f"{place}.source={' or '.join(of)}"
            for place, section in sections.items()
            for key, of in keys_of_others(section).items()
        }
        raise InputError(complain(error, model, others)) from None
    except RecursionError:
        raise InputError("the recipe nests hundreds of levels deep, and no key does: leave that out") from None


@functools.cache
def _with_data(kind: type[R], data: type[Data], target: type[Data] | None = None) -> type[R]:
    """The model of recipes whose data, and target, are these sections.

    There is one for each, since only recipes of one model can be equal.
    """
    fields: dict[str, Any] = {"data": (data, ...)}
    if target is not None:
        fields["target"] = (target | None, kind.model_fields["target"])
    return create_model(kind.__name__, __base__=kind, **fields)


def apply_overrides(tree: Any, overrides: Sequence[str]) -> Any:
    """Set dotted keys in a copy of a nested dict.

    Of a key that is given twice the last one counts, as on every command line: scripts put theirs behind others.

    Raises:
        InputError: an override without ``=``, or one that reaches into something that is not a section.
    """
    if not isinstance(tree, dict):
        return tree
    tree = _copy(tree)
    for override in overrides:
        if not _is_text(override):
            raise InputError(f"the override '{shortened(override)}' is not in UTF-8: give the file a name that is")
        key, equals, text = override.partition("=")
        parts = key.strip().split(".")
        if not equals or not all(parts):
            raise InputError(
                f"the override '{shortened(override)}' is not KEY=VALUE: write, for example, train.epochs=5"
            )
        node = tree
        for depth, part in enumerate(parts[:-1]):
            if is_null(node.get(part)):
                node[part] = {}
            node = node[part]
            if not isinstance(node, dict):
                where = ".".join(parts[: depth + 1])
                raise InputError(f"{shortened(where)} is {shown(node)} and has no key '{shortened(parts[depth + 1])}'")
        node[parts[-1]] = _value(key.strip(), text.strip())
    return tree


def _copy(tree: Any) -> Any:
    return {key: _copy(value) for key, value in tree.items()} if isinstance(tree, Mapping) else tree


def _is_text(text: str) -> bool:
    """Whether it is Unicode: bytes of a command line that are not UTF-8 arrive as halves of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_null(value: Any) -> bool:
    """Whether a value of an unchecked recipe is null, or a plain word that says so."""
    return value is None or (isinstance(value, Written) and plain_value(value) is None)


def _value(key: str, text: str) -> Any:
    """What stands behind the = of an override: a list, a section or text in quotes as in YAML, else a plain word.

    The shell has done its own quoting, so ``#``, ``@``, ``:`` and the like mean nothing here.
    """
    if not text.startswith(("[", "{", "'", '"')):
        return Written(text)
    try:
        return parse(text)
    except DocumentError as error:
        if text.startswith(("[", "{")):
            given = shortened(text)
            raise InputError(
                f"the value of {shortened(key)} {error.what}: it is '{given}'; put text in quotes"
            ) from None
        return Written(text)


def data_with(data: Mapping[str, Any], overrides: Sequence[str]) -> Data:
    """The data section of a recipe that was resolved before, with changes; what was said about another source goes.

    Args:
        data: as an encoder file holds it.
        overrides: ``data.KEY=VALUE``.

    Raises:
        InputError: an override of something else, or one that does not fit.
    """
    for override in overrides:
        if not override.startswith("data."):
            given = shortened(override)
            raise InputError(f"'{given}' is no override of the data: write, for example, data.path=FOLDER")
    return check_recipe(apply_overrides({"data": data_before(data, overrides)}, overrides)).data


def feature_files(path: Path, overrides: Sequence[str]) -> ArraysData:
    """What is said about features that lie in a file, with the keys of images in arrays.

    Args:
        path: of the features.
        overrides: ``data.KEY=VALUE``.

    Raises:
        InputError: an override of something else, or one that does not fit.
    """
    section = data_with({"source": "arrays", "path": str(path)}, overrides)
    if not isinstance(section, ArraysData):
        raise InputError(f"{shortened(path)} holds features, which data.source={section.source} does not: leave it out")
    return section


def data_before(data: Mapping[str, Any], overrides: Sequence[str]) -> Mapping[str, Any]:
    """Of a data section, what overrides of it leave room for: of another source, the keys that it reads, too."""
    asked = apply_overrides({"data": data}, overrides)["data"]
    if asked.get("source") != data.get("source"):  # what was said about the old source alone says nothing of the new
        return keys_read_by(section_of(asked), data)
    return data


def write_recipe(recipe: Experiment, path: Path) -> None:
    """Write the resolved recipe as YAML that `read_recipe` or `read_experiment` reads again to the same; atomic."""
    write_text(path, dump(recipe.model_dump(mode="json")))


def find_recipe(recipe: str | Path) -> Path:
    """The file of a recipe, or an InputError."""
    path = Path(os.path.expanduser(recipe))
    wrong = why_not(path, "file")
    if not wrong:
        return path
    shipped = recipe_folder() / f"{recipe}.yaml"
    if path.name == str(recipe) and not why_not(shipped, "file"):
        return shipped
    if wrong != "does not exist" and str(recipe).strip():
        raise InputError(
            f"the recipe '{shortened(recipe)}' {wrong}: give a YAML file, such as the recipe.yaml of a run"
        )
    names = shipped_recipes()
    near = difflib.get_close_matches(str(recipe)[:100], names, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise InputError(f"there is no recipe '{shortened(recipe)}': give a YAML file or one of {', '.join(names)}{hint}")


def _load(path: Path) -> Any:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > MOST_BYTES:
        raise InputError(f"{path} is larger than {MOST_BYTES >> 20} MiB: it is no recipe")
    try:
        # As Windows writes it, with a byte-order mark.
        wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return parse(content.decode("utf-16" if wide else "utf-8"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path} is not in UTF-8 at line {line}: save it as UTF-8") from None
    except DocumentError as error:
        raise InputError(f"{path} {error}") from None
