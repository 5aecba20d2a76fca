"""Fixed splits of a scene as the field passes them around: label maps of the training and of the test pixels."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from simclr.data.class_numbers import class_numbers
from simclr.data.scenes.array_file import read_array_file
from simclr.errors import InputError
from simclr.eval.splits.split import Split, usable


def map_split(
    labels: Tensor,
    train_map: Tensor,
    test_map: Tensor | None = None,
    *,
    name: str = "map",
    exclude: Iterable[int] | Tensor | None = None,
) -> Split:
    """The split that label maps describe: their pixels that are not 0, with the labels of the ground truth.

    Maps in use number the classes otherwise than the ground truth, and mark pixels that have no label there. So only
    the positions are taken from them; pixels without a label are dropped and counted, and so are those of
    classes that then have no training sample.

    Args:
        labels: class of each pixel, (H, W) int64, -1 = unlabelled.
        train_map: (H, W), 0 = not a training pixel.
        test_map: (H, W), 0 = not a test pixel; None tests on all other labelled pixels.
        name: what the split is called.
        exclude: ids that may be in neither part.

    Raises:
        InputError: if a map has another shape, marks nothing that has a label, or the two share pixels.
    """
    for what, marks in (("training", train_map), ("test", test_map)):
        if marks is not None and marks.shape != labels.shape:
            raise InputError(
                f"the {what} map of {name} has {'x'.join(map(str, marks.shape))} pixels, but the scene has "
                f"{'x'.join(map(str, labels.shape))}: give a map of the same scene."
            )
    flat = labels.flatten().cpu()
    free = usable(flat, exclude)
    marked = train_map.flatten() != 0
    tested = flat >= 0 if test_map is None else test_map.flatten() != 0
    if test_map is None:
        tested = tested & ~marked
    both = (marked & tested).nonzero().flatten()
    if len(both):
        raise InputError(
            f"training and test map of {name} share {len(both)} pixels, first id {int(both[0])}: a pixel may be in one "
            f"part only."
        )
    train, test = (marked & free).nonzero().flatten(), tested & free
    known = torch.isin(flat, flat[train].unique())
    unknown = int((test & ~known).sum())
    dropped = {
        "marked for training, unlabelled": int((marked & (flat < 0)).sum()),
        "marked for testing, unlabelled": int((tested & (flat < 0)).sum()),
        "excluded": int(((marked | tested) & (flat >= 0) & ~free).sum()),
        "of classes without a training sample": unknown,
    }
    left_out = tuple(flat[test & ~known].unique().tolist())
    rule = "training positions from a map, " + (
        "all other labelled pixels test" if test_map is None else "test positions from another"
    )
    return Split(
        name,
        train,
        (test & known).nonzero().flatten(),
        rule=f"{rule}; labels from the ground truth",
        left_out=left_out,
        dropped={why: n for why, n in dropped.items() if n},
    )


def read_map(path: str | Path) -> Tensor:
    """Pixels that a label map marks, (H, W) bool: those with a class, by the convention of a ground truth.

    Args:
        path: .mat, .npy or .npz file whose only array of rows and columns it is.

    Raises:
        InputError: if the file is missing or damaged, or holds no such array, or several; or its numbers can be read
            in two ways.
    """
    file = Path(path)
    content = read_array_file(file, "--split")
    maps = {key: array for key, array in content.items() if array.ndim == 2 and min(array.shape) > 1}
    if len(maps) != 1:
        held = ", ".join(f"{key or 'array'} {'x'.join(map(str, a.shape))}" for key, a in content.items()) or "nothing"
        raise InputError(f"{file} holds {held}: a label map is one array (height, width), 0 = not in this part.")
    name, marks = next(iter(maps.items()))
    if len(np.unique(marks)) == 2 and marks.min() == 0:  # a mask, whatever its other number
        return torch.from_numpy(np.ascontiguousarray(marks != 0))
    return class_numbers(np.asarray(marks), f"{name or 'the map'} in {file}", zero=True, key="") >= 0
