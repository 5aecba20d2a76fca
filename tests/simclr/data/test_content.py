"""What a source says of its content: the hashes that lie in feature caches, and what changes them."""

import hashlib
import os
import shutil
import struct

import numpy as np
import pytest
import torch
from PIL import Image

from simclr.data import Arrays, ImageFolder, SceneSource, Source, StreamSource, TensorSource
from simclr.data.stream import DamagedError
from simclr.errors import InputError


def counting(*shape: int, dtype: torch.dtype = torch.uint8) -> torch.Tensor:
    return torch.arange(int(np.prod(shape))).remainder(251).to(dtype).reshape(shape)


class Indexed(Source):
    def __init__(self, images):
        super().__init__("indexed", images.shape[1])
        self.images = images

    def __len__(self):
        return len(self.images)

    def __getitem__(self, ids):
        return self.images[ids]


class Streamed(StreamSource):
    sample_shape, sample_dtype = (1, 2, 3), torch.uint8

    def __len__(self):
        return 100

    def sample_name(self, i):
        return str(i)

    def read_one(self, i):
        return counting(1, 2, 3) + (i % 200)


def grey_folder(root):
    for i in range(3):
        (root / str(i)).mkdir(parents=True)
        Image.fromarray(np.full((6, 5), 40 * i, dtype=np.uint8)).save(root / str(i) / "x.pgm")
        os.utime(root / str(i) / "x.pgm", (i, i))
    return root


def array_file(file):
    if file.suffix == ".npy":
        np.save(file, counting(5, 4, 4).numpy())
    else:
        np.savez(file, x=counting(5, 4, 4).numpy(), y=np.arange(5))
    os.utime(file, (7, 7))
    return file


# Feature caches hold these: with another value, every feature would be extracted anew.
KNOWN = {
    "tensor": "3283f6f1aef715c81d79627104e29ac457690721eb80243e16238cd569c4a5a8",
    "floats": "4659ba4950030925cdf99b66d16f5c9ab2639feff758f6d23db3fede0ef899b0",
    "scene": "5e1301af5a369829bf29c55590cd8cd621915572d9043b0b240f03daffafe764",
    "pooled": "684d1c344b455c70b896bea14c2022855f2d6053e4b19b279429c5a062d56074",
    "folder": "b7a5dd17fd6821eb78eb479466b54546eb06b3f7d7dfff7005a76828d48d58e6",
    "small": "4e93285a1f0949f873b048f4690cb11a2375817e89abd35644bb9024fcb546e9",
    "npy": "d37d37f8eaf83d4ab370e775c0bfd255f21c64f9e7a1e147d99658fefb0c45ba",
    "npz": "42270a52534170cd0315d73179c4e66fe220773f36b455957a6b9c4f5e2b27f7",
    "streamed": "d7cb2a6fe887d933bf997f577a15654633f3b09a9805e56f8d42f4a5f28c860b",
    "indexed": "9b3a3374d3bae000e770c9984fe0d69cb1e3d68a1562da2605beef5e2a2d2d27",
}


@pytest.mark.parametrize("kind", KNOWN)
def test_hashes_stay_as_they_are(tmp_path, kind):
    make = {
        "tensor": lambda: TensorSource(counting(2, 3, 4, 4)),
        "floats": lambda: TensorSource(counting(5000, 1, 1, 2, dtype=torch.float32)),
        "scene": lambda: SceneSource(counting(4, 9, 9, dtype=torch.int16), patch_size=5),
        "pooled": lambda: SceneSource(counting(4, 9, 9, dtype=torch.int32), patch_size=9, pool=3, value_max=65535),
        "folder": lambda: ImageFolder(grey_folder(tmp_path / "f")),
        "small": lambda: ImageFolder(grey_folder(tmp_path / "f"), image_size=4),
        "npy": lambda: Arrays(array_file(tmp_path / "a.npy")),
        "npz": lambda: Arrays(array_file(tmp_path / "a.npz")),
        "streamed": lambda: Streamed("streamed", 1),
        "indexed": lambda: Indexed(counting(5000, 1, 2, 2)),
    }
    assert make[kind]().content_hash() == KNOWN[kind]


def test_a_tensor_is_its_bytes():
    images = counting(2, 3, 4, 4)
    said = b"('tensor', 255)\n" + b"torch.uint8 (2, 3, 4, 4)\n" + images.numpy().tobytes()
    assert TensorSource(images).content_hash() == hashlib.sha256(said).hexdigest()


def test_samples_count_and_labels_and_names_do_not():
    images = torch.arange(2 * 3 * 4 * 4, dtype=torch.uint8).reshape(2, 3, 4, 4)
    known = TensorSource(images).content_hash()
    assert TensorSource(images.clone(), torch.tensor([0, 1]), name="other").content_hash() == known
    changed = images.clone()
    changed[1, 2, 3, 3] += 1
    others = [
        TensorSource(changed),
        TensorSource(images.to(torch.int16)),
        TensorSource(images, value_max=95),
        TensorSource(images.reshape(2, 4, 3, 4)),
        TensorSource(images[:1]),
    ]
    assert len({known, *(other.content_hash() for other in others)}) == 6


