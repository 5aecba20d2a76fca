"""The encoders, by the names that recipes call them: the one place where all are listed.

A new encoder is one file and one line. The file may lie anywhere that Python imports from, such as
``simclr/models/mixer.py``, and holds a module (B, in_chans, H, W) → (B, ``feature_dim``)::

    from torch import Tensor, nn


    class Mixer(nn.Module):
        def __init__(self, in_chans: int, depth: int = 4) -> None:
            super().__init__()
            self.feature_dim = 64
            ...

        def forward(self, x: Tensor) -> Tensor: ...

The line stands in ``ENCODERS`` below::

    "mixer": "simclr.models.mixer:Mixer",

Then ``simclr pretrain RECIPE encoder.name=mixer encoder.options.depth=8`` trains it. The encoder file keeps the name
and the options; `simclr.load_encoder` makes the same module again, wherever the line is.

A class that takes images of any size says so (``any_size = True``); others are tried on the size of the views before
a run begins. A class that takes ``stem`` or ``width`` is given the recipe's ``encoder.stem`` and ``encoder.width``; all
its other arguments are ``encoder.options``. One whose options may not fit the size of its inputs can say so by a static
method ``notes``, of the size and the options. One class has several names by `functools.partial`, as ResNets do. Beside
these names there is ``timm:NAME``, see `simclr.models.encoder`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from simclr.recipe.choice import unknown_name
from simclr.registry import Registry

if TYPE_CHECKING:
    from torch import nn

TIMM = "timm:"
ENCODERS: Registry[Callable[..., nn.Module]] = Registry(
    {
        "resnet8": "simclr.models.resnet:resnet8",
        "resnet10": "simclr.models.resnet:resnet10",
        "resnet18": "simclr.models.resnet:resnet18",
        "resnet34": "simclr.models.resnet:resnet34",
        "resnet50": "simclr.models.resnet:resnet50",
        "resnet101": "simclr.models.resnet:resnet101",
        "resnet152": "simclr.models.resnet:resnet152",
        "pyramid": "simclr.models.pyramid:Pyramid",
        "pyramid2": "simclr.models.pyramid:pyramid2",
        "spectral_spatial": "simclr.models.spectral_spatial:SpectralSpatial",
        "material_context": "simclr.models.material_context:MaterialContext",
        "skip_generator": "simclr.models.skip_generator:SkipGenerator",
    }
)


def check_encoder_name(name: str) -> None:
    """Raise an InputError if no encoder has the name; what is there after ``timm:``, timm alone knows."""
    if name not in ENCODERS and not name.startswith(TIMM):
        raise unknown_name("encoder.name", name, ENCODERS, f", or {TIMM}NAME")
