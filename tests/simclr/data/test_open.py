"""The one door: parts, feeds, limits, and the words for what is missing."""

import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
import torch
from PIL import Image

from simclr.data.images.torchvision_dataset import torchvision_source
from simclr.data.open import open_source
from simclr.errors import InputError
from simclr.recipe.images import DigitsData
from simclr.recipe.read import check_recipe


def opened(part="train", **keys):
    """What the data section of a recipe opens."""
    return open_source(check_recipe({"data": keys}).data, part)


def make_folder(root, parts):
    for part, classes in parts.items():
        for k, name in enumerate(classes):
            (root / part / name).mkdir(parents=True)
            Image.new("RGB", (4, 4), (k, 0, 0)).save(root / part / name / "1.png")


def test_digits():
    source = open_source(DigitsData())
    digits = sklearn.datasets.load_digits()
    np.testing.assert_array_equal(source.images[:, 0].numpy(), digits.images * 15)
    np.testing.assert_array_equal(source.labels.numpy(), digits.target)
    assert open_source(DigitsData(), "test") is None


def test_indian_pines():
    source = opened(source="indian-pines", patch_size=5)
    assert source[torch.tensor([7])].shape == (1, 200, 5, 5)
    assert opened(source="indian-pines", part="test") is None


@pytest.mark.parametrize("test_folder", ["test", "val", "valid"])
def test_parts_of_a_folder(tmp_path, test_folder):
    make_folder(tmp_path, {"train": ["a", "b", "c"], test_folder: ["a", "c"]})
    train = opened(source="image-folder", path=tmp_path)
    test = opened(source="image-folder", path=tmp_path, part="test")
    assert (train.labels.tolist(), test.labels.tolist()) == ([0, 1, 2], [0, 2])
    assert train.class_names == test.class_names == ("a", "b", "c")
    other = opened(source="image-folder", path=tmp_path / "train", test_path=tmp_path / test_folder, part="test")
    assert other.labels.tolist() == [0, 2]
    assert opened(source="image-folder", path=tmp_path / "train", part="test") is None


def test_feed_follows_the_limit(tmp_path):
    make_folder(tmp_path, {"train": ["a", "b"]})

    def resident(**options):
        limit = options.pop("limit", None)  # in bytes
        limit = None if limit is None else limit / 2**30
        return opened(source="image-folder", path=tmp_path, resident_limit=limit, **options).resident

    size = 2 * 3 * 4 * 4
    assert resident()
    assert resident(limit=size)
    assert not resident(limit=size - 1)
    assert not resident(feed="stream")
    assert resident(feed="resident", limit=1)
    assert not resident(limit=size, image_size=5)


def test_array_parts(tmp_path):
    np.savez(tmp_path / "train.npz", x=np.zeros((4, 5, 5)), y=np.arange(4))
    np.savez(tmp_path / "test.npz", x=np.ones((2, 5, 5)), y=np.arange(2))
    paths = {"path": tmp_path / "train.npz", "test_path": tmp_path / "test.npz"}
    assert opened(source="arrays", **paths).labels.tolist() == [0, 1, 2, 3]
    test = opened(source="arrays", part="test", **paths)
    assert (test.labels.tolist(), float(test[torch.tensor([0])].min())) == ([0, 1], 1.0)
    assert opened(source="arrays", path=paths["path"], part="test") is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "folder"}, "data.source is \"folder\", but must be 'image-folder', .* or 'indian-pines'"),
        ({"source": "digits", "part": "val"}, "part is 'val': choose one of train, test"),
        (
            {"source": "image-folder", "feed": "lazy"},
            "data.feed is \"lazy\", but must be 'auto', 'resident' or 'stream'",
        ),
        ({"source": "image-folder", "max_damaged": 5}, "data.max_damaged is 5, but must be at least 0 and at most 1"),
        ({"source": "image-folder"}, "data.path is not set, but data.source=image-folder needs a folder of images"),
        ({"source": "arrays"}, "data.path is not set, but data.source=arrays needs a .npy or .npz file: set data.path"),
        ({"source": "scene"}, "data.path is not set, but data.source=scene needs the file that holds the cube"),
        ({"source": "torchvision"}, "data.name is not set"),
        ({"source": "torchvision", "name": "Cifar-10", "path": "x"}, "did you mean CIFAR10"),
        ({"source": "torchvision", "name": "EMNIST", "path": "x"}, "data.split is not set, but EMNIST needs one"),
        ({"source": "torchvision", "name": "FakeData", "split": "x"}, "FakeData has no splits to choose from"),
        ({"source": "torchvision", "name": "CIFAR10"}, "data.path is not set, but CIFAR10 needs the folder"),
    ],
)
def test_options_that_do_not_fit(options, message):
    with pytest.raises(InputError, match=message):
        opened(**options)


