"""Spatial splits of a scene: training pixels from a few blocks, test pixels so far away that no patch reaches them.

In a random split of pixels a test pixel lies inside training patches, and numbers say how well a scene is remembered.
Here the scene is cut into blocks, some of which give training pixels; every test pixel keeps a distance at which its
patch and the training patches have no pixel in common.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from simclr.augment.addressed import permutation
from simclr.errors import InputError
from simclr.eval.splits.split import Split, usable
from simclr.eval.streams import Stream

DRAWS = 8
LEAST_KEPT = 0.1


def block_split(
    labels: Tensor,
    seed: int,
    patch_size: int,
    *,
    shots: int | None = None,
    share: float | None = None,
    most: float | None = None,
    exclude: Iterable[int] | Tensor | None = None,
    side: int | None = None,
    buffer: int | None = None,
) -> Split:
    """Training samples from blocks of a scene, test samples more than a buffer away from all of those blocks' samples.

    Classes are visited from the rarest to the most frequent. Each takes blocks until they hold as many of its pixels
    as wanted: of ``DRAWS`` random blocks that hold the class, the one whose surroundings cost the least, in shares of
    the classes' remaining test pixels. Never does a class with a training block fall below a tenth of its pixels in the
    test part. A class for which that cannot be done (one small field, in the reach of a single patch) is in neither
    part and named in ``left_out``. Training samples are then drawn as in ``k_shot`` from the pixels that were taken.

    With the same seed and ``most``, fewer shots (or a smaller share) are a subset of more, and the test part is the
    same.

    Args:
        labels: class of each pixel, (H, W) int64, -1 = unlabelled.
        seed: of the blocks and of the samples within them.
        patch_size: side of the patches that will be looked at, odd.
        shots: training samples of each class; a class gives at most half of its pixels.
        share: instead, the share of each class's pixels.
        most: the largest ``shots`` or ``share`` that the same areas are to serve; the given one when None.
        exclude: ids that may be in neither part.
        side: of a block in pixels; half a patch when None.
        buffer: rows and columns between training and test pixels; ``patch_size - 1`` when None, the least that keeps
            their patches apart.

    Returns:
        A split named ``block``.

    Raises:
        InputError: without labels, with sizes out of range, or if fewer than two classes can be shared.
    """
    if labels.ndim != 2:
        raise InputError(
            f"labels have shape {tuple(labels.shape)}: a block split needs the (height, width) of a scene."
        )
    if (shots is None) == (share is None):
        raise InputError("a block split takes either shots or a share of the labels: give one of the two.")
    if (shots is not None and shots < 1) or (share is not None and not 0 < share < 1):
        raise InputError(f"shots is {shots} and share {share}: give 1 or more shots, or a share between 0 and 1.")
    if patch_size < 1 or patch_size % 2 == 0:
        raise InputError(f"patch_size is {patch_size}: a patch has a centre pixel, so give an odd number such as 9.")
    side = (patch_size + 1) // 2 if side is None else side
    buffer = patch_size - 1 if buffer is None else buffer
    if side < 1 or buffer < 0:
        raise InputError(f"side is {side} and buffer {buffer}: a block has 1 pixel or more, a buffer 0 or more.")
    flat = labels.flatten().cpu()
    free = usable(flat, exclude)
    counts = flat[free].bincount(minlength=int(flat.max()) + 1)

    def wanted(amount: float) -> list[int]:
        """Samples of each class."""
        asked = [round(amount * n) if shots is None else int(amount) for n in counts.tolist()]
        return [min(max(a, 1), n // 2) for a, n in zip(asked, counts.tolist())]

    asked: float = shots if shots is not None else share  # type: ignore[assignment]
    area = np.where(free.view(labels.shape).numpy(), labels.cpu().numpy(), -1)
    pool, test, left_out = _areas(area, wanted(max(asked, most or asked)), seed, side, buffer)
    order = permutation(seed, Stream.SPLIT, len(flat), "cpu")
    order = order[torch.from_numpy(pool).flatten()[order]]
    train = [order[flat[order] == c][:n] for c, n in enumerate(wanted(asked))]
    if sum(len(ids) > 0 for ids in train) < 2:
        raise InputError(
            f"fewer than two classes can be shared between blocks that lie {buffer} pixels apart: the scene of "
            f"{labels.shape[0]}x{labels.shape[1]} pixels is too small for patches of {patch_size}; use --split random."
        )
    kept = flat[torch.from_numpy(test).flatten()]
    rule = (
        f"training samples from blocks of {side}x{side} pixels, at most half of a class; test samples more than "
        f"{buffer} pixels away from the blocks' samples"
    )
    return Split(
        "block",
        torch.cat(train).sort().values,
        torch.from_numpy(test).flatten().nonzero().flatten(),
        seed,
        shots,
        rule,
        tuple(left_out),
        share,
        dropped={
            "within the buffer": int(free.sum()) - int(pool.sum()) - len(kept) - int(counts[left_out].sum()),
            "in training blocks, not drawn": int(pool.sum()) - sum(map(len, train)),
            "of classes left out": int(counts[left_out].sum()),
        },
    )


def _areas(
    labels: np.ndarray, wanted: list[int], seed: int, side: int, buffer: int
) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Pixels to train on and to test on, (H, W) bool each, and the classes that are in neither."""
    height, width = labels.shape
    down, right = divmod(int(permutation(seed, Stream.BLOCK_OFFSET, side * side)[0]), side)
    across = (width - 1 + right) // side + 1
    blocks = (np.arange(height)[:, None] + down) // side * across + (np.arange(width)[None] + right) // side
    rank = permutation(seed, Stream.BLOCKS, int(blocks.max()) + 1).argsort().numpy()
    counts = np.bincount(labels[labels >= 0], minlength=len(wanted))
    least = np.maximum(1, np.ceil(LEAST_KEPT * counts))
    test, pool = labels >= 0, np.zeros(labels.shape, dtype=bool)
    left_out = [c for c, n in enumerate(counts) if 0 < n < 2]
    test &= ~np.isin(labels, left_out)
    remaining = np.where(np.isin(np.arange(len(counts)), left_out), 0, counts)
    for c in np.argsort(counts, kind="stable").tolist():
        if remaining[c] == 0:
            continue
        places = _places(labels == c, blocks, rank)
        missing = wanted[c]
        while missing > 0 and places:
            options = []
            for place in places:
                rows, columns = np.nonzero((labels == c) & (blocks == place))
                reach = (
                    slice(max(0, rows.min() - buffer), rows.max() + buffer + 1),
                    slice(max(0, columns.min() - buffer), columns.max() + buffer + 1),
                )
                lost = np.bincount(labels[reach][test[reach]], minlength=len(counts))
                left = remaining - lost
                if bool((left < least)[remaining > 0].any()):
                    continue
                cost = float(np.log(remaining[left > 0] / left[left > 0]).sum())
                options.append((cost / min(len(rows), missing), place, rows, columns, reach, left))
                if len(options) == DRAWS:
                    break
            if not options:
                break
            _, place, rows, columns, reach, remaining = min(options, key=lambda option: option[0])
            places.remove(place)
            missing -= len(rows)
            pool[rows, columns] = True
            test[reach] = False
        if missing == wanted[c]:
            left_out.append(c)
            test &= labels != c
            remaining = np.where(np.arange(len(counts)) == c, 0, remaining)
    return pool, test, sorted(left_out)


def _places(member: np.ndarray, blocks: np.ndarray, rank: np.ndarray) -> list[int]:
    """Blocks that hold a member, in the random order."""
    found = np.unique(blocks[member])
    return found[np.argsort(rank[found])].tolist()
