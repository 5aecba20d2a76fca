"""Do several processes train what one would? Measured where the user trains: `simclr verify`.

The reference is the textbook's: one process, the whole batch, float64, a cross entropy over all pairs of rows. It
shares no line with ``simclr.losses.ntxent``.
"""

import copy
import json
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
import torch.distributed as dist
import torch.nn.functional as F
from accelerate import Accelerator
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from simclr.errors import InputError
from simclr.files import write_text
from simclr.losses.ntxent import nt_xent
from simclr.train.batchnorm import convert_batchnorm
from simclr.train.distributed import start_accelerator

CHECKED_TEMPERATURE = 0.1

# What rounding alone may cost, relative to the norm of the whole gradient: some three times what was measured. The
# known mistakes cost far more on two processes: gradients scaled by 1/W 0.5, negatives of one's own process only 0.26,
# every process differentiating its own queries only 0.11. Half precision rounds in every layer: on an H200 gradients
# were off by 2.2e-3 in fp16 and by 5.5e-3 in bf16.
_TOLERANCES = {torch.float64: 1e-12, torch.float32: 1e-6, torch.float16: 5e-3, torch.bfloat16: 1e-2}


class Check(NamedTuple):
    """One measurement: relative error, worst over all processes, and what it may be."""

    name: str
    error: float
    tolerance: float

    @property
    def ok(self) -> bool:
        return self.error <= self.tolerance


class Verification(NamedTuple):
    """All checks of a launch, whose processes talk over ``backend``; None for a process alone."""

    processes: int
    backend: str | None
    device: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)


class ProjectionErrors(NamedTuple):
    """Relative errors of this process: the loss of the global batch, and the gradient of its own z."""

    loss: float
    gradient: float


class TrainingErrors(NamedTuple):
    """Relative errors of this process after one backward through DistributedDataParallel.

    Attributes:
        loss: of the global batch.
        gradients: of all parameters as one vector.
        statistics: running means and variances of BatchNorm as one vector, 0 for a model without any.
    """

    loss: float
    gradients: float
    statistics: float


def reference_loss(z: Tensor, temperature: float) -> Tensor:
    """NT-Xent of a whole batch by brute force: the mean of −log p(positive) over all pairs of views of one image.

    Args:
        z: projections of the global batch, (views, batch, dim), float64.
        temperature: divides the cosine similarities.

    Source: Chen et al., ICML 2020, eq. 1.
    """
    views, batch, _ = z.shape
    rows = F.normalize(z.flatten(0, 1), dim=1)
    itself = torch.eye(len(rows), dtype=torch.bool, device=z.device)
    logits = (rows @ rows.T / temperature).masked_fill(itself, -torch.inf)
    image = torch.arange(batch, device=z.device).repeat(views)
    positive = (image[:, None] == image) & ~itself
    return -logits.log_softmax(dim=1)[positive].mean()


def projection_errors(
    accelerator: Accelerator, shares: Sequence[int], dtype: torch.dtype = torch.float32, views: int = 2
) -> ProjectionErrors:
    """nt_xent on given projections, each process holding its share, against ``reference_loss`` of all of them.

    Args:
        accelerator: as of ``start_accelerator``.
        shares: number of images of each process; may differ.
        dtype: of z. The reference sees the same rounded numbers.
        views: number of views.
    """
    everything = _normal(views, sum(shares), 32).to(dtype).double().requires_grad_()
    expected = reference_loss(everything, CHECKED_TEMPERATURE)
    (expected_gradient,) = torch.autograd.grad(expected, everything)
    mine = _own_part(accelerator, shares)
    z = everything.detach()[:, mine].to(dtype).to(accelerator.device).requires_grad_()
    loss = nt_xent(z, CHECKED_TEMPERATURE)
    loss.backward()
    assert z.grad is not None
    # DistributedDataParallel averages, so a process's own rows carry W times the gradient of the global loss.
    gradient = z.grad.cpu().double() / accelerator.num_processes
    return ProjectionErrors(_relative(loss, expected), _relative(gradient, expected_gradient[:, mine]))


