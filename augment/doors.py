"""Short names in a checkout: its folders ``augment/`` and ``eval/`` are ``simclr.augment`` and ``simclr.eval``.

An installation has the long names alone: a project's own ``eval`` is never taken for ours, nor ours for its own.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class _SameModules(MetaPathFinder, Loader):
    """``eval.probes`` is the module ``simclr.eval.probes`` itself, not a second one from the same file."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name.startswith(f"{self._folder}.") else None

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        sys.modules[name] = import_module(f"simclr.{name}")


def open_door(folder: str) -> None:
    """Make a top-level package the same as ours of that name; called by the package itself, while it is imported."""
    sys.meta_path.insert(0, _SameModules(folder))
    sys.modules[folder] = import_module(f"simclr.{folder}")
