"""Where samples come from: sources, their order, the feed of a run, and the map to the encoder's input.

Names are loaded when first used, so that taking one of them does not import what the others need.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simclr.data.feed import batches as batches
    from simclr.data.fitting import fit_preprocess as fit_preprocess
    from simclr.data.images.arrays import Arrays as Arrays
    from simclr.data.images.digits import load_digits as load_digits
    from simclr.data.images.image_folder import ImageFolder as ImageFolder
    from simclr.data.images.torchvision_dataset import torchvision_source as torchvision_source
    from simclr.data.open import open_source as open_source
    from simclr.data.order import SampleOrder as SampleOrder
    from simclr.data.preprocess import Preprocess as Preprocess
    from simclr.data.scenes.indian_pines import load_indian_pines as load_indian_pines
    from simclr.data.scenes.neighbours import Neighbours as Neighbours
    from simclr.data.scenes.scene import SceneSource as SceneSource
    from simclr.data.scenes.scene_file import load_scene as load_scene
    from simclr.data.source import Source as Source
    from simclr.data.source import TensorSource as TensorSource
    from simclr.data.stream import StreamSource as StreamSource

_HOME = {
    "Arrays": "images.arrays",
    "ImageFolder": "images.image_folder",
    "Neighbours": "scenes.neighbours",
    "Preprocess": "preprocess",
    "SampleOrder": "order",
    "SceneSource": "scenes.scene",
    "Source": "source",
    "StreamSource": "stream",
    "TensorSource": "source",
    "batches": "feed",
    "fit_preprocess": "fitting",
    "load_digits": "images.digits",
    "load_indian_pines": "scenes.indian_pines",
    "load_scene": "scenes.scene_file",
    "open_source": "open",
    "torchvision_source": "images.torchvision_dataset",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
