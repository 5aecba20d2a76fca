"""TIFF files: read whole, or refused by what would be lost."""

import struct

import numpy as np
import pytest
import torch
from PIL import Image

from simclr.data.images.image_folder import ImageFolder
from simclr.errors import InputError


def tiff(*pages: np.ndarray, order: str = "<", **tags: int) -> bytes:
    """Pages (h, w, bands), uncompressed; tags by name: ``photometric``, ``extra``, ``compression``, ``subfile``
    (of all but the first page)."""
    out = bytearray((b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 0))
    link = 4
    for k, page in enumerate(pages):
        height, width, bands = page.shape
        data = page.astype(page.dtype.newbyteorder(order)).tobytes()
        start = len(out)
        out += data + bytes(len(data) % 2)
        kind = {"u": 1, "i": 2, "f": 3}[page.dtype.kind]
        entries = {
            254: (4, [tags.get("subfile", 0) if k else 0]),
            256: (4, [width]),
            257: (4, [height]),
            258: (3, [8 * page.dtype.itemsize] * bands),
            259: (3, [tags.get("compression", 1)]),
            262: (3, [tags.get("photometric", 2 if bands >= 3 else 1)]),
            273: (4, [start]),
            277: (3, [bands]),
            278: (4, [height]),
            279: (4, [len(data)]),
            339: (3, [kind] * bands),
        }
        if "extra" in tags:
            entries[338] = (3, [tags["extra"]] * (bands - 3 if bands > 3 else 1))
        struct.pack_into(order + "I", out, link, len(out))
        body, outside = b"", b""
        after = len(out) + 2 + 12 * len(entries) + 4
        for tag, (kind, values) in sorted(entries.items()):
            packed = struct.pack(order + {3: "H", 4: "I"}[kind] * len(values), *values)
            if len(packed) > 4:
                place = struct.pack(order + "I", after + len(outside))
                outside += packed + bytes(len(packed) % 2)
            else:
                place = packed.ljust(4, b"\0")
            body += struct.pack(order + "HHI", tag, kind, len(values)) + place
        out += struct.pack(order + "H", len(entries)) + body
        link = len(out)
        out += bytes(4) + outside
    return bytes(out)


def values(bands, dtype=np.uint8, low=0, high=256):
    return np.random.default_rng(0).integers(low, high, (6, 8, bands)).astype(dtype)


def read(folder):
    return ImageFolder(folder)[torch.tensor([0])][0].numpy()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("page", "tags", "kept"),
    [
        (values(1), {}, 1),
        (values(3), {}, 3),
        (values(4), {"extra": 2}, 3),
        (values(2), {"extra": 2}, 1),
        (values(1, np.uint16, 0, 65536), {}, 1),
        (values(1, np.int16, 0, 32768), {}, 1),
        (values(1, np.int32, 0, 65536), {}, 1),
    ],
)
def test_what_is_kept(tmp_path, order, page, tags, kept):
    (tmp_path / "a.tif").write_bytes(tiff(page, order=order, **tags))
    np.testing.assert_array_equal(read(tmp_path), page[..., :kept].transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("page", "tags", "says"),
    [
        (values(4), {}, "has 4 bands, of which 3 would be read: save it as a .npy array and use data.source=arrays"),
        (values(4), {"extra": 0}, "has 4 bands, of which 3 would be read"),
        (values(4, np.uint16), {"extra": 0}, "has 4 bands, of which 3 would be read"),
        (values(2), {}, "has 2 bands, of which 1 would be read"),
        (values(2), {"extra": 0}, "has 2 bands"),
        (values(5), {"photometric": 1}, "has 5 bands, of which 1 would be read"),
        (values(5), {}, "has 5 bands, of which 3 would be read"),
        (values(13, np.uint16), {"photometric": 1}, "has 13 bands"),
        (values(1, np.int8, -100, 100), {}, "holds signed 8-bit numbers"),
        (values(1, np.int16, -1024, 3072), {}, "holds values from -1,013 to 2,952, but grey levels"),
        (values(1, np.int32, -5, 3), {}, "holds values from -5 to 2, but grey levels are 0 to 65,535"),
        (values(1, np.int32, 0, 10**6), {}, "but grey levels are 0 to 65,535"),
        (values(1, np.uint32, 0, 2**32), {}, "but grey levels are 0 to 65,535"),
        (values(1, np.float32), {}, "holds floating point values"),
        (values(1, np.float64), {}, "holds floating point values"),
        (values(3, np.float32), {}, "holds floating point values"),
        (values(3, np.uint16), {}, "has 3 bands of 16 bits, which would be cut to 8"),
        (values(1), {"compression": 34887}, "TIFF compression 34887"),
    ],
)
def test_what_would_be_lost(tmp_path, page, tags, says):
    (tmp_path / "a.tif").write_bytes(tiff(page, **tags))
    with pytest.raises(InputError) as caught:
        ImageFolder(tmp_path)
    assert says in str(caught.value)
    assert "damaged" not in str(caught.value)


def test_a_kind_that_pillow_does_not_know_is_not_called_damaged(tmp_path):
    (tmp_path / "a.tif").write_bytes(tiff(values(1, np.uint32, 0, 65536), order=">"))
    with pytest.raises(InputError, match=r"a kind that Pillow does not read here \(TIFF, 1 x 32 bits, compression 1\)"):
        ImageFolder(tmp_path)


def test_pages(tmp_path):
    (tmp_path / "a.tif").write_bytes(tiff(values(1), values(1) // 2, subfile=1))  # a smaller copy, as of a pyramid
    np.testing.assert_array_equal(read(tmp_path)[0], values(1)[..., 0])
    (tmp_path / "a.tif").write_bytes(tiff(values(1), values(1) // 2, values(1) // 4))
    with pytest.raises(InputError, match=r"a\.tif holds several pages: save each as a file of its own"):
        ImageFolder(tmp_path)


def test_pages_and_bands_as_pillow_writes_them(tmp_path):
    grey = Image.fromarray(values(1)[..., 0])
    grey.save(tmp_path / "a.tif", save_all=True, append_images=[grey])
    with pytest.raises(InputError, match="holds several pages"):
        ImageFolder(tmp_path)
    for mode, bands in (("RGB", 3), ("RGBA", 4), ("CMYK", 4), ("L", 1), ("LA", 2), ("P", 1), ("1", 1)):
        for compression in ("raw", "tiff_lzw", "tiff_deflate"):
            image = Image.fromarray(values(3)).convert(mode)
            assert len(image.getbands()) == bands
            image.save(tmp_path / "a.tif", compression=compression)
            expected = np.asarray(image.convert("L" if mode in ("L", "LA", "1") else "RGB"))
            np.testing.assert_array_equal(
                read(tmp_path), expected[None] if expected.ndim == 2 else expected.transpose(2, 0, 1)
            )


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data", "ignore:Truncated File Read")
def test_broken_ones_are_damaged(tmp_path):
    whole = tiff(values(3))
    for k, size in enumerate((9, 40, len(whole) - 20)):
        (tmp_path / f"{k}.tif").write_bytes(whole[:size])
    long = whole.replace(struct.pack("<HHII", 257, 4, 1, 6), struct.pack("<HHII", 257, 4, 1, 6_000_000))
    assert long != whole
    (tmp_path / "long.tif").write_bytes(long)  # Pillow reads it: what is missing is black
    with pytest.raises(InputError, match="none of the 4 images"):
        ImageFolder(tmp_path)
