"""Pictures that cannot be read: each says why, and only broken ones are damaged."""

import errno
import io
import struct
import warnings
import zlib

import numpy as np
import pytest
import torch
from PIL import Image, UnidentifiedImageError

from simclr.data.images.image_folder import ImageFolder
from simclr.data.images.picture_file import opened, why_not
from simclr.data.stream import DamagedError
from simclr.errors import InputError

GREY = np.random.default_rng(0).integers(0, 256, (6, 8), dtype=np.uint8)


def png(image: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header says so, and which holds 20 kB of something else."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", bytes(20_000)) + chunk(b"IEND", b"")


def refusal(folder, **options) -> str:
    with pytest.raises(InputError) as caught:
        ImageFolder(folder, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("size", "says"),
    [
        ((20000, 10000), "has more than 178,956,970 pixels, the most that are decoded"),
        ((13000, 13000), "has 13,000x13,000 pixels, 169 million, of which at most 89 million are decoded"),
        ((2**31 - 1, 2**31 - 1), "has more than 178,956,970 pixels"),
    ],
)
def test_large_pictures_are_refused_before_they_are_decoded(tmp_path, size, says):
    (tmp_path / "a.png").write_bytes(png_of_size(*size))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert f"a.png {says}" in refusal(tmp_path, image_size=32)


def test_a_large_jpeg_is_read_where_less_of_it_is_enough(tmp_path):
    Image.new("L", (12000, 9000), 90).save(tmp_path / "a.jpg", quality=20)
    assert abs(ImageFolder(tmp_path, image_size=16)[torch.tensor([0])].int() - 90).max() < 5
    assert "has 12,000x9,000 pixels, 108 million" in refusal(tmp_path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "ppm"])
def test_more_pixels_than_a_file_of_its_size_can_hold(tmp_path, suffix):
    Image.fromarray(GREY).resize((4096, 4096)).save(tmp_path / f"a.{suffix}")
    whole = (tmp_path / f"a.{suffix}").read_bytes()
    assert ImageFolder(tmp_path, image_size=8).labels is None
    (tmp_path / f"a.{suffix}").write_bytes(whole[:1500])
    with pytest.raises(DamagedError), opened(tmp_path / f"a.{suffix}", "a"):
        pytest.fail("it was opened")


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_frames(tmp_path, suffix):
    frames = [Image.fromarray(GREY), Image.fromarray(GREY[::-1].copy())]
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
    assert f"a.{suffix} holds 2 frames" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\0\0\0\x18ftypheic", "HEIC"),
        (b"\0\0\0\x18ftypmif1", "HEIC"),
        (b"\xff\x0a\xfa\x1f", "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    ],
)
def test_formats_without_a_codec_are_named(tmp_path, head, name):
    (tmp_path / "a.jpg").write_bytes(head + bytes(200))
    assert f"a.jpg is of a kind that Pillow does not read here ({name})" in refusal(tmp_path)


def test_a_decoder_that_pillow_was_built_without():
    error = why_not(OSError("decoder libtiff not available"), "a.tif", "a.tif")
    assert isinstance(error, InputError)
    assert "a.tif is of a kind that Pillow does not read here (decoder libtiff not available)" in str(error)


def test_a_broken_webp_is_damaged_where_pillow_reads_webp(tmp_path, monkeypatch):
    buffer = io.BytesIO()
    Image.fromarray(GREY).save(buffer, "WEBP")
    (tmp_path / "a.webp").write_bytes(buffer.getvalue()[:20])
    assert "none of the 1 images" in refusal(tmp_path)

    def unknown(file):
        raise UnidentifiedImageError

    monkeypatch.setattr("PIL.Image.open", unknown)
    monkeypatch.setattr("PIL.features.check", lambda name: False)
    assert "a.webp is of a kind that Pillow does not read here (WebP): save it as PNG or JPEG" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (MemoryError(), "a.png does not fit into the memory"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), "a.png has gone since it was listed"),
        (PermissionError(errno.EACCES, "Permission denied"), "a.png cannot be read (Permission denied)"),
        (OSError(errno.EMFILE, "Too many open files"), "a.png cannot be read (Too many open files)"),
        (OSError(errno.EIO, "Input/output error"), "a.png cannot be read (Input/output error)"),
    ],
)
def test_what_is_no_fault_of_the_picture(error, says):
    assert says in str(why_not(error, "a.png", "a.png"))
    assert isinstance(why_not(error, "a.png", "a.png"), InputError)


def test_a_picture_that_has_gone_is_not_damaged(tmp_path):
    for name in "ab":
        Image.fromarray(GREY).save(tmp_path / f"{name}.png")
    folder = ImageFolder(tmp_path)
    (tmp_path / "b.png").unlink()
    with pytest.raises(InputError, match=r"b\.png has gone since it was listed"):
        folder[torch.tensor([1])]


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>not found</html>", bytes(100), png(Image.fromarray(GREY))[:60], b"\xff\xd8\xff\xe0" + bytes(50)],
    ids=["empty", "text", "zeros", "cut", "header"],
)
def test_broken_ones_are_damaged(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DamagedError), opened(tmp_path / "a.png", "a.png") as image:
        image.load()
    Image.fromarray(GREY).save(tmp_path / "b.png")
    folder = ImageFolder(tmp_path)
    np.testing.assert_array_equal(folder[torch.tensor([0])][0, 0].numpy(), GREY)
    assert folder.damaged == ["a.png"]


def test_flipped_bytes_are_read_damaged_or_refused_in_a_line(tmp_path):
    rng, seen = np.random.default_rng(0), set()
    for suffix, options in (("png", {}), ("jpg", {}), ("tif", {"compression": "tiff_lzw"}), ("bmp", {}), ("webp", {})):
        Image.fromarray(GREY).save(tmp_path / f"a.{suffix}", **options)
        good = (tmp_path / f"a.{suffix}").read_bytes()
        for _ in range(60):
            data = bytearray(good)
            for _ in range(rng.integers(1, 4)):
                data[rng.integers(len(data))] = rng.integers(256)
            (tmp_path / f"a.{suffix}").write_bytes(data)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    ImageFolder(tmp_path, image_size=4)[torch.tensor([0])]
                seen.add("read")
            except InputError as error:
                seen.add("refused" if "\n" not in str(error) else "two lines")
        (tmp_path / f"a.{suffix}").unlink()
    assert seen == {"read", "refused"}
