"""Image folders: what is found, how it is decoded, and what happens to damaged files."""

import io
import os
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as tv

from simclr.data.images.image_folder import ImageFolder, open_image_folder
from simclr.errors import InputError
from simclr.recipe.images import ImageFolderData


def picture(seed: int, size=(10, 8), mode="RGB") -> Image.Image:
    channels = {"L": (), "RGB": (3,), "RGBA": (4,), "CMYK": (4,)}[mode]
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], *channels), dtype=np.uint8)
    return Image.fromarray(values, mode)


def save(image: Image.Image, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def truncated_jpeg(path):
    buffer = io.BytesIO()
    picture(0, (64, 64)).save(buffer, "JPEG")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])


def test_class_folders_give_labels_and_files_are_sorted(tmp_path):
    for k, file in enumerate(["b/2.png", "a/x/9.PNG", "a/1.png", "b/1.png"]):
        save(picture(k), tmp_path / file)
    save(picture(9), tmp_path / ".hidden" / "1.png")
    save(picture(9), tmp_path / "a" / ".1.png")
    (tmp_path / "a" / "notes.txt").write_text("not an image")
    folder = ImageFolder(tmp_path)
    assert folder.files == ["a/1.png", "a/x/9.PNG", "b/1.png", "b/2.png"]
    assert folder.class_names == ("a", "b")
    assert folder.labels.tolist() == [0, 0, 1, 1]
    expected = [np.asarray(picture(k)).transpose(2, 0, 1) for k in (2, 1, 3, 0)]
    np.testing.assert_array_equal(folder[torch.arange(4)].numpy(), expected)
    loaded = folder.load()
    np.testing.assert_array_equal(loaded[torch.arange(4)].numpy(), expected)
    assert loaded.labels.tolist() == [0, 0, 1, 1]
    assert folder.nbytes == loaded.images.nbytes


@pytest.mark.parametrize("files", [["1.png", "a/2.png", "b/3.png"], ["1.png"], ["only/1.png", "only/2.png"]])
def test_without_class_folders_there_are_no_labels(tmp_path, files):
    for k, file in enumerate(files):
        save(picture(k), tmp_path / file)
    assert ImageFolder(tmp_path).labels is None


@pytest.mark.parametrize("mode", ["RGBA", "CMYK", "P", "L", "1"])
def test_other_modes_become_rgb(tmp_path, mode):
    image = picture(1, mode=mode) if mode in ("RGBA", "CMYK", "L") else picture(1).convert(mode)
    save(image, tmp_path / ("1.tif" if mode == "CMYK" else "1.png"))
    got = ImageFolder(tmp_path, in_chans=3)[torch.tensor([0])][0].numpy()
    if mode == "RGBA":  # transparency is dropped, not blended
        expected = np.asarray(image)[..., :3]
    else:
        expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(got, expected.transpose(2, 0, 1))


def test_grey_is_one_channel_unless_any_is_coloured(tmp_path):
    save(picture(0, mode="L"), tmp_path / "1.png")
    grey = ImageFolder(tmp_path)
    assert (grey.in_chans, grey.value_max) == (1, 255)
    np.testing.assert_array_equal(grey[torch.tensor([0])][0, 0].numpy(), np.asarray(picture(0, mode="L")))
    save(picture(1), tmp_path / "2.png")
    assert ImageFolder(tmp_path).in_chans == 3


def test_16_bit_grey_is_kept(tmp_path):
    values = np.random.default_rng(0).integers(0, 65536, (8, 10)).astype(np.uint16)
    save(Image.fromarray(values), tmp_path / "1.png")
    folder = ImageFolder(tmp_path)
    assert folder.value_max == 65535
    np.testing.assert_array_equal(folder[torch.tensor([0])][0, 0].numpy(), values)
    # Beside an 8-bit image, both have 8 bits: 65535 is 255.
    save(picture(0, mode="L"), tmp_path / "2.png")
    mixed = ImageFolder(tmp_path)
    assert mixed.value_max == 255
    np.testing.assert_array_equal(mixed[torch.tensor([0])][0, 0].numpy(), np.round(values / 257).astype(np.uint8))


def test_orientation_of_the_camera_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned: what was stored must be rotated by 90 degrees clockwise
    save(picture(0), tmp_path / "1.png", exif=exif)
    got = ImageFolder(tmp_path)[torch.tensor([0])][0].numpy()
    np.testing.assert_array_equal(got, np.rot90(np.asarray(picture(0)), -1).transpose(2, 0, 1))


@pytest.mark.parametrize("size", [(40, 30), (17, 40), (8, 6)])
def test_resize_equals_torchvision(tmp_path, size):
    save(picture(0, size), tmp_path / "1.png")
    got = ImageFolder(tmp_path, image_size=16)[torch.tensor([0])][0]
    expected = tv.center_crop(tv.resize(picture(0, size), 16, antialias=True), 16)
    difference = (got.int() - tv.pil_to_tensor(expected).int()).abs()
    assert got.shape == (3, 16, 16)
    assert int(difference.max()) <= 2


def test_large_jpeg_is_resized_as_if_decoded_whole(tmp_path):
    smooth = np.outer(np.linspace(0, 255, 400), np.linspace(0, 1, 600)).astype(np.uint8)
    save(Image.fromarray(np.stack([smooth, smooth[::-1], smooth], -1)), tmp_path / "1.jpg")
    got = ImageFolder(tmp_path, image_size=32)[torch.tensor([0])][0]
    expected = tv.center_crop(tv.resize(Image.open(tmp_path / "1.jpg").convert("RGB"), 32, antialias=True), 32)
    assert int((got.int() - tv.pil_to_tensor(expected).int()).abs().max()) <= 3


