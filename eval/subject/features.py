"""Frozen representations: every sample through the encoder once, with proof that the encoder did not change."""

from __future__ import annotations

import copy
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import torch
from torch import Tensor, nn

from simclr.data.preprocess import Preprocess
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import Source
from simclr.data.stream import StreamSource
from simclr.data.workers import read_ahead, usable_cores
from simclr.errors import InputError
from simclr.eval.subject.rows import Matrix, tiles

BATCH_SIZE = 512
FIRST, SECOND = 8, 32
"""Samples of the batch that warms up, and of the one that is timed."""
MOST = 1e30
"""Its square is known to float64, and in units of it that of everything of its size to float32."""


def fingerprint(module: nn.Module) -> str:
    """SHA-256 over name, dtype, shape and bytes of all parameters and buffers, also those that are never saved."""
    digest = hashlib.sha256()
    tensors = [*module.named_parameters(), *module.named_buffers()]
    for name, tensor in sorted(tensors, key=lambda item: item[0]):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def extract_features(
    encoder: nn.Module,
    source: Source,
    ids: Tensor,
    batch_size: int = BATCH_SIZE,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Representations h of the given samples, without any augmentation.

    The encoder is put in eval mode and on ``device``, and afterwards back as it was. A scene is preprocessed once as a
    whole, which gives the same as preprocessing every patch.

    Args:
        encoder: as of ``simclr.load_encoder``: a module (b, C, H, W) -> (b, dim) with ``preprocess``.
        source: where the samples are.
        ids: which ones, (n,) int64.
        batch_size: samples at once; changes speed and memory only.
        device: where the encoder runs.
        progress: called with (samples done, n), from 0 on.

    Returns:
        (n, dim) float32 on the CPU, in the order of ``ids``.

    Raises:
        InputError: if a feature is NaN or infinite, naming the first sample.
        RuntimeError: if a parameter or buffer changed on the way: the encoder was not frozen.
    """
    show = progress or (lambda done, total: None)
    found: list[Tensor] = []
    show(0, len(ids))
    for h in feature_batches(encoder, source, ids.split(batch_size), device):
        found.append(h)
        show(min(len(ids), batch_size * len(found)), len(ids))
    return torch.cat(found)


@torch.no_grad()
def feature_batches(
    encoder: nn.Module, source: Source, batches: Sequence[Tensor], device: torch.device | str = "cpu"
) -> Iterator[Tensor]:
    """The same batch by batch, (b, dim) float32 each; arguments and errors as in :func:`extract_features`.

    Args:
        encoder, source, device: as there.
        batches: ids of each, (b,) int64.
    """
    before = fingerprint(encoder)
    preprocess: Preprocess = encoder.preprocess  # type: ignore[assignment]
    with _frozen_on(encoder, device):
        scene = isinstance(source, SceneSource)
        # A copy moves to the device: the caller's scene stays where it is.
        taken = preprocess.scene(copy.copy(source).to(device)) if isinstance(source, SceneSource) else source
        for ids, batch in zip(batches, _batches(taken, batches)):
            batch = batch.to(device)
            h = encoder(batch if scene else preprocess(batch, source.value_max))
            if h.dim() != 2:
                raise InputError(f"the encoder gives {tuple(h.shape)} for {len(batch)} samples; (n, dim) is needed.")
            h = h.float().cpu()
            check_finite(h, ids, "the encoder's features")
            yield h
    if fingerprint(encoder) != before:
        raise RuntimeError(
            "the encoder's parameters or buffers changed while features were extracted: it is not frozen "
            "(BatchNorm that updates in eval mode, or another thread that trains it)."
        )


def timed_samples(source: Source) -> int:
    """How many samples :func:`seconds_of_batch` times; none, or fewer, of a source that has hardly any."""
    return min(FIRST + SECOND, len(source)) - FIRST


def seconds_of_batch(encoder: nn.Module, source: Source, device: torch.device | str = "cpu") -> float:
    """Seconds that the features of :func:`timed_samples` of a source take, behind ``FIRST`` that warm up.

    Args:
        encoder, source, device: as in :func:`extract_features`.
    """
    batches = list(torch.arange(min(FIRST + SECOND, len(source))).split([FIRST, timed_samples(source)]))
    times = [0.0]
    with suppress(InputError):  # what is wrong is said when all of them are looked at
        times = [time.perf_counter() for _ in feature_batches(encoder, source, batches, device)]
    return times[-1] - times[0]


def check_finite(features: Matrix, ids: Tensor, what: str) -> None:
    """Refuse features that nothing can be said of.

    Args:
        features: (n, dim).
        ids: of the samples, (n,) int64, for the error.
        what: they are, for the error.

    Raises:
        InputError: no column, NaN or infinity, naming the first sample, or numbers so large or all so small that their
            powers are lost: beyond ``MOST``, or below 1 / ``MOST`` and not all zero.
    """
    if features.shape[1] == 0:
        raise InputError(f"{what} are {tuple(features.shape)}: they have no columns, so nothing tells samples apart.")
    first, bad, named, most = 0, 0, -1, 0.0
    for tile in tiles(features):
        largest = tile.abs().amax(1).double()
        wrong = ~largest.isfinite()
        if bool(wrong.any()):
            named = int(ids[first + int(wrong.nonzero()[0])]) if named < 0 else named
            bad += int(wrong.sum())
        most = max(most, float(largest.max()))
        first += len(tile)
    if bad:
        raise InputError(f"{what} hold NaN or infinity for {bad} of {len(features)} samples, first id {named}.")
    if most > MOST or 0 < most < 1 / MOST:
        raise InputError(f"{what} are at most {most:.3g} in size: bring them between {1 / MOST:g} and {MOST:g}.")


def _batches(source: Source, batches: Sequence[Tensor]) -> Iterator[Tensor]:
    """The samples batch by batch; those of a streamed source are read ahead by one process a core."""
    if not isinstance(source, StreamSource):
        yield from (source[ids] for ids in batches)
        return
    workers = min(usable_cores(), sum(map(len, batches)) // BATCH_SIZE)
    for batch, damaged in read_ahead(source.read, (ids.tolist() for ids in batches), workers):
        source.note_damaged(damaged)
        yield batch


@contextmanager
def _frozen_on(encoder: nn.Module, device: torch.device | str) -> Iterator[None]:
    """Eval mode on a device for a while; then every module's own mode and the old device again."""
    modes = [(module, module.training) for module in encoder.modules()]
    home = next((t.device for t in [*encoder.parameters(), *encoder.buffers()]), torch.device("cpu"))
    encoder.eval().to(device)
    try:
        yield
    finally:
        encoder.to(home)
        for module, training in modes:
            module.training = training
