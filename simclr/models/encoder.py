"""The base encoder f(·) by name."""

import difflib
import importlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from simclr.errors import InputError
from simclr.models.spectral_spatial import SpectralSpatial


def build_encoder(name: str, *, in_chans: int, stem: str = "imagenet", width: int = 64) -> nn.Module:
    """An encoder with random weights from torch's global generator: (B, in_chans, H, W) → (B, ``feature_dim``).

    Args:
        name: ``resnet8`` … ``resnet152``, ``spectral_spatial``, or ``timm:NAME`` (needs the extra ``timm``).
        in_chans: channels of the input.
        stem: ResNets: ``imagenet`` or ``small``.
        width: channels of the first stage of a ResNet, or of the spectral–spatial network.

    Raises:
        InputError: unknown name, or timm is missing.
    """
    if name == "spectral_spatial":
        return SpectralSpatial(in_chans, width=width)
    if name.startswith("timm:"):
        return _TimmEncoder(name.removeprefix("timm:"), in_chans)
    # torchvision's blocks bring torch._dynamo along, about two seconds that other encoders do without.
    from simclr.models.resnet import LAYOUTS, ResNet

    if name in LAYOUTS:
        block, layers = LAYOUTS[name]
        return ResNet(block, layers, in_chans=in_chans, stem=stem, width=width)
    known = [*LAYOUTS, "spectral_spatial"]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.3)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise InputError(f"encoder.name is {name!r}, but must be one of {', '.join(known)}, or timm:NAME{hint}")


def check_view_size(encoder: nn.Module, name: str, in_chans: int, size: tuple[int, int]) -> None:
    """Raise an InputError if the encoder does not take (B, in_chans, *size)."""
    try:
        with torch.no_grad():
            encoder(torch.zeros(2, in_chans, *size))
    except Exception as error:  # whatever the library raises
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"encoder.name={name} does not take views of {size[0]}x{size[1]} pixels ({reason}): "
            f"choose an encoder that takes any size, such as resnet18, or another size of views"
        ) from None


def random_encoder(seed: int, name: str, **options: object) -> nn.Module:
    """`build_encoder` with weights that depend on ``seed`` alone; torch's global generator is left as it was."""
    with seeded(seed):
        return build_encoder(name, **options)  # type: ignore[arg-type]


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """torch's CPU generator seeded for a while, then as it was; those of other devices are left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


class _TimmEncoder(nn.Module):
    """A timm model without classifier."""

    def __init__(self, name: str, in_chans: int) -> None:
        super().__init__()
        try:
            timm = importlib.import_module("timm")
        except ImportError:
            raise InputError(
                f"encoder.name is 'timm:{name}', but timm is missing: pip install 'simclr-toolkit[timm]'"
            ) from None
        if name not in timm.list_models():
            near = difflib.get_close_matches(name, timm.list_models(), n=1)
            hint = f"; did you mean timm:{near[0]}?" if near else ""
            raise InputError(f"encoder.name is 'timm:{name}', but timm {timm.__version__} has no such model{hint}")
        self.model = timm.create_model(name, pretrained=False, in_chans=in_chans, num_classes=0)
        self.feature_dim = getattr(self.model, "head_hidden_size", None) or self.model.num_features

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)
