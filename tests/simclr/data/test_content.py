import os
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from simclr.data import Arrays, ImageFolder, SceneSource, TensorSource
from simclr.data.content import content_hash


def test_samples_count_and_labels_and_names_do_not():
    images = torch.arange(2 * 3 * 4 * 4, dtype=torch.uint8).reshape(2, 3, 4, 4)
    known = content_hash(TensorSource(images))
    assert content_hash(TensorSource(images.clone(), torch.tensor([0, 1]), name="other")) == known
    changed = images.clone()
    changed[1, 2, 3, 3] += 1
    others = [
        TensorSource(changed),
        TensorSource(images.to(torch.int16)),
        TensorSource(images, value_max=95),
        TensorSource(images.reshape(2, 4, 3, 4)),
        TensorSource(images[:1]),
    ]
    assert len({known, *map(content_hash, others)}) == 6


def test_a_scene_is_its_cube_and_the_patch():
    cube = torch.arange(4 * 9 * 9, dtype=torch.int16).reshape(4, 9, 9)
    scenes = [SceneSource(cube), SceneSource(cube, patch_size=3), SceneSource(cube, pool=3), SceneSource(cube.flip(2))]
    hashes = [content_hash(scene) for scene in scenes]
    assert len(set(hashes)) == 4
    assert content_hash(SceneSource(cube, torch.ones(9, 9))) == hashes[0]


def test_a_folder_is_its_files_wherever_it_lies(tmp_path):
    for i in range(3):
        (tmp_path / "a" / str(i)).mkdir(parents=True)
        Image.fromarray(np.full((6, 6), 40 * i, dtype=np.uint8)).save(tmp_path / "a" / str(i) / "x.png")
    known = content_hash(ImageFolder(tmp_path / "a"))
    shutil.copytree(tmp_path / "a", tmp_path / "b")  # copies times, too
    assert content_hash(ImageFolder(tmp_path / "b")) == known
    assert content_hash(ImageFolder(tmp_path / "b", image_size=4)) != known
    os.utime(tmp_path / "b" / "1" / "x.png", (9, 9))
    assert content_hash(ImageFolder(tmp_path / "b")) != known


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_an_array_is_its_file_or_its_bytes(tmp_path, suffix):
    array = np.arange(5 * 4 * 4, dtype=np.uint8).reshape(5, 4, 4)
    save = np.save if suffix == ".npy" else np.savez
    hashes = []
    for change in (0, 1):
        array[4, 3, 3] += change
        save(tmp_path / f"a{suffix}", array)
        os.utime(tmp_path / f"a{suffix}", (change, change))
        hashes.append(content_hash(Arrays(tmp_path / f"a{suffix}")))
    assert hashes[0] != hashes[1]
