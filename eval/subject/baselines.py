"""What a representation must beat: the input itself, its principal components, and the same encoder untrained."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from simclr.augment.addressed import permutation
from simclr.data.preprocess import Preprocess
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import Source
from simclr.encoder_file import FrozenEncoder
from simclr.eval.streams import Stream
from simclr.eval.subject.features import BATCH_SIZE, check_finite, fingerprint
from simclr.eval.work.work import TENSORS, Work
from simclr.views.encoder_inputs import plain_inputs

RAW_SIDE = 16
BASELINE_SAMPLES = 2_048
CALIBRATIONS = "calibrations"
"""The kind of work, in encoders."""
NORMS = (nn.modules.batchnorm._BatchNorm,)


def unlabelled_ids(source: Source) -> Tensor:
    """Up to ``BASELINE_SAMPLES`` of a training source at random, ascending: what baselines see, without labels."""
    return permutation(0, Stream.BASELINES, len(source), "cpu")[:BASELINE_SAMPLES].sort().values


@torch.no_grad()
def raw_features(
    preprocess: Preprocess,
    source: Source,
    ids: Tensor,
    batch_size: int = BATCH_SIZE,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """The input as features: a photograph's pixels, or the spectrum of a scene's pixel.

    Pixels are in the working units of ``preprocess.to_units``. Photographs larger than 16 x 16 are averaged down to at
    most that; a scene's pixel is its own spectrum alone.

    Args:
        preprocess: the encoder's, for its ``to_units``.
        source: where the samples are.
        ids: which ones, (n,) int64.
        batch_size: samples at once.
        progress: called with (samples done, n) after each batch.

    Returns:
        (n, C) for a scene, otherwise (n, C*h*w), float32 on the CPU.

    Raises:
        InputError: if a value is NaN or infinite.
    """
    device = _device_of(preprocess)
    found: list[Tensor] = []
    if isinstance(source, SceneSource):
        spectra = preprocess.to_units(source.cube.unsqueeze(0).to(device), source.value_max)[0].flatten(1)
        found.append(spectra[:, ids.to(device)].T.float().cpu())
    else:
        for part in ids.split(batch_size):
            x = preprocess.to_units(source[part].to(device), source.value_max).float()
            x = adaptive_avg_pool2d(x, (min(x.shape[-2], RAW_SIDE), min(x.shape[-1], RAW_SIDE)))
            found.append(x.flatten(1).cpu())
            if progress is not None:
                progress(min(len(ids), batch_size * len(found)), len(ids))
    features = torch.cat(found)
    check_finite(features, ids, "the raw features")
    return features


@torch.no_grad()
def patches(preprocess: Preprocess, source: SceneSource, ids: Tensor) -> Tensor:
    """The encoder's own input of a scene's pixels as features, (n, out_chans * h * w) float32 on the CPU."""
    scene = _seen_by(preprocess, source)
    return torch.cat([scene[part].flatten(1).float().cpu() for part in ids.split(BATCH_SIZE)])


def fit_pca(x: Tensor, components: int) -> tuple[Tensor, Tensor]:
    """Mean and first principal directions of samples.

    Args:
        x: (n, dim), any float type.
        components: at most so many; fewer where n - 1 or the rank is smaller.

    Returns:
        mean (dim,) and orthonormal directions (dim, k), the largest variance first; float32.
    """
    mean = x.float().mean(0)
    centred = x.float() - mean
    if len(x) >= x.shape[1]:
        values, directions = torch.linalg.eigh(centred.T @ centred)
    else:
        values, left = torch.linalg.eigh(centred @ centred.T)
        directions = centred.T @ left / values.clamp_min(1e-12).sqrt()
    usable = values > 1e-6 * values[-1].clamp_min(1e-12)
    return mean, directions[:, usable].flip(1)[:, :components]


@torch.no_grad()
def calibrated_twin(
    encoder: FrozenEncoder, seed: int, source: Source, device: torch.device | str = "cpu", work: Work | None = None
) -> FrozenEncoder:
    """The encoder's random twin, its BatchNorm statistics those of ``unlabelled_ids`` of the source.

    A fresh BatchNorm passes its input through; with statistics of the data the untrained encoder is 0.5 to 1.5 points
    better on Indian Pines, and so the more honest baseline.

    Args:
        encoder: with ``random_twin`` and ``preprocess``.
        seed: of the weights.
        source: training samples.
        device: where the passes run.
        work: keeps the statistics; in the scope of the source.
    """
    twin = encoder.random_twin(seed).to(device)
    norms = {name: module for name, module in twin.named_modules() if isinstance(module, NORMS)}
    if not norms:
        return twin

    def statistics() -> Mapping[str, Tensor]:
        for norm in norms.values():
            norm.reset_running_stats()
            norm.momentum = None  # the plain average over batches
            norm.train()
        inputs, ids = plain_inputs(encoder, source, device), unlabelled_ids(source)
        # The network itself: a frozen module around it keeps statistics as they are.
        network = twin.encoder if isinstance(twin, FrozenEncoder) else twin
        for part in ids.tensor_split(max(1, len(ids) // BATCH_SIZE)):
            network(inputs(part).contiguous(memory_format=torch.channels_last))
        return {f"{name}.{key}": value.cpu() for name, norm in norms.items() for key, value in norm.named_buffers()}

    work = work or Work()
    of = fingerprint(twin) if work.keeps else ""
    found = work.part(TENSORS, statistics, CALIBRATIONS, 1, what="statistics of the inputs", of=of)
    for name, norm in norms.items():
        norm.momentum = None
        for key, value in norm.named_buffers():
            value.copy_(found[f"{name}.{key}"])
    return twin.eval()


@torch.no_grad()
def window_mean(preprocess: Preprocess, source: SceneSource, ids: Tensor, batch_size: int = BATCH_SIZE) -> Tensor:
    """The encoder's own input, averaged over the patch: what a scene's surroundings say without anything learned.

    Where the input is whitened this is a strong baseline, far above the pixel's spectrum.

    Args:
        preprocess: the encoder's.
        source: the scene.
        ids: which pixels, (n,) int64.
        batch_size: patches at once.

    Returns:
        (n, out_chans) float32 on the CPU.
    """
    scene = _seen_by(preprocess, source)
    features = torch.cat([scene[part].mean((2, 3)).float().cpu() for part in ids.split(batch_size)])
    check_finite(features, ids, "the window means")
    return features


def _seen_by(preprocess: Preprocess, source: SceneSource) -> SceneSource:
    """The scene as the encoder takes it, on the device of its preprocessing; the given one stays where it is."""
    return preprocess.scene(copy.copy(source).to(_device_of(preprocess)))


def _device_of(module: Preprocess) -> torch.device:
    return next((t.device for t in [*module.parameters(), *module.buffers()]), torch.device("cpu"))
