"""Which result a map belongs to: its PNG holds the SHA-256 of the file that it was drawn for."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

from PIL import Image

_KEY = "simclr-result"


def drawn_for(result: Path) -> dict[str, str]:
    """What a PNG holds (its text entries) that is drawn for a result file."""
    return {_KEY: hashlib.sha256(result.read_bytes()).hexdigest()}


def belongs(picture: Path, result: Path) -> bool:
    """Whether a PNG was drawn for the result file as it is now."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # only its text is read
            with Image.open(picture) as opened:
                mark = opened.info.get(_KEY)
        return result.is_file() and mark == drawn_for(result)[_KEY]
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False
