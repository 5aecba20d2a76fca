"""The base encoder f(·) by name."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from numbers import Integral
from typing import Any

import torch
from torch import nn

from simclr.errors import InputError
from simclr.models.embedding import Embedded
from simclr.models.memory import check_memory
from simclr.models.prototypes import Prototyped
from simclr.models.registry import ENCODERS, TIMM, check_encoder_name
from simclr.models.timm_encoder import TimmEncoder
from simclr.recipe.choice import PlainValue, check_options

# More than any channels or width.
_MOST = 10**7
# Arguments that are no options -> what sets them.
_SET_BY = {"in_chans": "the data", "stem": "encoder.stem", "width": "encoder.width"}
_OF_EMBEDDING, _OF_PROTOTYPES = "embedding.{option}", "prototypes.{option}"


def build_encoder(
    name: str,
    *,
    in_chans: int,
    stem: str = "imagenet",
    width: int = 64,
    options: Mapping[str, PlainValue] | None = None,
    embedding: Mapping[str, PlainValue] | None = None,
    prototypes: Mapping[str, PlainValue] | None = None,
) -> nn.Module:
    """An encoder with random weights from torch's global generator: (B, in_chans, H, W) → (B, ``feature_dim``).

    Args:
        name: of `simclr.models.registry`, such as ``resnet18``; or ``timm:NAME`` (needs the extra ``timm``).
        in_chans: channels of the input.
        stem: ResNets: ``imagenet`` or ``small``; others may have it too, or do without.
        width: channels of the first stage of a ResNet, or of the spectral–spatial network; likewise.
        options: further arguments of the class.
        embedding: arguments of `simclr.models.embedding.Embedded`, for an encoder with an embedding layer behind it.
        prototypes: arguments of `simclr.models.prototypes.Prototyped`, for one with a layer of prototypes.

    Raises:
        InputError: unknown name, channels or a width that are no sensible number, weights beyond this machine's memory,
            an option that the class does not take, a class without ``feature_dim``, or timm is missing.
    """
    arguments: dict[str, Any] = {"in_chans": in_chans, "stem": stem, "width": width, "options": options}
    behind = {"embedding": embedding, "prototypes": prototypes}
    arguments |= {name: given for name, given in behind.items() if given is not None}
    blank = blank_encoder(name, **arguments)
    if blank is not None:
        needed = sum(value.numel() * value.element_size() for value in blank.state_dict().values())
        check_memory(f"encoder.name={name} with {in_chans} channels", needed, "set a smaller encoder.width")
    return _make(name, **arguments)


def for_channels(section: Mapping[str, Any], in_chans: int, components: int) -> dict[str, Any]:
    """The arguments of `build_encoder` for a recipe's section and the channels that its data gives.

    Args:
        section: the recipe's ``encoder``, as a dict.
        in_chans: channels of the input.
        components: how many of them, the first ones, are no spectra; told to a class that has such an argument, unless
            the recipe says it.
    """
    options = dict(section.get("options") or {})
    if components < in_chans and "components" in inspect.signature(_network(section["name"])).parameters:
        options = {"components": components, **options}
    return {"in_chans": in_chans, **section, "options": options}


def blank_encoder(name: str, **arguments: Any) -> nn.Module | None:
    """`build_encoder` on the meta device: shapes and dtypes of all tensors, and no memory for them.

    Returns:
        None where the class cannot be made there, as some of timm's cannot.

    Raises:
        InputError: as `build_encoder`, but for memory.
    """
    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            return _make(name, **arguments)
    except InputError:
        raise
    except Exception:  # whatever the class raises: the same again where it is made for use, or nothing
        return None


def _make(
    name: str,
    *,
    in_chans: int,
    stem: str = "imagenet",
    width: int = 64,
    options: Mapping[str, PlainValue] | None = None,
    embedding: Mapping[str, Any] | None = None,
    prototypes: Mapping[str, Any] | None = None,
) -> nn.Module:
    network = _network(name)
    for key, value in (("in_chans", in_chans), ("width", width)):
        if isinstance(value, bool) or not isinstance(value, Integral) or not 1 <= value <= _MOST:
            raise InputError(f"encoder.{key} is {_shown(value)}, but must be an integer between 1 and {_MOST:,}")
    options = options or {}
    if not isinstance(options, Mapping):
        raise InputError(f"encoder.options are {_shown(options)}, but must be names and their values")
    check_options("encoder", name, network, options, _SET_BY)
    takes = inspect.signature(network).parameters
    shared = {key: value for key, value in (("stem", stem), ("width", width)) if key in takes}
    encoder = network(in_chans=in_chans, **shared, **options)
    if not isinstance(getattr(encoder, "feature_dim", None), int):
        raise InputError(
            f"encoder.name is {name!r}, which does not say how wide its representation is: set self.feature_dim"
        )
    if embedding is not None:
        check_options("encoder", "the embedding layer", Embedded, embedding, {"encoder": "the network"}, _OF_EMBEDDING)
        encoder = Embedded(encoder, **embedding)
    if prototypes is not None:
        check_options("encoder", "the prototypes", Prototyped, prototypes, {"encoder": "the network"}, _OF_PROTOTYPES)
        encoder = Prototyped(encoder, **prototypes)
    return encoder


def _network(name: str) -> Callable[..., nn.Module]:
    """What makes encoders of this name."""
    if not isinstance(name, str):
        raise InputError(f"encoder.name is {_shown(name)}, but must be text")
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


def notes_on_size(name: str, options: Mapping[str, Any], size: tuple[int, int]) -> list[str]:
    """What the class of an encoder has to say (``notes``) of inputs of a size that its options do not fit, in lines.

    Raises:
        InputError: unknown name.
    """
    network = _network(name)
    says = getattr(getattr(network, "func", network), "notes", None)
    return [] if says is None else says(size, **options)


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
    """`build_encoder` on the CPU, in float32, with weights that depend on ``seed`` alone.

    torch's global generator, default dtype and default device do not matter, and are left as they were.

    Raises:
        InputError: as `build_encoder`; or ``seed`` is no integer from 0 to 2^63 - 1.
    """
    with seeded(seed), float32_on_cpu():
        return build_encoder(name, **arguments)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """torch's CPU generator seeded for a while, then as it was; those of other devices are left alone.

    Raises:
        InputError: ``seed`` is no integer from 0 to 2^63 - 1.
    """
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= seed < 2**63:
        raise InputError(f"seed is {_shown(seed)}, but must be an integer between 0 and 2^63 - 1")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(seed))
        yield


@contextmanager
def float32_on_cpu() -> Iterator[None]:
    """Modules that are made here are in float32 on the CPU, whatever torch's defaults are."""
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with torch.device("cpu"):
            yield
    finally:
        torch.set_default_dtype(default)


def _shown(value: object) -> str:
    """A value in one line, however long."""
    if isinstance(value, int) and value.bit_length() > 100:
        return "a number of more than 30 digits"
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:60]}…"
