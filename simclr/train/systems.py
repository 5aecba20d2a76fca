"""What fine-tuning can train beside an encoder under an objective, by the names that recipes call it.

A new system is one file and one line: a class on `simclr.train.tuned.Tuned` with arguments of its own by keyword, which
are ``system.options`` in a recipe; an argument ``classes``, ``seed``, ``samples``, ``input_shape`` or ``objective_of``
(width → an objective like that of the run) is set by the run.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from simclr.errors import InputError
from simclr.losses.objectives import Objective
from simclr.recipe.choice import PlainValue, check_options, unknown_name
from simclr.registry import Registry
from simclr.train.tuned import Tuned

SYSTEMS: Registry[type[Tuned]] = Registry(
    {
        "plain": "simclr.train.tuned:Tuned",
        "divide-and-conquer": "simclr.train.divide:DivideAndConquer",
        "protopnet": "simclr.train.protopnet:ProtoPNet",
    }
)

_SET_BY = {
    "encoder": "the section encoder",
    "objective": "the section objective",
    "objective_of": "the section objective",
    "classes": "the labels",
    "seed": "the run",
    "samples": "the data",
    "input_shape": "the data",
}


def build_system(
    name: str, options: Mapping[str, PlainValue], encoder: nn.Module, objective: Objective, of_run: Mapping[str, Any]
) -> Tuned:
    """The system of a recipe.

    Args:
        name: of ``SYSTEMS``.
        options: its own arguments.
        encoder: with ``feature_dim``.
        objective: of its embeddings.
        of_run: ``classes``, ``seed``, ``samples``, ``input_shape``, ``objective_of``.

    Raises:
        InputError: an unknown name or argument, or a value that is not allowed.
    """
    if name not in SYSTEMS:
        raise unknown_name("system.name", name, SYSTEMS)
    system = SYSTEMS[name]
    check_options("system.options", name, system, dict(options), _SET_BY, "{section}.{option}")
    takes = inspect.signature(system).parameters
    try:
        return system(encoder, objective, **options, **{key: value for key, value in of_run.items() if key in takes})
    except InputError:  # of another section
        raise
    except ValueError as error:
        raise InputError(f"system.options.{str(error).rstrip('.')}") from error
