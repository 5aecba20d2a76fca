"""Bands that are said to be bad."""

import pytest

from simclr.data.scenes.bands import band_numbers
from simclr.errors import InputError


def test_numbers_and_ranges_are_joined():
    assert band_numbers([7, [2, 4], 3], 10) == (2, 3, 4, 7)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ([4, 2], r"has \[4, 2\], which runs backwards: write \[2, 4\]"),
        ([40, 2], "but the bands are 0 to 9"),
        ([4, -2], "but the bands are 0 to 9"),
        (10, "names 10, but the bands are 0 to 9"),
    ],
)
def test_what_is_advised_is_allowed(entry, words):
    with pytest.raises(InputError, match=words):
        band_numbers([entry], 10)
