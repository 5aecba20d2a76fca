"""Reading a recipe: the YAML file that says everything about a run, checked once, here, against `simclr.recipe.schema`.

`read_recipe("indian-pines", ["train.epochs=5"])` finds the file (a path, or the name of a shipped recipe), applies
the overrides and returns a frozen `Recipe`. Whatever is wrong is one `InputError` that names the key.
"""

import difflib
import functools
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError, create_model

from simclr.errors import InputError
from simclr.files import write_text
from simclr.recipe.complaint import complain
from simclr.recipe.data import Data, keys_of_others, section_of, without_keys_of_others
from simclr.recipe.schema import Recipe


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads 1e-6 as text; everybody who writes a recipe means a number."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+0123456789.")
)


def recipe_folder() -> Path:
    """The folder of the shipped recipes: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent.parent
    installed = package / "recipes"
    return installed if installed.is_dir() else package.parent / "recipes"


def shipped_recipes() -> list[str]:
    """Names of the shipped recipes, sorted."""
    return sorted(path.stem for path in recipe_folder().glob("*.yaml"))


def read_recipe(recipe: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read, override and check a recipe.

    Args:
        recipe: path of a YAML file, or the name of a shipped recipe.
        overrides: ``KEY=VALUE`` with a dotted key; the value is read as YAML (``null`` switches an operation off).

    Raises:
        InputError: no such recipe, not YAML, an unknown key (the nearest one is named), a wrong type or range.
    """
    file = _find(recipe)
    tree = _load(file)
    changed = apply_overrides(tree, overrides)
    if _other_data(tree, changed) and changed.get("description") == tree.get("description"):
        changed["description"] = (
            f"the settings of {file.parent.name if file.stem == 'recipe' else file.stem}, other data"
        )
    return check_recipe(changed)


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
    if not isinstance(tree, dict):
        raise InputError(f"a recipe is a mapping of sections ({', '.join(Recipe.model_fields)}), but this is {tree!r}")
    data = tree.get("data")
    section = section_of(data)
    model = _recipe_with(section)
    if isinstance(data, dict):
        tree = {**tree, "data": without_keys_of_others(data, section)}
    try:
        # Through JSON, because pydantic's strict mode then still takes a list for a tuple and an integer for a float.
        return model.model_validate_json(json.dumps(tree, default=str))
    except ValidationError as error:
        raise InputError(complain(error, model, [f"data.{key}" for key in keys_of_others(section)])) from None


@functools.cache
def _recipe_with(section: type[Data]) -> type[Recipe]:
    """The model of recipes whose data is this section; one for each, since only recipes of one model can be equal."""
    return create_model(Recipe.__name__, __base__=Recipe, data=(section, ...))


def apply_overrides(tree: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Set dotted keys in a copy of a nested dict.

    Raises:
        InputError: an override without ``=``, or one that reaches into something that is not a section.
    """
    if not isinstance(tree, dict):
        return tree
    tree = json.loads(json.dumps(tree, default=str))
    for override in overrides:
        key, equals, text = override.partition("=")
        parts = key.strip().split(".")
        if not equals or not all(parts):
            raise InputError(f"the override {override!r} is not KEY=VALUE: write, for example, train.epochs=5")
        try:
            value = yaml.load(text, _Loader)
        except yaml.YAMLError:
            raise InputError(f"the value of {key} is {text!r}, which is not YAML: quote it") from None
        node = tree
        for depth, part in enumerate(parts[:-1]):
            if node.get(part) is None:
                node[part] = {}
            node = node[part]
            if not isinstance(node, dict):
                raise InputError(f"{'.'.join(parts[: depth + 1])} is {node!r} and has no key {parts[depth + 1]!r}")
        node[parts[-1]] = value
    return tree


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Write the resolved recipe as YAML that `read_recipe` reads again to the same recipe; atomic."""
    text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)
    write_text(path, text)


def _find(recipe: str | Path) -> Path:
    path = Path(recipe)
    if path.is_file():
        return path
    shipped = recipe_folder() / f"{recipe}.yaml"
    if path.name == str(recipe) and shipped.is_file():
        return shipped
    names = shipped_recipes()
    near = difflib.get_close_matches(str(recipe), names, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise InputError(f"there is no recipe {str(recipe)!r}: give a YAML file or one of {', '.join(names)}{hint}")


def _load(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        why = str(getattr(error, "problem", None) or error).splitlines()[0]
        raise InputError(f"{path} is not readable as YAML{where}: {why}") from None
