"""NT-Xent, forward and backward: ours against lightly, pytorch-metric-learning and masked cross entropy."""

from collections.abc import Callable
from functools import cache, partial

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.harness import Report, extra_peak_memory, paired_ratio, race, straight_line, synchronize
from simclr.losses.ntxent import nt_xent
from simclr.verify import reference_loss

DIM, TEMPERATURE = 128, 0.1
OURS, LIGHTLY, MASKED = "ours", "lightly NTXentLoss", "masked logits + cross_entropy"
COMPILED = MASKED + ", compiled"
SUPCON, PML = "pytorch-metric-learning SupConLoss", "pytorch-metric-learning NTXentLoss"
Loss = Callable[[Tensor], Tensor]


def masked_cross_entropy(z: Tensor) -> Tensor:
    """What one writes down first, and what most projects use."""
    rows = F.normalize(z.flatten(0, 1), dim=1)
    logits = rows @ rows.T / TEMPERATURE
    logits = logits.masked_fill(torch.eye(len(rows), dtype=torch.bool, device=z.device), -torch.inf)
    n = z.shape[1]
    return F.cross_entropy(logits, torch.arange(len(rows), device=z.device).roll(n))


@cache
def loss_function(name: str) -> Loss:
    """A contestant: projections (2, n, dim) → loss, the mean over all 2n queries. Peers are imported when asked for."""
    if name == OURS:
        return lambda z: nt_xent(z, TEMPERATURE)
    if name == MASKED:
        return masked_cross_entropy
    if name == COMPILED:
        return torch.compile(masked_cross_entropy, dynamic=False)
    if name == LIGHTLY:
        from lightly.loss import NTXentLoss

        lightly = NTXentLoss(TEMPERATURE)
        return lambda z: lightly(z[0], z[1])
    from pytorch_metric_learning import losses

    theirs = {SUPCON: losses.SupConLoss, PML: losses.NTXentLoss}[name]
    wrapped = losses.SelfSupervisedLoss(theirs(temperature=TEMPERATURE))
    return lambda z: wrapped(z[0], z[1])


