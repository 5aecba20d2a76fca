"""Does a run state fit what is to go on from it? Asked before anything in the run's folder changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from simclr.errors import InputError
from simclr.train.optimizer import STATE_OF


def check_fits(
    state: Mapping[str, Any],
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    accelerator: Accelerator,
    where: str,
) -> None:
    """Raises an InputError where a run state is of another network, optimizer or precision; says what differs.

    The recipe that a state remembers tells that mostly, but not of an older state, nor where the code has changed.

    Args:
        state: as of `simclr.run.checkpoint.load_run_state`; nothing is asked of one without a model.
        model: what learns, with its ``encoder``.
        optimizer: of it, not yet prepared.
        accelerator: of this process.
        where: the run's folder.
    """
    if "model" not in state:
        return
    encoder: nn.Module = model.encoder  # type: ignore[assignment]
    best = state.get("best") or {}
    differs = (
        _of_network(state["model"], model)
        or _of_optimizer(state["optimizer"], optimizer)
        or ("it holds a gradient scaler, which train.precision=fp16 has" if _scaled_alone(state, accelerator) else None)
        or (_of_network(best["weights"], encoder) if best.get("weights") else None)
    )
    if differs:
        raise InputError(
            f"the run state of step {state['step']} in {where} is of another model: {differs}; resume with the recipe "
            f"and the code of the run, or start anew with --overwrite"
        )


def _of_network(there: Mapping[str, Any], model: nn.Module) -> str | None:
    """What differs in names, shapes or types of parameters and buffers."""
    here = model.state_dict()
    for name in [*here, *there]:
        if name not in there or name not in here:
            return f"it has {'no' if name in here else 'a'} {name}"
        one, other = there[name], here[name]
        if one.shape != other.shape or one.dtype != other.dtype:
            return f"its {name} is {_kind(one)}, here it is {_kind(other)}"
    return None


def _of_optimizer(there: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> str | None:
    """What differs in the groups, and in what is kept for each parameter."""
    kind, here = type(optimizer).__name__, optimizer.param_groups
    option, entries = STATE_OF[kind]
    groups = there["param_groups"]
    if any(option not in group for group in groups):
        return f"its optimizer is not {kind}"
    counts = [len(group["params"]) for group in groups], [len(group["params"]) for group in here]
    if counts[0] != counts[1]:
        return f"its optimizer has groups of {_joined(counts[0])} tensors, here they are of {_joined(counts[1])}"
    parameters = [p for group in here for p in group["params"]]
    for number, kept in there["state"].items():
        if kept and kept.keys() != entries:
            return f"its optimizer keeps {_joined(kept)}, {kind} keeps {_joined(sorted(entries))}"
        for value in kept.values():
            if getattr(value, "ndim", 0) and value.shape != parameters[number].shape:
                return f"its optimizer keeps {tuple(value.shape)} for a tensor of {tuple(parameters[number].shape)}"
    return None


def _scaled_alone(state: Mapping[str, Any], accelerator: Accelerator) -> bool:
    return "scaler" in state and accelerator.scaler is None


def _kind(value: torch.Tensor) -> str:
    return f"{tuple(value.shape)} of {str(value.dtype).removeprefix('torch.')}"


def _joined(values: Any) -> str:
    return " and ".join(map(str, values))