def test_different_sizes_need_image_size(tmp_path):
    save(picture(0, (10, 8)), tmp_path / "1.png")
    save(picture(1, (12, 8)), tmp_path / "2.png")
    with pytest.raises(InputError, match=r"2\.png has 12x8 pixels, but the first image has 10x8: set data.image_size"):
        ImageFolder(tmp_path).load()
    assert ImageFolder(tmp_path, image_size=8).load().images.shape == (2, 3, 8, 8)


def damaged_folder(tmp_path, n=5, broken=(2,)):
    for k in range(n):
        if k in broken:
            truncated_jpeg(tmp_path / f"{'ab'[k % 2]}" / f"{k}.jpg")
        else:
            save(picture(k, (64, 64)), tmp_path / f"{'ab'[k % 2]}" / f"{k}.jpg")
    return tmp_path


def test_ids_and_samples_are_the_same_loaded_or_streamed(tmp_path):
    folder = ImageFolder(damaged_folder(tmp_path))
    loaded = folder.load()
    assert len(loaded) == 5
    assert loaded.damaged == ["a/2.jpg"]
    streamed = ImageFolder(tmp_path)
    torch.testing.assert_close(loaded[torch.arange(5)], streamed[torch.arange(5)])
    assert loaded.labels.tolist() == streamed.labels.tolist() == [0, -1, 0, 1, 1]


def test_a_damaged_image_is_replaced_by_the_next_when_streamed(tmp_path):
    folder = ImageFolder(damaged_folder(tmp_path, broken=(4,)))  # sorted a/0 a/2 a/4 b/1 b/3
    batch = folder[torch.tensor([2, 3, 2])]
    assert torch.equal(batch[0], batch[1])
    assert torch.equal(batch[2], batch[1])
    assert folder.damaged == ["a/4.jpg"]
    assert folder.labels.tolist() == [0, 0, -1, 1, 1]


def test_too_many_damaged_are_named(tmp_path):
    damaged_folder(tmp_path, broken=(2, 3))
    for read in (lambda f: f.load(), lambda f: f[torch.arange(5)]):
        with pytest.raises(InputError, match=r"2 damaged images of 5 \(a/2.jpg, b/3.jpg\), more than data.max_damaged"):
            read(ImageFolder(tmp_path))
    assert (ImageFolder(tmp_path, max_damaged=0.5).load().labels >= 0).sum() == 3


def test_nothing_readable(tmp_path):
    damaged_folder(tmp_path, n=3, broken=(0, 1, 2))
    with pytest.raises(InputError, match=r"none of the 3 images .* can be read"):
        ImageFolder(tmp_path)


def test_missing_and_empty_folders(tmp_path):
    with pytest.raises(InputError, match="which does not exist: give a folder of images"):
        ImageFolder(tmp_path / "missing")
    (tmp_path / "notes.txt").write_text("x")
    for strange in ("x" * 5000, "a\0b", "\ud800"):
        with pytest.raises(InputError, match="cannot be looked at") as caught:
            ImageFolder(tmp_path / strange)
        assert len(str(caught.value).encode()) < 500
    with pytest.raises(InputError, match="which is a file"):
        ImageFolder(tmp_path / "notes.txt")
    with pytest.raises(InputError, match=r"no images under .*: looked for .jpg, .jpeg, .png"):
        ImageFolder(tmp_path)
    save(Image.fromarray(np.zeros((4, 4), np.float32)), tmp_path / "1.tif")
    with pytest.raises(InputError, match=r"1\.tif holds floating point values.*data.source=arrays"):
        ImageFolder(tmp_path).load()


def test_the_training_part_numbers_the_classes(tmp_path):
    save(picture(0), tmp_path / "c" / "1.png")
    assert ImageFolder(tmp_path, class_names=["a", "b", "c"]).labels.tolist() == [2]
    with pytest.raises(InputError, match="class folder 'c', which the training part lacks"):
        ImageFolder(tmp_path, class_names=["a", "b"])


def test_a_class_folder_not_named_in_utf_8_is_refused_at_the_start(tmp_path):
    save(picture(0), tmp_path / "b" / "1.png")
    other = os.path.join(os.fsencode(tmp_path), b"caf\xe9")
    os.mkdir(other)
    shutil.copy(tmp_path / "b" / "1.png", os.path.join(os.fsdecode(other), "2.png"))
    with pytest.raises(InputError, match=r"has the class folder caf\\xe9, not named in UTF-8: rename it"):
        ImageFolder(tmp_path)


def test_an_image_not_named_in_utf_8_has_a_name_that_can_be_written(tmp_path):
    save(picture(0), tmp_path / "1.png")
    with open(os.path.join(os.fsencode(tmp_path), b"\xe9.png"), "wb") as file:
        file.write(b"broken")
    folder = ImageFolder(tmp_path)
    folder.load()
    assert folder.damaged == ["\\xe9.png"]
    assert len(folder.content_hash()) == 64


def test_the_key_of_a_missing_test_part_is_named(tmp_path):
    save(picture(0), tmp_path / "1.png")
    data = ImageFolderData(path=str(tmp_path), test_path=str(tmp_path / "nowhere"))
    with pytest.raises(
        InputError, match=r"data\.test_path is .*nowhere, which does not exist: give a folder of images"
    ):
        open_image_folder(data, "test")