def training_errors(
    accelerator: Accelerator,
    shares: Sequence[int],
    dtype: torch.dtype = torch.float32,
    *,
    autocast: torch.dtype | None = None,
    batchnorm: bool = True,
) -> TrainingErrors:
    """One forward and backward of a small encoder, prepared as for pretraining, against one process.

    The reference is in float64. Under autocast only its loss is, and its encoder is under the same autocast: ReLUs that
    rounding opens or shuts move the gradient by up to 5 %, which would hide mistakes.

    Args:
        accelerator: as of ``start_accelerator``.
        shares: number of images of each process; the same for all with ``batchnorm``.
        dtype: of the parameters and of the input.
        autocast: ``torch.bfloat16``, or ``torch.float16``, which also scales the loss as GradScaler does.
        batchnorm: whether the encoder has BatchNorm, synchronised over processes.
    """
    device = accelerator.device
    context = partial(torch.autocast, device.type, autocast, enabled=autocast is not None)
    model = _encoder(batchnorm).to(dtype).to(device)
    alone = copy.deepcopy(model) if autocast else copy.deepcopy(model).cpu().double()
    x = _normal(2, sum(shares), 24).to(dtype)
    # Less than GradScaler's first scale, which overflows and is halved in the first steps of a training.
    scaler = torch.amp.GradScaler(device.type, init_scale=1024, enabled=autocast == torch.float16)

    with context():
        z = alone(x.flatten(0, 1).to(next(alone.parameters())))
    expected = reference_loss(z.cpu().double().unflatten(0, x.shape[:2]), CHECKED_TEMPERATURE)
    (expected * scaler.get_scale()).backward()

    convert_batchnorm(model, device, accelerator.num_processes)
    distributed = accelerator.prepare(model, device_placement=[False])
    mine = x[:, _own_part(accelerator, shares)].to(device)
    with context():
        z = distributed(mine.flatten(0, 1)).unflatten(0, mine.shape[:2])
    loss = nt_xent(z, CHECKED_TEMPERATURE)
    accelerator.backward(scaler.scale(loss))  # as a run does it
    scaler.unscale_(torch.optim.SGD(model.parameters()))
    return TrainingErrors(
        _relative(loss, expected),
        _relative(_gradients(model), _gradients(alone) / scaler.get_scale()),
        _relative(_statistics(model), _statistics(alone)) if batchnorm else 0.0,
    )


def verify(accelerator: Accelerator) -> list[Check]:
    """All checks; the same list on every process.

    Args:
        accelerator: as of ``start_accelerator()``, in fp32: the checks choose their own precision.
    """
    world_size, cuda = accelerator.num_processes, accelerator.device.type == "cuda"
    even, uneven = [12] * world_size, [5 - 2 * (rank % 2) for rank in range(world_size)]
    batches = [("", even, True)]
    if world_size > 1:  # BatchNorm would have to weigh the processes; pretraining gives it equal shares
        batches.append((", uneven batch", uneven, False))
    checks: list[tuple[str, float, float]] = []
    for dtype in (torch.float32, torch.float64):
        if dtype == torch.float64 and accelerator.device.type == "mps":  # Metal has no float64
            continue
        name, tolerance = str(dtype).removeprefix("torch."), _TOLERANCES[dtype]
        for batch, shares, batchnorm in batches:
            z = projection_errors(accelerator, shares, dtype)
            net = training_errors(accelerator, shares, dtype, batchnorm=batchnorm)
            checks.append((f"{name}{batch}: loss", max(z.loss, net.loss), tolerance))
            checks.append((f"{name}{batch}: gradient of z", z.gradient, tolerance))
            checks.append((f"{name}{batch}: gradients of parameters", net.gradients, tolerance))
            if batchnorm:
                checks.append((f"{name}: BatchNorm statistics", net.statistics, tolerance))
        checks.append(
            (f"{name}, 3 views: gradient of z", projection_errors(accelerator, even, dtype, 3).gradient, tolerance)
        )
    for label, dtype in (("bf16 autocast", torch.bfloat16), ("fp16 autocast, GradScaler", torch.float16)):
        if dtype == torch.bfloat16 or cuda:
            net = training_errors(accelerator, even, autocast=dtype)
            checks.append((f"{label}: loss", net.loss, _TOLERANCES[dtype]))
            checks.append((f"{label}: gradients of parameters", net.gradients, _TOLERANCES[dtype]))
    return _worst(accelerator, checks)