def test_a_scene_is_its_cube_and_the_patch():
    cube = torch.arange(4 * 9 * 9, dtype=torch.int16).reshape(4, 9, 9)
    scenes = [SceneSource(cube), SceneSource(cube, patch_size=3), SceneSource(cube, pool=3), SceneSource(cube.flip(2))]
    hashes = [scene.content_hash() for scene in scenes]
    assert len(set(hashes)) == 4
    assert SceneSource(cube, torch.ones(9, 9)).content_hash() == hashes[0]


def test_a_folder_is_its_files_wherever_it_lies(tmp_path):
    for i in range(3):
        (tmp_path / "a" / str(i)).mkdir(parents=True)
        Image.fromarray(np.full((6, 6), 40 * i, dtype=np.uint8)).save(tmp_path / "a" / str(i) / "x.png")
    known = ImageFolder(tmp_path / "a").content_hash()
    shutil.copytree(tmp_path / "a", tmp_path / "b")  # copies times, too
    assert ImageFolder(tmp_path / "b").content_hash() == known
    assert ImageFolder(tmp_path / "b", image_size=4).content_hash() != known
    os.utime(tmp_path / "b" / "1" / "x.png", (9, 9))
    assert ImageFolder(tmp_path / "b").content_hash() != known


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_an_array_is_its_file_or_its_bytes(tmp_path, suffix):
    array = np.arange(5 * 4 * 4, dtype=np.uint8).reshape(5, 4, 4)
    save = np.save if suffix == ".npy" else np.savez
    hashes = []
    for change in (0, 1):
        array[4, 3, 3] += change
        save(tmp_path / f"a{suffix}", array)
        os.utime(tmp_path / f"a{suffix}", (change, change))
        hashes.append(Arrays(tmp_path / f"a{suffix}").content_hash())
    assert hashes[0] != hashes[1]


def test_two_classes_of_one_name_are_refused():
    with pytest.raises(InputError, match="two classes that are called oats: give every class a name of its own"):
        TensorSource(torch.zeros(3, 1, 2, 2), torch.tensor([0, 1, 2]), class_names=["oats", "oats", "corn"])


def expected_hashes(rows):
    """BLAKE2b, 8 bytes, read as a signed little-endian number."""
    return [struct.unpack("<q", hashlib.blake2b(bytes(row), digest_size=8).digest())[0] for row in rows]


def test_each_sample_has_a_hash_of_its_bytes():
    images = counting(300, 2, 3, 1, dtype=torch.int16)
    found = TensorSource(images).sample_hashes()
    assert found.kind == "values int16 (2, 3, 1)"
    assert found.values.dtype == torch.int64
    assert found.values.tolist() == expected_hashes(image.tobytes() for image in images.numpy())


def test_a_sample_read_when_asked_for_has_the_hash_of_one_in_memory(tmp_path):
    arrays = Arrays(array_file(tmp_path / "a.npy"))
    for source in (arrays, Streamed("streamed", 1)):
        streamed, loaded = source.sample_hashes(), source.load().sample_hashes()
        assert streamed.kind == loaded.kind
        assert torch.equal(streamed.values, loaded.values)
    assert torch.equal(arrays.sample_hashes().values, TensorSource(counting(5, 1, 4, 4)).sample_hashes().values)


def test_a_damaged_sample_and_a_file_that_is_gone_have_the_hash_0(tmp_path):
    class Damaged(Streamed):
        def read_one(self, i):
            if i == 7:
                raise DamagedError("7")
            return super().read_one(i)

    source = Damaged("streamed", 1)
    assert torch.equal(source.sample_hashes().values == 0, torch.arange(100) == 7)
    assert source.damaged == []
    folder = ImageFolder(grey_folder(tmp_path / "f"))
    contents = [(tmp_path / "f" / name).read_bytes() for name in folder.files]
    (tmp_path / "f" / "1" / "x.pgm").unlink()
    expected = expected_hashes(contents)
    assert folder.sample_hashes() == ("files", pytest.approx(torch.tensor([expected[0], 0, expected[2]])))


def test_a_pixel_of_a_scene_has_the_hash_of_its_spectrum_in_any_number_format():
    cube = counting(20, 5, 4, dtype=torch.int32)
    spectra = cube.permute(1, 2, 0).reshape(20, 20).numpy().astype("<f4")
    for scene in (SceneSource(cube, patch_size=3), SceneSource(cube.double(), patch_size=5)):
        assert scene.sample_hashes().values.tolist() == expected_hashes(row.tobytes() for row in spectra)


def test_a_pixel_of_few_bands_is_told_by_its_neighbours_too():
    cube = torch.zeros(3, 6, 6)
    cube[:, 2, 2] = 1.0
    values = SceneSource(cube, patch_size=3).sample_hashes().values.view(6, 6)
    # The nine pixels around differ from all others, and from each other.
    assert len(values.unique()) == 10
    assert len(values[1:4, 1:4].unique()) == 9
