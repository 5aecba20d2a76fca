"""One picture file, opened; and why one cannot be: only what is broken is called damaged."""

from __future__ import annotations

import errno
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, UnidentifiedImageError, features

from simclr.data.file_kind import printable
from simclr.data.images import tiff
from simclr.data.stream import DamagedError
from simclr.errors import InputError

# (where, bytes, format, Pillow's name for its codec): whole files that Pillow may know nothing of.
_OTHERS = (
    (4, b"ftyphei", "HEIC", None),
    (4, b"ftypmif1", "HEIC", None),
    (4, b"ftypmsf1", "HEIC", None),
    (4, b"ftypavif", "AVIF", "avif"),
    (0, b"\xff\x0a", "JPEG XL", None),
    (0, b"\x00\x00\x00\x0cJXL ", "JPEG XL", None),
    (0, b"\x00\x00\x00\x0cjP  ", "JPEG 2000", "jpg_2000"),
    (8, b"WEBP", "WebP", "webp"),
    (0, b"MM\x00+", "BigTIFF, most significant byte first", None),
)
# Nothing is packed closer in these formats: a file of more pixels is cut off, or made to fill the memory.
_PACKED = ("PNG", "JPEG", "MPO", "BMP", "PPM")
_MOST_PACKED = 10_000  # pixels a byte


@contextmanager
def opened(file: Path, name: str) -> Iterator[Image.Image]:
    """The image of a file, not yet decoded; whatever goes wrong until the end of the block is told as below.

    Args:
        file: the file.
        name: what to call it where it is damaged.

    Raises:
        DamagedError: if it is broken.
        InputError: if it is whole and still cannot be read, or not without losing a part of it: says which.
    """
    known = None
    try:
        with open(file, "rb") as stream:
            head = stream.read(16)
        known = tiff.check_tiff(file) if head.startswith(tiff.MAGIC) else _format_of(head)
        with warnings.catch_warnings():  # of large images: what is too large is refused once its mode is known
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(file)
        with image:
            if image.format in _PACKED and image.width * image.height > _MOST_PACKED * file.stat().st_size:
                raise DamagedError(name)
            yield image
    except Exception as error:  # Pillow raises a dozen kinds for a broken file
        known = known if isinstance(error, UnidentifiedImageError) else None
        raise why_not(error, printable(str(file)), name, known) from error


def why_not(error: Exception, what: str, name: str, known: str | None = None) -> Exception:
    """What to raise for an exception that an image gave on being read.

    Args:
        error: the exception.
        what: the image, for a message.
        name: what to call it where it is damaged.
        known: the format that it has and Pillow does not know.
    """
    if isinstance(error, InputError):
        return InputError(f"{what} {error}")
    if isinstance(error, DamagedError):
        return error
    if isinstance(error, Image.DecompressionBombError):
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        return InputError(f"{what} has more than {most:,} pixels, the most that are decoded: shrink it, or cut it up.")
    if isinstance(error, MemoryError):
        return InputError(f"{what} does not fit into the memory: shrink it, or cut it up.")
    if isinstance(error, FileNotFoundError):
        return InputError(f"{what} has gone since it was listed: put it back, or start again.")
    if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # which a place before the start gives
        return InputError(f"{what} cannot be read ({error.strerror}).")
    if known is not None or "not available" in str(error):
        codec = known or " ".join(str(error).split())
        return InputError(f"{what} is of a kind that Pillow does not read here ({codec}): save it as PNG or JPEG.")
    return DamagedError(name)


def _format_of(head: bytes) -> str | None:
    """The format that a file begins with, where Pillow has no codec for it."""
    found = next((row for row in _OTHERS if head[row[0] :].startswith(row[1])), None)
    return None if found is None or (found[3] is not None and features.check(found[3])) else found[2]
