"""A recipe whose open values are chosen by a look at its data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from simclr.choose.chosen import Chosen
from simclr.data.open import open_source
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import Source
from simclr.errors import InputError
from simclr.recipe.read import check_recipe
from simclr.recipe.scenes import SceneData
from simclr.recipe.schema import Recipe


def resolved(recipe: Recipe) -> Recipe:
    """The recipe with every value that it leaves open chosen for its data, if it asks for that (``choose``).

    What is given is kept, and what was chosen is written down in ``chosen``. The same data gives the same values.

    Raises:
        InputError: data that cannot be read, or that is not what was said it is.
    """
    if recipe.choose is None:
        return recipe
    data = recipe.data
    if isinstance(data, SceneData) and "patch_size" not in data.model_fields_set:
        data = data.model_copy(update={"patch_size": 1, "pool": 1})  # which fits a scene of any size
    source = open_source(data)
    assert source is not None
    chosen = _CHOICES[recipe.choose](source)
    given = recipe.model_dump(mode="json", exclude_unset=True)
    others = _of_another_encoder(given, chosen)
    open_values = [value for value in chosen if value not in others and _is_open(given, value.key.split("."))]
    for value in open_values:
        _set(given, value.key.split("."), value.value)
    lines = [str(value) for value in open_values]
    if others:
        keys = ", ".join(value.key for value in others)
        name = next(value.value for value in chosen if value.key == "encoder.name")
        lines.append(f"not chosen: {keys}, which only {name} takes; encoder.name is {recipe.encoder.name}")
    given |= {"choose": None, "chosen": [*recipe.chosen, *lines]}
    return check_recipe(given)


def _scene(source: Source) -> Sequence[Chosen]:
    from simclr.choose.scenes import choose_scene, look_at_scene

    if not isinstance(source, SceneSource):
        raise InputError(f"choose is scene, but {source.name} is none: take the recipe images, or set choose=images")
    if len(source.good_bands) < 2:
        raise InputError(
            f"choose is scene, but {source.name} has 1 band: a spectrum has 2 or more; cut it into images, or write a "
            f"recipe without choose"
        )
    return choose_scene(look_at_scene(source))


def _images(source: Source) -> Sequence[Chosen]:
    from simclr.choose.images import choose_images, look_at_images

    if isinstance(source, SceneSource):
        raise InputError(f"choose is images, but {source.name} is a scene: take the recipe scene, or set choose=scene")
    return choose_images(look_at_images(source))


_CHOICES: dict[str, Callable[[Source], Sequence[Chosen]]] = {"scene": _scene, "images": _images}


# Its options, and of a scene the spectra behind the components, which no other encoder knows what to do with.
_OF_THE_ENCODER = ("encoder.options.", "data.spectrum")


def _of_another_encoder(given: Mapping[str, Any], chosen: Sequence[Chosen]) -> list[Chosen]:
    """What only the encoder takes that would have been chosen, where another one is given."""
    name = given.get("encoder", {}).get("name")
    theirs = [value.value for value in chosen if value.key == "encoder.name"]
    if name is None or name in theirs:
        return []
    return [value for value in chosen if value.key.startswith(_OF_THE_ENCODER)]


def _is_open(given: Mapping[str, Any], path: Sequence[str]) -> bool:
    """Whether nothing is given at the path, nor null or a plain value on the way to it."""
    for name in path:
        if not isinstance(given, Mapping):
            return False
        if name not in given:
            return True
        given = given[name]
    return False


def _set(tree: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for name in path[:-1]:
        tree = tree.setdefault(name, {})
    tree[path[-1]] = value
