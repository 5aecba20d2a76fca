"""What a recipe says only of the encoder or the loss that it names goes where an override names another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from simclr.recipe.choice import Choice
from simclr.recipe.schema import Encoder, Loss

_CHOICES: dict[str, type[Choice]] = {"encoder": Encoder, "loss": Loss}
# Other losses than NT-Xent may have a temperature, too.
_SHARED = ("name", "temperature")


def changed_by(tree: Any, apply: Callable[[Any], Any]) -> tuple[Any, list[str]]:
    """A recipe with overrides; what only the encoder or the loss reads that they replace does not stay.

    Args:
        tree: the recipe as it was read, nested dicts.
        apply: gives a copy with the overrides.

    Returns:
        The tree with the overrides, and for each section that lost keys a line that says so.

    Raises:
        InputError: as ``apply``.
    """
    changed = apply(tree)
    if not isinstance(tree, Mapping):
        return changed, []
    bare = dict(tree)
    replaced: list[tuple[str, str, str]] = []
    for section, model in _CHOICES.items():
        name, other = _name(tree, section, model), _name(changed, section, model)
        own = _keys_of_one(model, name)
        if name != other and isinstance(tree.get(section), Mapping):
            bare[section] = {key: value for key, value in tree[section].items() if key not in own}
            replaced.append((section, name, other))
    if not replaced:
        return changed, []
    changed = apply(bare)
    lines = []
    for section, name, other in replaced:
        left = _said(changed, section)
        lost = [key for key in _said(tree, section) if key not in left and key != f"{section}.name"]
        if lost:
            lines.append(f"left out {', '.join(lost)}, which the recipe says of {name}: {section}.name is {other}")
    return changed, lines


def _name(tree: Any, section: str, model: type[Choice]) -> str:
    part = tree.get(section)
    return str((part if isinstance(part, Mapping) else {}).get("name", model.model_fields["name"].default))


def _keys_of_one(model: type[Choice], name: str) -> list[str]:
    """Keys of a section that nothing but the thing of this name reads."""
    if model is Loss and name == Loss.model_fields["name"].default:
        return [key for key in Loss.model_fields if key not in _SHARED]
    return ["options"]


def _said(tree: Any, section: str) -> list[str]:
    """Dotted keys of a section and of its options."""
    part = tree.get(section)
    part = part if isinstance(part, Mapping) else {}
    options = part.get("options")
    own = [f"{section}.{key}" for key in part if key != "options"]
    return own + [f"{section}.options.{key}" for key in (options if isinstance(options, Mapping) else {})]
