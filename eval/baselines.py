"""What a representation must beat: the input itself, and the same encoder before any training."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from eval.features import BATCH_SIZE, check_finite
from simclr.data.preprocess import Preprocess
from simclr.data.scene import SceneSource
from simclr.data.source import Source

RAW_SIDE = 16


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
        spectra = preprocess.to_units(source.cube.unsqueeze(0).to(device))[0].flatten(1)
        found.append(spectra[:, ids.to(device)].T.float().cpu())
    else:
        for part in ids.split(batch_size):
            x = preprocess.to_units(source[part].to(device)).float()
            x = adaptive_avg_pool2d(x, (min(x.shape[-2], RAW_SIDE), min(x.shape[-1], RAW_SIDE)))
            found.append(x.flatten(1).cpu())
            if progress is not None:
                progress(min(len(ids), batch_size * len(found)), len(ids))
    features = torch.cat(found)
    check_finite(features, ids, "the raw features")
    return features


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
    patches = preprocess.scene(source)
    features = torch.cat([patches[part].mean((2, 3)).float().cpu() for part in ids.split(batch_size)])
    check_finite(features, ids, "the window means")
    return features


def _device_of(module: Preprocess) -> torch.device:
    return next((t.device for t in [*module.parameters(), *module.buffers()]), torch.device("cpu"))
