"""Recipes: what they may say, and how they are read. Names are loaded when first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simclr.recipe.read import check_recipe as check_recipe
    from simclr.recipe.read import read_recipe as read_recipe

__all__ = ["check_recipe", "read_recipe"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.read"), name)