def run_verify(output: Path | None = None) -> bool:
    """`simclr verify`: all checks over the processes of this launch, as a table.

    Args:
        output: a JSON file for the same numbers.

    Returns:
        Whether every check is within its tolerance.

    Raises:
        InputError: the processes of the launch do not see each other, or ``output`` has no folder.
    """
    if output and not output.parent.is_dir():
        raise InputError(f"--output is {output}, but there is no folder {output.parent}: make it, or give another file")
    accelerator = start_accelerator()
    device = accelerator.device
    found = Verification(
        processes=accelerator.num_processes,
        backend=dist.get_backend() if dist.is_initialized() else None,
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        checks=tuple(verify(accelerator)),
    )
    if accelerator.is_main_process:
        print_verification(found)
        if output:
            write_verification(found, output)
    accelerator.end_training()
    return found.ok


def _normal(*shape: int) -> Tensor:
    """The same numbers in every process."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def _encoder(batchnorm: bool) -> nn.Module:
    """(N, 24) → (N, 16) in float64, the same in every process; BatchNorm over positions, and over rows only."""
    with torch.random.fork_rng(devices=[]):  # the caller's random numbers stay where they are
        layers: list[nn.Module] = [nn.Linear(24, 64), nn.Unflatten(1, (8, 8)), nn.BatchNorm1d(8), nn.ReLU()]
        layers += [nn.Flatten(), nn.Linear(64, 16), nn.BatchNorm1d(16)]
    model = nn.Sequential(*(m for m in layers if batchnorm or not isinstance(m, nn.BatchNorm1d))).double()
    generator = torch.Generator().manual_seed(1)
    for module in model:
        for name, p in module.named_parameters():
            # BatchNorm begins as the identity, which would hide mistakes.
            scale = isinstance(module, nn.BatchNorm1d) and name == "weight"
            nn.init.normal_(p, float(scale), 0.2, generator)
    return model


def _own_part(accelerator: Accelerator, shares: Sequence[int]) -> slice:
    start = sum(shares[: accelerator.process_index])
    return slice(start, start + shares[accelerator.process_index])


def _gradients(model: nn.Module) -> Tensor:
    # A bias before BatchNorm has a gradient of nothing but noise, so errors are measured against the whole gradient.
    return torch.cat([p.grad.flatten().cpu().double() for p in model.parameters() if p.grad is not None])


def _statistics(model: nn.Module) -> Tensor:
    return torch.cat([b.flatten().cpu().double() for name, b in model.named_buffers() if "running" in name])


def _relative(ours: Tensor, expected: Tensor) -> float:
    """‖ours − expected‖ / ‖expected‖; not a number counts as infinitely wrong."""
    error = ((ours.detach().cpu().double() - expected).norm() / expected.norm()).item()
    return math.inf if math.isnan(error) else error


def _worst(accelerator: Accelerator, checks: Sequence[tuple[str, float, float]]) -> list[Check]:
    errors = torch.tensor([[error for _, error, _ in checks]], device=accelerator.device)
    worst = accelerator.gather(errors).amax(dim=0).tolist()
    return [Check(name, error, tolerance) for (name, _, tolerance), error in zip(checks, worst)]


def print_verification(found: Verification) -> None:
    """What `simclr verify` measured, and what it means."""
    n = found.processes
    where = f"{n} process{'es' if n > 1 else ''} on {found.device}"
    where += f" over {found.backend}" if found.backend else ""
    table = Table(title=f"{where}, against one in float64", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("relative error")
    table.add_column("measured", justify="right")
    table.add_column("tolerance", justify="right")
    table.add_column("")
    for check in found.checks:
        mark = "ok" if check.ok else "[bold red]FAILED[/bold red]"
        measured = f"{check.error:.1e}" if math.isfinite(check.error) else "not a number"
        table.add_row(check.name, measured, f"{check.tolerance:.0e}", mark)
    console = Console()
    console.print(table)
    failed = sum(not check.ok for check in found.checks)
    if failed:
        line = f"{failed} of {len(found.checks)} checks failed: training on this machine would not be exact"
    elif n == 1:
        line = "one process is right; for two: accelerate launch --multi_gpu --num_processes 2 -m simclr verify"
    else:
        line = f"{n} processes give the loss and the gradients of one"
    console.print(line, soft_wrap=True, highlight=False)


def write_verification(found: Verification, file: Path) -> None:
    """The same numbers as JSON, which has no infinity: an error that is not a number is null."""
    checks = [{**c._asdict(), "error": c.error if math.isfinite(c.error) else None, "ok": c.ok} for c in found.checks]
    where = {"processes": found.processes, "backend": found.backend, "device": found.device}
    result = {**where, "torch": torch.__version__, "ok": found.ok, "checks": checks}
    write_text(file, json.dumps(result, indent=1) + "\n")
