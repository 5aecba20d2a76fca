"""Run by test_distributed.py in each process; the first one prints as JSON what all of them found."""

import json
import os
import runpy
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from simclr import verify
from simclr.losses.ntxent import nt_xent
from simclr.train.distributed import any_process, of_all, of_batch, of_main, start_accelerator

accelerator = start_accelerator()
rank, world_size = accelerator.process_index, accelerator.num_processes
digests = runpy.run_path(str(Path(__file__).parent.parent / "views" / "view_digests.py"))["digests"]


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


def refusal(z: Tensor, *arguments: object, **options: object) -> str:
    try:
        return f"returned {nt_xent(z, *arguments, **options)}"
    except ValueError as error:
        return str(error)


def far(a: Tensor, b: Tensor) -> Tensor:
    return (a[:, None] - b).abs() > 0.2


def far_columns(a: Tensor, b: Tensor) -> Tensor:
    return far(a[:, 0], b[:, 0])


def below_zero(a: Tensor, b: Tensor) -> Tensor:
    return 1.0 - (a[:, None] - b).abs()


def directed(a: Tensor, b: Tensor) -> Tensor:
    return torch.where(a[:, None] < b, 1.0, 0.5)


def error_with_options() -> float:
    """Of the gradient with labels, keys and without positives in the denominator, in parts of different length."""
    generator = torch.Generator().manual_seed(0)
    lengths = [4 + 3 * r for r in range(world_size)]
    everything = torch.randn(2, sum(lengths), 8, generator=generator, dtype=torch.float64).requires_grad_()
    labels, keys = torch.randint(3, (sum(lengths),), generator=generator), torch.rand(sum(lengths), generator=generator)
    labels[::3] = -1  # unlabelled, in every part
    image = torch.arange(sum(lengths)).repeat(2)
    rows = torch.nn.functional.normalize(everything.flatten(0, 1), dim=1)
    logits = rows @ rows.T / 0.3
    alike = ((labels[image, None] == labels[image]) & (labels[image] >= 0)) | (image[:, None] == image)
    positive = alike & ~torch.eye(len(rows), dtype=torch.bool)
    negative = far(keys, keys)[image][:, image] & ~alike
    normaliser = logits.masked_fill(~negative, -torch.inf).logsumexp(1, keepdim=True)
    ((normaliser - logits).where(positive, 0).sum(1) / positive.sum(1)).mean().backward()
    mine = slice(sum(lengths[:rank]), sum(lengths[: rank + 1]))
    z = everything.detach()[:, mine].clone().requires_grad_()
    nt_xent(z, 0.3, decoupled=True, labels=labels[mine], keys=keys[mine], negative_weight=far).backward()
    assert z.grad is not None
    assert everything.grad is not None
    expected = everything.grad[:, mine]
    return float((z.grad / world_size - expected).norm() / expected.norm())


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
some = torch.arange(4)
options: dict[str, tuple[dict, dict]] = {
    "temperature": ({"temperature": 0.5}, {"temperature": 0.02}),
    "decoupled": ({}, {"decoupled": True}),
    "labels": ({}, {"labels": some}),
    "int32": ({"labels": some}, {"labels": some.int()}),
    "keys": ({"keys": some, "negative_weight": far}, {"keys": some[:, None], "negative_weight": far_columns}),
    "tile": ({}, {"tile": 0}),
    "weights below 0": ({"keys": some, "negative_weight": far}, {"keys": some, "negative_weight": below_zero}),
    "weights of a direction": ({"keys": some, "negative_weight": far}, {"keys": some, "negative_weight": directed}),
}
result["refused"] |= {what: from_all(refusal(fit, **kinds[last])) for what, kinds in options.items()}
result["with options"] = from_all(error_with_options())
with tempfile.TemporaryDirectory() as folder:
    result["views"] = from_all(digests(Path(folder), rank=rank, world_size=world_size))
result["agreed"] = from_all(
    [
        any_process(accelerator, rank == world_size - 1, False),
        of_all(accelerator, ["both", f"of {rank}"]),
        of_main(accelerator, f"said by {rank}"),
        of_batch(accelerator, torch.full((2, 1, 3), float(rank)))[:, 0, 2].tolist(),
    ]
)
result["after refusals"] = from_all(refusal(fit))
if accelerator.is_main_process:
    print(json.dumps(result), flush=True)
accelerator.wait_for_everyone()
os._exit(0)  # gloo's threads sometimes abort a process that ends in the ordinary way
