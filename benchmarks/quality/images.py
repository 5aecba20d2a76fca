"""Small images of the proving ground, each a training part, of which pretraining sees no label, and a test part."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.quality.scenes import at_hand
from simclr.augment.addressed import permutation
from simclr.data.images.digits import load_digits
from simclr.data.source import TensorSource

SUBSET_SEED = 0
UNSEEN = ("Greek", "Latin")
OMNIGLOT_SIDE = 32


class Images(NamedTuple):
    """Images in arrays.

    Attributes:
        train: (N, H, W) or (N, H, W, 3) uint8.
        train_labels: (N,) int64, class 0..K-1; only the judge sees them.
        test: (M, H, W) or (M, H, W, 3) uint8.
        test_labels: (M,) int64.
        episodes: whether the test part is judged by itself, in episodes, because its classes are new.
    """

    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray
    episodes: bool = False


def digits(folder: Path | None) -> Images:
    """scikit-learn's digits, 8 px: 1,000 to train on, 797 to test on."""
    source = load_digits()
    assert source.labels is not None
    images, labels = source.images[:, 0].numpy(), source.labels.numpy()
    order = permutation(SUBSET_SEED, 0, len(images)).numpy()
    first, rest = order[:1000], order[1000:]
    return Images(images[first], labels[first], images[rest], labels[rest])


def fashion(folder: Path | None, samples: int) -> Images:
    """Fashion-MNIST, 28 px: a fixed random subset of its training part, and its test part."""
    train, test = (
        [_idx(at_hand(folder, f"fashion_mnist/{part}-{what}-ubyte.gz")) for what in ("images-idx3", "labels-idx1")]
        for part in ("train", "t10k")
    )
    kept = permutation(SUBSET_SEED, 0, len(train[0])).numpy()[:samples]
    return Images(train[0][kept], train[1][kept].astype(np.int64), test[0], test[1].astype(np.int64))


def cifar10(folder: Path | None, samples: int = 5_000, test_samples: int = 2_000) -> Images:
    """CIFAR-10, 32 px, from JPEG: fixed random subsets of its training and its test part."""
    archive = at_hand(folder, "cifar10_jpg.tar.xz")
    with tarfile.open(archive) as tar:
        names = sorted(name for name in tar.getnames() if name.endswith(".jpg"))
    parts = []
    for part, count in (("train", samples), ("test", test_samples)):
        mine = [name for name in names if part in Path(name).parts]
        parts.append([mine[i] for i in permutation(SUBSET_SEED, 0, len(mine)).tolist()[:count]])
    wanted = {name for part in parts for name in part}
    found: dict[str, np.ndarray] = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.name in wanted:
                content = tar.extractfile(member)
                assert content is not None
                found[member.name] = np.asarray(Image.open(io.BytesIO(content.read())).convert("RGB"))
    classes = sorted({Path(name).parent.name for name in wanted})
    train, test = (np.stack([found[name] for name in part]) for part in parts)
    labels = [np.array([classes.index(Path(name).parent.name) for name in part]) for part in parts]
    return Images(train, labels[0], test, labels[1])


def omniglot(folder: Path | None) -> Images:
    """Hand-written characters at 32 px, 20 of each: 86 to train on, and 50 of other alphabets to test on."""
    parts: dict[bool, tuple[list[np.ndarray], list[str]]] = {False: ([], []), True: ([], [])}
    with zipfile.ZipFile(at_hand(folder, "omniglot/images_background_small1.zip")) as archive:
        for name in sorted(name for name in archive.namelist() if name.endswith(".png")):
            alphabet, character = Path(name).parts[-3:-1]
            image = Image.open(io.BytesIO(archive.read(name))).convert("L")
            small = image.resize((OMNIGLOT_SIDE, OMNIGLOT_SIDE), Image.Resampling.BILINEAR)
            images, classes = parts[alphabet in UNSEEN]
            images.append(np.asarray(small))
            classes.append(f"{alphabet} {character}")
    numbers = [np.unique(classes, return_inverse=True)[1].astype(np.int64) for _, classes in parts.values()]
    train, test = (np.stack(images) for images, _ in parts.values())
    return Images(train, numbers[0], test, numbers[1], episodes=True)


def save_images(images: Images, folder: Path) -> Path:
    """The training part as ``images.npy``, which is all that pretraining gets."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "images.npy", images.train)
    return folder / "images.npy"


def open_images(images: Images) -> tuple[TensorSource, TensorSource]:
    """Training and test part with labels."""
    parts = ((images.train, images.train_labels), (images.test, images.test_labels))
    train, test = (TensorSource(_tensor(pixels), torch.from_numpy(labels)) for pixels, labels in parts)
    return train, test


def _tensor(pixels: np.ndarray) -> Tensor:
    found = torch.from_numpy(pixels.copy())
    return found[:, None] if found.ndim == 3 else found.permute(0, 3, 1, 2).contiguous()


def _idx(path: Path) -> np.ndarray:
    """An array in MNIST's idx form: two zeros, the type (8: uint8), the number of axes, and their lengths."""
    content = gzip.decompress(path.read_bytes())
    axes = content[3]
    shape = np.frombuffer(content, ">i4", axes, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)
