"""The base encoder f(·) by name."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn

from simclr.errors import InputError
from simclr.models.registry import ENCODERS, TIMM, check_encoder_name
from simclr.models.timm_encoder import TimmEncoder
from simclr.recipe.choice import PlainValue, check_options

# Arguments that are no options -> what sets them.
_SET_BY = {"in_chans": "the data", "stem": "encoder.stem", "width": "encoder.width"}


def build_encoder(
    name: str,
    *,
    in_chans: int,
    stem: str = "imagenet",
    width: int = 64,
    options: Mapping[str, PlainValue] | None = None,
) -> nn.Module:
    """An encoder with random weights from torch's global generator: (B, in_chans, H, W) → (B, ``feature_dim``).

    Args:
        name: of `simclr.models.registry`, such as ``resnet18``; or ``timm:NAME`` (needs the extra ``timm``).
        in_chans: channels of the input.
        stem: ResNets: ``imagenet`` or ``small``; others may have it too, or do without.
        width: channels of the first stage of a ResNet, or of the spectral–spatial network; likewise.
        options: further arguments of the class.

    Raises:
        InputError: unknown name, an option that the class does not take, a class without ``feature_dim``, or timm is
            missing.
    """
    network = _network(name)
    options = options or {}
    check_options("encoder", name, network, options, _SET_BY)
    takes = inspect.signature(network).parameters
    shared = {key: value for key, value in (("stem", stem), ("width", width)) if key in takes}
    encoder = network(in_chans=in_chans, **shared, **options)
    if not isinstance(getattr(encoder, "feature_dim", None), int):
        raise InputError(
            f"encoder.name is {name!r}, which does not say how wide its representation is: set self.feature_dim"
        )
    return encoder


def _network(name: str) -> Callable[..., nn.Module]:
    """What makes encoders of this name."""
    check_encoder_name(name)
    if name.startswith(TIMM):
        return partial(TimmEncoder, name.removeprefix(TIMM))
    return ENCODERS[name]


def takes_any_size(name: str) -> bool:
    """Whether the class of an encoder says (``any_size``) that it takes images of any size.

    Raises:
        InputError: unknown name.
    """
    network = _network(name)
    return bool(getattr(getattr(network, "func", network), "any_size", False))


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


def random_encoder(seed: int, name: str, **arguments: Any) -> nn.Module:
    """`build_encoder` with weights that depend on ``seed`` alone; torch's global generator is left as it was."""
    with seeded(seed):
        return build_encoder(name, **arguments)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """torch's CPU generator seeded for a while, then as it was; those of other devices are left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
