"""views.png: the views that the run really draws, to be looked at before anything else."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from augment.addressed import permutation
from augment.pipeline import Views
from simclr.data import Source
from simclr.files import write_atomically


@torch.no_grad()
def draw_views(
    augment: Views,
    source: Source,
    plain: Source,
    embed: Callable[[Tensor], Tensor],
    seed: int,
    device: torch.device,
    path: Path,
    samples: int = 8,
) -> None:
    """Draw some samples, each beside its views of the first epoch, as the encoder gets them.

    More than three channels are shown as false colour: the first three principal directions of what is shown.

    Args:
        augment: the pipeline.
        source, plain, embed: as in `simclr.build.Inputs`.
        seed: chooses the samples.
        device: where views are drawn.
        path: PNG to write.
        samples: columns of the picture.
    """
    ids = permutation(seed, 0, len(source), "cpu")[:samples]
    rows = [embed(plain[ids].to(device)).float().cpu(), *augment(source[ids].to(device), ids, 0).float().cpu()]
    names = ["sample", *(f"view {v + 1}" for v in range(len(rows) - 1))]
    pictures = false_colour(rows)

    figure = Figure(figsize=(1.3 * len(ids), 1.4 * len(rows)), dpi=120, layout="constrained")
    axes = figure.subplots(len(rows), len(ids), squeeze=False)
    for r, row in enumerate(pictures):
        for c, picture in enumerate(row):
            axes[r, c].imshow(picture, interpolation="nearest")
            axes[r, c].set_xticks([])
            axes[r, c].set_yticks([])
            if r == 0:
                axes[r, c].set_title(f"{int(ids[c])}", fontsize=8)
        axes[r, 0].set_ylabel(names[r], fontsize=8)
    write_atomically(path, lambda temporary: figure.savefig(temporary))


def false_colour(rows: list[Tensor]) -> list[np.ndarray]:
    """Batches (B, C, h, w) of any channels → pictures (B, h, w, 3) in [0, 1], on one common colour scale."""
    channels = rows[0].shape[1]
    pixels = torch.cat([row.movedim(1, -1).reshape(-1, channels) for row in rows])
    if channels > 3:
        center = pixels.mean(0)
        basis = torch.linalg.svd((pixels - center)[:20000], full_matrices=False).Vh[:3].T
        rows = [((row.movedim(1, -1) - center) @ basis).movedim(-1, 1) for row in rows]
        pixels = (pixels - center) @ basis
    if channels == 2:
        rows, pixels = [F.pad(row, (0, 0, 0, 0, 0, 1)) for row in rows], F.pad(pixels, (0, 1))
    low, high = np.quantile(pixels.numpy(), [0.01, 0.99], axis=0)
    pictures = [(row.movedim(1, -1).numpy() - low) / np.maximum(high - low, 1e-6) for row in rows]
    return [np.clip(np.broadcast_to(p, (*p.shape[:-1], 3)) if channels == 1 else p, 0, 1) for p in pictures]
