"""Memory of gradient caching: a batch of 4,096 images cut by 256 against one of 256.

The whole program is measured, `pretrain` for one step with views, loss, optimizer and a look at the health, in a fresh
process for each row: what it takes on top of a process that has run a step of two images.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.harness import Report, extra_peak_memory
from simclr.pretrain import pretrain
from simclr.recipe.read import check_recipe
from simclr.recipe.schema import Recipe


def run(report: Report, quick: bool) -> None:
    """Measure; ``quick`` takes batches that are 64 times smaller."""
    report.machine("torch", "accelerate")
    micro, large = (4, 64) if quick else (256, 4096)
    rows, peaks = [], []
    with tempfile.TemporaryDirectory() as folder:
        for batch, micro_batch in ((micro, None), (2 * micro, None), (large, micro)):
            peak = extra_peak_memory(prepare, batch, micro_batch, folder, limit=16e9)
            peaks.append(peak)
            shown = "did not fit" if peak is None else f"{peak / 2**20:,.0f}"
            rows.append([f"{batch:,}", str(micro_batch or "all at once"), shown])
    report.table(
        "One step of pretrain: ResNet-18, small stem, two views of 32 px, bf16",
        ["batch", "micro batch", "peak MiB on top"],
        rows,
    )
    first, last = peaks[0], peaks[-1]
    ratio = last / first if first and last else None
    report.target(f"memory of {large:,} cached by {micro} over that of {micro}", ratio, at_most=1.2)


def prepare(batch: int, micro_batch: int | None, folder: str) -> Callable[[], object]:
    """A run of one step, and before it a small one that loads what every run loads."""
    images = Path(folder) / "images.npy"
    np.save(images, np.random.default_rng(0).integers(0, 256, (batch, 32, 32, 3), dtype=np.uint8))
    _step(_recipe(images, 2, None), Path(folder))
    return partial(_step, _recipe(images, batch, micro_batch), Path(folder))


def _step(recipe: Recipe, folder: Path) -> None:
    pretrain(recipe, folder / "run", overwrite=True, say=lambda line: None)


def _recipe(images: Path, batch: int, micro_batch: int | None) -> Recipe:
    operations: dict[str, object] = {"resized_crop": {}, "horizontal_flip": {}, "color_jitter": {}, "grayscale": {}}
    return check_recipe(
        {
            "data": {"source": "arrays", "path": str(images), "layout": "NHWC"},
            "augment": operations,
            "encoder": {"name": "resnet18", "stem": "small"},
            "train": {"batch_size": batch, "micro_batch": micro_batch, "max_steps": 1, "precision": "bf16"},
        }
    )
