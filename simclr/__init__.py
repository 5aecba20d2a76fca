"""SimCLR for photographs and hyperspectral scenes.

``import simclr`` loads nothing heavy: names arrive when they are asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simclr.encoder_file import FrozenEncoder as FrozenEncoder
    from simclr.encoder_file import load_encoder as load_encoder
    from simclr.errors import InputError as InputError

__version__ = "0.1.0"

_HOMES = {
    "FrozenEncoder": "simclr.encoder_file",
    "InputError": "simclr.errors",
    "load_encoder": "simclr.encoder_file",
}

__all__ = ["FrozenEncoder", "InputError", "load_encoder"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'simclr' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
