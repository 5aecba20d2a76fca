"""Small images: which are read, and that nothing of their labels reaches pretraining."""

import gzip
import io
import tarfile
import zipfile

import numpy as np
from PIL import Image

from benchmarks.quality.images import cifar10, digits, fashion, omniglot, open_images, save_images


def idx(array):
    return gzip.compress(bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.tobytes())


def png(array, kind="PNG"):
    content = io.BytesIO()
    Image.fromarray(array).save(content, kind)
    return content.getvalue()


def test_fashion_is_a_fixed_subset_of_idx_files(tmp_path):
    g = np.random.default_rng(0)
    folder = tmp_path / "fashion_mnist"
    folder.mkdir()
    images, labels = g.integers(0, 256, (30, 4, 5), dtype=np.uint8), np.arange(30, dtype=np.uint8)
    for part, n in (("train", 30), ("t10k", 7)):
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(idx(images[:n]))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(idx(labels[:n]))
    found, more = fashion(tmp_path, 10), fashion(tmp_path, 20)
    np.testing.assert_array_equal(found.train, images[found.train_labels])
    assert len(set(found.train_labels.tolist())) == 10
    assert more.train_labels[:10].tolist() == found.train_labels.tolist()
    np.testing.assert_array_equal(found.test, images[:7])


def test_cifar_is_read_from_the_archive(tmp_path):
    g = np.random.default_rng(0)
    with tarfile.open(tmp_path / "cifar10_jpg.tar.xz", "w:xz") as tar:
        for part, n in (("train", 4), ("test", 2)):
            for kind, level in (("cat", 40), ("dog", 200)):
                for i in range(n):
                    content = png(np.full((8, 8, 3), level + g.integers(0, 9), np.uint8), "JPEG")
                    member = tarfile.TarInfo(f"cifar/{part}/{kind}/{i}.jpg")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
    found = cifar10(tmp_path, 6, 3)
    assert (found.train.shape, found.test.shape) == ((6, 8, 8, 3), (3, 8, 8, 3))
    for images, labels in ((found.train, found.train_labels), (found.test, found.test_labels)):
        np.testing.assert_array_equal(images.mean((1, 2, 3)) > 120, labels == 1)


def test_omniglot_is_judged_on_alphabets_that_pretraining_has_not_seen(tmp_path):
    folder = tmp_path / "omniglot"
    folder.mkdir()
    with zipfile.ZipFile(folder / "images_background_small1.zip", "w") as archive:
        for alphabet, characters in (("Greek", 2), ("Korean", 3), ("Latin", 1)):
            for character in range(characters):
                for i in range(2):
                    name = f"images/{alphabet}/character{character:02}/{i}.png"
                    archive.writestr(name, png(np.full((105, 105), 255 * (i % 2), np.uint8)))
    found = omniglot(tmp_path)
    assert found.train.shape == (6, 32, 32)
    assert found.train_labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert found.test_labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert found.episodes


def test_digits_are_two_parts_and_pretraining_gets_images_alone(tmp_path):
    found = digits(None)
    assert (found.train.shape, found.test.shape) == ((1000, 8, 8), (797, 8, 8))
    file = save_images(found, tmp_path / "digits")
    assert [path.name for path in file.parent.iterdir()] == ["images.npy"]
    np.testing.assert_array_equal(np.load(file), found.train)
    train, test = open_images(found)
    assert (train.images.shape, test.images.shape) == ((1000, 1, 8, 8), (797, 1, 8, 8))
    np.testing.assert_array_equal(test.labels.numpy(), found.test_labels)
