"""What a TIFF file holds, by its tags alone: Pillow drops, clips or wraps what it has no mode for."""

from __future__ import annotations

from pathlib import Path

from PIL.TiffImagePlugin import COMPRESSION_INFO, ImageFileDirectory_v2

from simclr.errors import InputError

MAGIC = (b"II*\x00", b"MM\x00*", b"II+\x00")
_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION = 254, 256, 257, 258, 259
_PHOTOMETRIC, _SAMPLES, _EXTRA, _FORMAT = 262, 277, 338, 339
_TAGS = (_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _EXTRA, _FORMAT)
_COLOURS = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3, 8: 3}  # photometric interpretation → bands that are colours
_SIGNED, _UNSIGNED, _UNDEFINED = 2, 1, 4
_FAX = (2, 3, 4)  # of black and white pages, which they pack without a limit
_MOST_PACKED = 10_000
_ARRAYS = "save it as a .npy array and use data.source=arrays, which keeps every value and band"


def check_tiff(file: Path) -> str | None:
    """Makes sure that nothing of a TIFF file is lost when it is read as one grey or colour image.

    Returns:
        What kind of TIFF it is, in a few words; None if its tags are not complete.

    Raises:
        InputError: naming what would be: several pages, more bands than colours and transparency, other than unsigned
            numbers of 8 or 16 bits, an unknown compression. The text lacks the file's name.
        OSError, ValueError, and many others: if it is damaged.
    """
    with open(file, "rb") as stream:
        head = stream.read(16)
        directory = ImageFileDirectory_v2(head if head[2] == 43 else head[:8])
        tags, visited = None, set()
        while directory.next and directory.next not in visited:
            visited.add(directory.next)
            stream.seek(directory.next)
            directory.load(stream)
            if directory.get(_SUBFILE, 0) & 5:  # a smaller copy of another page, or a mask
                continue
            if tags is not None:
                raise InputError("holds several pages: save each as a file of its own.")
            tags = {tag: directory.get(tag) for tag in _TAGS}
    return None if tags is None else _check_page(tags, file.stat().st_size)


def _check_page(tags: dict[int, tuple[int, ...] | int | None], held: int) -> str | None:
    samples = _numbers(tags[_SAMPLES])[0] if tags[_SAMPLES] else 1
    bits = _numbers(tags[_BITS]) or (1,)
    kinds = _numbers(tags[_FORMAT]) or (_UNSIGNED,)
    extra = _numbers(tags[_EXTRA])
    colours = _COLOURS.get(_numbers(tags[_PHOTOMETRIC] or 0)[0], samples)
    compression = _numbers(tags[_COMPRESSION] or 1)[0]
    if compression not in COMPRESSION_INFO:
        raise InputError(
            f"is compressed in a way that Pillow does not know (TIFF compression {compression}): save it with LZW or "
            f"Deflate."
        )
    if samples > colours and not (samples == colours + 1 and extra in ((1,), (2,))):
        raise InputError(f"has {samples} bands, of which {colours} would be read: {_ARRAYS}.")
    if set(kinds) - {_UNSIGNED, _SIGNED, _UNDEFINED}:
        raise InputError(f"holds floating point values: {_ARRAYS}.")
    if max(bits) > 32 or (kinds[0] == _SIGNED and max(bits) <= 8):
        raise InputError(f"holds {'signed ' if kinds[0] == _SIGNED else ''}{max(bits)}-bit numbers: {_ARRAYS}.")
    if max(bits) > 8 and samples > 1:
        raise InputError(
            f"has {samples} bands of {max(bits)} bits, which would be cut to 8: save it with 8 bits, or {_ARRAYS}."
        )
    width, height = ((_numbers(tags[tag]) or (0,))[0] for tag in (_WIDTH, _HEIGHT))
    if compression not in _FAX and width * height * samples * max(bits) > 8 * held * (
        1 if compression == 1 else _MOST_PACKED
    ):
        raise ValueError("it holds fewer bytes than its pixels take")
    whole = width > 0 and height > 0 and tags[_BITS] is not None
    return f"TIFF, {samples} x {max(bits)} bits, compression {compression}" if whole else None


def _numbers(value: tuple[int, ...] | int | None) -> tuple[int, ...]:
    return () if value is None else value if isinstance(value, tuple) else (value,)
