"""What layers inside an encoder give, caught while it computes: for objectives that look deeper than its output."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from contextlib import ExitStack

import torch
from torch import Tensor, nn

from simclr.losses.term import Watched
from simclr.models.embedding import Embedded


def run_watched(encoder: nn.Module, watched: Watched, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """What an encoder gives, and what the watched layers inside it give of each sample.

    Args:
        encoder: with or without an embedding layer.
        watched: which layers: those that give what the encoder gives are not among its last stages.
        x: inputs, (batch, C, H, W).

    Returns:
        (batch, dim), and by name, in the order of computation, (batch, channels): of maps and tokens, their means; in
        single precision at least.

    Raises:
        ValueError: the encoder has no module of such a name, or it gives nothing of single samples.
    """
    caught: dict[str, tuple[Tensor, Tensor]] = {}

    def catch(name: str) -> Callable[[nn.Module, object, object], None]:
        def hook(module: nn.Module, given: object, out: object) -> None:
            if isinstance(out, Tensor) and out.ndim > 1:
                caught[name] = out, _means(out)

        return hook

    with ExitStack() as stack:
        for name, module in _modules_of(encoder, watched).items():
            stack.callback(module.register_forward_hook(catch(name)).remove)
        e: Tensor = encoder(x)
    of_samples = {name: means for name, (out, means) in caught.items() if len(out) == len(x)}
    if watched.modules:
        if strange := [name for name in watched.modules if name not in of_samples]:
            raise ValueError(f"the module {strange[0]} gives no features of single samples: name another one")
        return e, of_samples
    inside = [name for name in of_samples if caught[name][0] is not e]
    return e, {name: of_samples[name] for name in inside[max(0, len(inside) - watched.last) :]}


def stages_of(encoder: nn.Module) -> dict[str, nn.Module]:
    """The modules of an encoder, one behind the other, by name: blocks of a network of blocks, else its parts.

    What has no weights, and what only normalises, is no stage.
    """
    found: dict[str, nn.Module] = {}
    for name, child in encoder.named_children():
        parts = list(child.children())
        row = isinstance(child, nn.Sequential) and parts and all(any(True for _ in part.children()) for part in parts)
        if row or isinstance(child, nn.ModuleList | nn.ModuleDict):
            found |= {f"{name}.{inner}": module for inner, module in stages_of(child).items()}
        elif any(True for _ in child.parameters()) and "Norm" not in type(child).__name__:
            found[name] = child
    return found


def _modules_of(encoder: nn.Module, watched: Watched) -> dict[str, nn.Module]:
    base = encoder.encoder if isinstance(encoder, Embedded) else encoder
    if not watched.modules:
        return stages_of(base) if watched.last else {}
    there = {name: module for name, module in base.named_modules() if name}
    for name in watched.modules:
        if name not in there:
            near = difflib.get_close_matches(name, there, n=1, cutoff=0.0)
            hint = f": did you mean {near[0]}?" if near else ""
            raise ValueError(f"the encoder has no module {name}{hint}")
    return {name: there[name] for name in watched.modules}


def _means(out: Tensor) -> Tensor:
    """Maps (b, C, H, W) → (b, C), rows of tokens (b, T, C) → (b, C)."""
    rows = out.to(torch.promote_types(out.dtype, torch.float32))
    return rows.flatten(2).mean(2) if rows.ndim > 3 else rows.mean(1) if rows.ndim == 3 else rows
