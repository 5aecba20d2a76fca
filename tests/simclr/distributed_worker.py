"""Run by test_distributed.py in each process; the first one prints as JSON what all of them found."""

import json
from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import Tensor

from simclr import verify
from simclr.distributed import start_accelerator
from simclr.ntxent import nt_xent

accelerator = start_accelerator()
rank, world_size = accelerator.process_index, accelerator.num_processes


def from_all(mine: object) -> list:
    found: list = [None] * world_size
    dist.all_gather_object(found, mine)
    return found


def with_gradient_of(value: Tensor, carrier: Tensor) -> Tensor:
    return value.detach() + carrier - carrier.detach()


def scaled_by_one_over_w(z: Tensor, temperature: float) -> Tensor:
    loss = nt_xent(z, temperature)
    return with_gradient_of(loss, loss / world_size)


def own_negatives_only(z: Tensor, temperature: float) -> Tensor:
    return with_gradient_of(nt_xent(z, temperature), verify.reference_loss(z, temperature))


def gathered_rows_without_their_own_queries(z: Tensor, temperature: float) -> Tensor:
    """The usual one: every process sees all rows, but differentiates the loss of its own queries only."""
    parts = [part.detach().clone() for part in from_all(z)]
    parts[rank] = z
    rows = torch.nn.functional.normalize(torch.cat([part.flatten(0, 1) for part in parts]), dim=1)
    start, own = sum(part[..., 0].numel() for part in parts[:rank]), z[..., 0].numel()
    logits = rows[start : start + own] @ rows.T / temperature
    image = torch.cat([torch.arange(p.shape[1]).repeat(p.shape[0]) + 1000 * r for r, p in enumerate(parts)])
    itself = torch.eye(len(rows), dtype=torch.bool)[start : start + own]
    positive = (image[start : start + own, None] == image) & ~itself
    queries = -logits.masked_fill(itself, -torch.inf).log_softmax(1)[positive].mean()
    return with_gradient_of(nt_xent(z, temperature), queries)


def checks_with(loss: Callable[[Tensor, float], Tensor]) -> list[dict]:
    verify.nt_xent = loss
    return [{**check._asdict(), "ok": check.ok} for check in verify.verify(accelerator)]


faults = (scaled_by_one_over_w, own_negatives_only, gathered_rows_without_their_own_queries)
result = {
    "processes": world_size,
    "right": checks_with(nt_xent),
    # Once is enough: four processes take twice as long.
    "wrong": {fault.__name__: checks_with(fault) for fault in faults if world_size == 2},
}


def refusal(z: Tensor) -> str:
    try:
        return f"returned {nt_xent(z)}"
    except ValueError as error:
        return str(error)


last = rank == world_size - 1
fit, bad = torch.randn(2, 4, 8), torch.randn(2, 4, 8)
bad[1, 2, 3] = torch.nan
unfit = {
    "dim": torch.randn(2, 4, 9),
    "views": torch.randn(3, 4, 8),
    "dtype": fit.double(),
    "axes": fit[0],
    "NaN": bad,
    "infinity": bad.nan_to_num(torch.inf),
}
result["refused"] = {what: from_all(refusal(z if last else fit)) for what, z in unfit.items()}
result["after refusals"] = from_all(refusal(fit))
if accelerator.is_main_process:
    print(json.dumps(result), flush=True)
accelerator.end_training()