@pytest.mark.parametrize("name", ["CIFAR10", "STL10", "Flowers102", "EuroSAT", "EMNIST"])
def test_torchvision_data_that_is_not_there(tmp_path, name):
    options = {"split": "digits"} if name == "EMNIST" else {}
    with pytest.raises(InputError, match=f"{name} was not found under .*data.download=true") as caught:
        torchvision_source(name, tmp_path, **options)
    assert "\n" not in str(caught.value)


def test_torchvision_fake_data_streams():
    from torchvision import datasets

    source = torchvision_source("FakeData", None)
    assert (len(source), source.sample_shape, source.labels, source.resident) == (1000, (3, 224, 224), None, False)
    small = torchvision_source("FakeData", None, image_size=8)
    expected = datasets.FakeData()[5][0].resize((8, 8), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(small[torch.tensor([5])][0].numpy(), np.asarray(expected).transpose(2, 0, 1))
    assert torchvision_source("FakeData", None, "test") is None


def test_torchvision_splits(tmp_path):
    make_folder(tmp_path / "country211", {"train": ["aa", "bb"], "valid": ["aa", "bb"], "test": ["aa", "bb"]})
    options = {"source": "torchvision", "name": "Country211", "path": tmp_path, "feed": "stream"}
    train, test = opened(**options), opened(part="test", **options)
    for source, part in ((train, "train"), (test, "test")):
        assert source.labels.tolist() == [0, 1]
        assert source.class_names == ("aa", "bb")
        assert source.name == f"Country211 ({part})"
        assert source[torch.tensor([1])][0, :, 0, 0].tolist() == [1, 0, 0]
    assert opened(split="valid", **options).dataset._split == "valid"
    assert opened(split="valid", part="test", **options).dataset._split == "test"
    with pytest.raises(InputError, match=r"Country211 has no part of that name .*: set data\.split"):
        opened(split="unheard-of", **options)


def test_fashion_mnist(tmp_path):
    if "SIMCLR_DATA" not in os.environ:
        pytest.skip("SIMCLR_DATA names no folder of real data")
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for file in (Path(os.environ["SIMCLR_DATA"]) / "fashion_mnist").glob("*.gz"):
        with gzip.open(file) as packed, open(raw / file.stem, "wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
    for part, n in (("train", 60000), ("test", 10000)):
        source = opened(source="torchvision", name="FashionMNIST", path=tmp_path, part=part)
        assert (source.resident, source.images.shape, source.images.dtype) == (True, (n, 1, 28, 28), torch.uint8)
        assert torch.bincount(source.labels).tolist() == [n // 10] * 10
        assert source.class_names[0] == "T-shirt/top"
    with open(raw / "t10k-images-idx3-ubyte", "rb") as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16)
    np.testing.assert_array_equal(source.images.flatten().numpy(), pixels)


@pytest.mark.slow
def test_preprocess_alone_imports_little():
    code = (
        "import sys; import simclr.data.preprocess as p; from simclr.data import Preprocess;"
        "assert Preprocess is p.Preprocess; "
        "heavy = ('augment', 'kornia', 'torchvision', 'sklearn', 'scipy', 'tensorly', 'PIL');"
        "print([m for m in heavy if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert out.stdout.strip() == "[]"


def test_keys_open_a_source_as_a_recipe_with_them_does():
    from simclr.recipe import check_recipe, read_recipe

    given, read = open_source(source="digits"), open_source(check_recipe({"data": {"source": "digits"}}).data)
    assert torch.equal(given.images, read.images)
    with pytest.raises(InputError, match="data is given, and so are source"):
        open_source(read_recipe("digits").data, source="digits")
    with pytest.raises(InputError, match=r"unknown key data\.pth"):
        open_source(source="scene", pth="cube.npy")