def projections(n: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Two views of n images with a cosine of about 0.5, as in mid training, (2, n, 128), on the GPU if there is one."""
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(1, n, DIM, generator=generator) + torch.randn(2, n, DIM, generator=generator)
    return z.to(_device(), dtype).requires_grad_()


def step(loss: Loss, z: Tensor) -> Tensor:
    """The gradient of z."""
    (gradient,) = torch.autograd.grad(loss(z), z)
    return gradient


def prepare_memory(name: str, n: int) -> Callable[[], object]:
    """For extra_peak_memory: one forward and backward of a contestant."""
    loss, z = loss_function(name), projections(n)
    step(loss, z if name == COMPILED else projections(64))  # libraries and threads are there before it counts
    return partial(step, loss, z)


def products(z: Tensor, tile: int, similarities: int) -> Tensor:
    """The matrix products and nothing else: ``similarities`` times U·Uᵀ, once E·U, in tiles.

    Both take 2·N²·d operations. Symmetry halves U·Uᵀ, which is needed in forward and again in backward: 4·N²·d, as
    with ``similarities=1``. Without it there are 6·N²·d.
    """
    u = z.detach().flatten(0, 1)
    out = torch.zeros_like(u)
    buffer = u.new_empty(tile * tile)
    for rows, to in zip(u.split(tile), out.split(tile)):
        for columns in u.split(tile):
            e = buffer[: len(rows) * len(columns)].view(len(rows), len(columns))
            for _ in range(similarities):
                torch.mm(rows, columns.T, out=e)
            to.addmm_(e, columns)
    return out


def in_tf32(function: Callable[[], object]) -> object:
    """With TF32 products, which training programs often allow."""
    switch = torch.backends.cuda.matmul
    before, switch.fp32_precision = switch.fp32_precision, "tf32"
    try:
        return function()
    finally:
        switch.fp32_precision = before


def run(report: Report, quick: bool) -> None:
    """Correctness first, then time, then memory."""
    report.machine("torch", "lightly", "pytorch-metric-learning")
    report.line(f"d = {DIM}, temperature {TEMPERATURE}, float32 unless said; {_device()}")
    right = correctness(report)
    for n in (256,) if quick else (4096, 32768) if _device() == "cuda" else (1024, 4096):
        timing(report, right, n, rounds=3 if quick else 12)
    memory(report, right, quick)


def correctness(report: Report, n: int = 128) -> list[str]:
    """Loss and gradient against a brute force in float64; returns who computes NT-Xent."""
    right, rows = [], []
    contestants = [(name, torch.float32) for name in (OURS, MASKED, COMPILED, LIGHTLY, SUPCON, PML)]
    for name, dtype in [*contestants, (OURS, torch.bfloat16)]:
        z = projections(n, dtype)
        exact = z.detach().cpu().double().requires_grad_()
        expected = reference_loss(exact, TEMPERATURE)
        try:
            value = loss_function(name)(z)
            (gradient,) = torch.autograd.grad(value, z)
        except Exception as error:
            rows.append([name, "–", "–", f"cannot run: {type(error).__name__}"])
            continue
        (expected_gradient,) = torch.autograd.grad(expected, exact)
        wrong = (gradient.cpu().double() - expected_gradient).norm().item() / expected_gradient.norm().item()
        off = abs(value.item() / expected.item() - 1)
        same = max(wrong, off) < (1e-5 if dtype == torch.float32 else 1e-2)
        label = name if dtype == torch.float32 else f"{name}, bfloat16 z"
        rows.append([label, f"{off:.1e}", f"{wrong:.1e}", "the same function" if same else "ANOTHER FUNCTION"])
        if same and dtype == torch.float32:
            right.append(name)
    head = ["relative error", "loss", "gradient", ""]
    report.table(f"Against brute force in float64, n = {n} images; all give the mean over 2n queries", head, rows)
    return right


def timing(report: Report, right: list[str], n: int, rounds: int) -> None:
    """One race: forward and backward of everybody who fits, and the bare matrix products."""
    z, low, cuda = projections(n), projections(n, torch.bfloat16), _device() == "cuda"
    contestants: dict[str, Callable[[], object]] = {
        name: partial(step, loss_function(name), z) for name in right if name != PML
    }
    ours = contestants[OURS]
    contestants["ours, bfloat16 z"] = partial(step, loss_function(OURS), low)
    if cuda:
        contestants["ours, TF32"] = partial(in_tf32, ours)
    tile = min(2 * n, 4096 if cuda else 1024)
    contestants["bare products, 4·N²·d"] = partial(products, z, tile, 1)
    contestants["bare products, 6·N²·d"] = partial(products, z, tile, 2)
    for name in [name for name in contestants if not _fits(contestants[name])]:
        report.line(f"{name} does not fit into memory at n = {n:,}")
        del contestants[name]
    times = race(contestants, rounds=rounds, repeats=1 if n > 1024 else 4)
    report.race(f"Forward and backward, n = {n:,} images", times, reference=OURS)
    if n < 4096:
        return
    for name, least in ((LIGHTLY, 6.0), (MASKED, 2.5)):
        if name in times:
            report.target(f"{name} over ours, n = {n:,}", paired_ratio(times, name, OURS).median, at_least=least)
    faster = paired_ratio(times, OURS, "ours, bfloat16 z").median
    report.target(f"ours over ours with a bfloat16 z, n = {n:,}", faster, at_least=1.5)
    floor = paired_ratio(times, OURS, "bare products, 4·N²·d").median
    report.target(f"ours over the bare products of 4·N²·d, n = {n:,}", floor, at_most=1.5)


def memory(report: Report, right: list[str], quick: bool) -> None:
    """Extra peak memory of one forward and backward; a straight line through ours."""
    sizes = [256, 512] if quick else [1024, 2048, 4096, 8192, 16384, 65536]
    rows, ours = [], {}
    for name in right:
        cells, fits = [name], True
        for n in sizes:
            # Who needs the square of n, or its cube, does not fit at the next size either.
            extra = extra_peak_memory(prepare_memory, name, n) if fits else None
            fits = extra is not None
            cells.append("–" if extra is None else f"{extra / 1e6:,.0f}")
            if name == OURS and extra is not None:
                ours[n] = extra
        rows.append(cells)
    limit = "the GPU's memory" if _device() == "cuda" else "6 GB"
    head = ["extra peak memory, MB", *(f"n = {n:,}" for n in sizes)]
    report.table(f"One forward and backward, in a fresh process; – is more than {limit}", head, rows)
    if len(ours) > 1:
        intercept, slope, r2 = straight_line(list(ours), list(ours.values()))
        report.line(f"ours: {intercept / 1e6:.0f} MB + {slope / 1e3:.2f} kB an image, R² = {r2:.4f}")
    if not quick:
        report.target("MB on top, n = 16,384", ours[16384] / 1e6 if 16384 in ours else None, at_most=200)
        report.target("largest n that runs", max(ours, default=None), at_least=65536)


def _fits(function: Callable[[], object]) -> bool:
    try:
        function()
        synchronize()
    except (torch.OutOfMemoryError, MemoryError):
        torch.cuda.empty_cache()
        return False
    return True


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"
