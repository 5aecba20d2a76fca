"""What a source holds, as one hash: features and splits of one data set are then never taken for another's."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from simclr.data.images.arrays import Arrays
from simclr.data.images.image_folder import ImageFolder
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import Source, TensorSource
from simclr.data.stream import StreamSource

_SAMPLED = 64
_ROWS_AT_ONCE = 4096


def content_hash(source: Source) -> str:
    """SHA-256 of what the samples are made of: not of labels or names, nor of the path, but as said below.

    In memory: every byte. A folder of images: relative path, size and time of change of every file, and how they are
    decoded. A memory-mapped array: the same of its file. Other streams (torchvision's): number, shape and up to
    64 samples spread over all.
    """
    digest = hashlib.sha256()

    def note(*facts: object) -> None:
        digest.update(f"{facts}\n".encode())

    if isinstance(source, SceneSource):
        note("scene", source.patch_size, source.pool, source.value_max)
        _add(digest.update, source.cube)
    elif isinstance(source, TensorSource):
        note("tensor", source.value_max)
        _add(digest.update, source.images)
    elif isinstance(source, ImageFolder):
        note("files", source.format, source.sample_shape)
        for name in source.files:
            stat = os.stat(source.root / name)
            note(name.replace(os.sep, "/"), stat.st_size, stat.st_mtime_ns)
    elif isinstance(source, Arrays) and isinstance(source.array, np.memmap):
        assert source.array.filename is not None  # it was read from a file
        stat = os.stat(source.array.filename)
        note("file", stat.st_size, stat.st_mtime_ns, source.array.shape, source.array.strides, str(source.array.dtype))
    elif isinstance(source, Arrays):
        note("array")
        for start in range(0, len(source), _ROWS_AT_ONCE):
            _add(digest.update, source.read(range(start, min(start + _ROWS_AT_ONCE, len(source))))[0])
    elif isinstance(source, StreamSource):
        spread = list(dict.fromkeys(k * len(source) // _SAMPLED for k in range(_SAMPLED)))
        note("stream", len(source), source.sample_shape, str(source.sample_dtype))
        _add(digest.update, source.read(spread)[0])
    else:
        note("samples", len(source))
        for ids in torch.arange(len(source)).split(_ROWS_AT_ONCE):
            _add(digest.update, source[ids])
    return digest.hexdigest()


def _add(update: Callable[[memoryview], None], tensor: Tensor) -> None:
    update(memoryview(f"{tensor.dtype} {tuple(tensor.shape)}\n".encode()))
    for rows in tensor.detach().split(_ROWS_AT_ONCE):
        update(rows.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
