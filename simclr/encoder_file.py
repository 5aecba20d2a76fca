"""The encoder file: weights and everything a downstream project needs to use them without a surprise.

One safetensors file; its header holds the metadata as JSON, so nothing that is loaded can execute code, and a hash over
weights and metadata, so that a damaged or edited file is noticed. A copy of the metadata lies beside it as
``encoder.json`` for people.
"""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from simclr.data.content import SampleHashes
from simclr.data.preprocess import MODES, Preprocess
from simclr.encoder_metadata import FORMAT, EncoderMetadata
from simclr.errors import InputError
from simclr.files import write_atomically, write_text
from simclr.frozen_encoder import FrozenEncoder as FrozenEncoder
from simclr.models.encoder import blank_encoder, float32_on_cpu, random_encoder, seeded
from simclr.models.head import ProjectionHead
from simclr.recipe.encoder_path import encoder_path

# What the header of the file holds: the metadata, the hash of everything (in files of older versions not), and what
# other tools add when they copy a file.
_METADATA, _HASH, _OTHERS = "simclr", "sha256", "format"
# No training takes a weight so far, and float32 ends where it is multiplied.
_ABSURD = 1e15
# The tensor of the hashes of the samples that it was pretrained on.
_SAW = "saw.samples"

M = TypeVar("M", bound=nn.Module)


def save_encoder(
    path: Path,
    encoder: nn.Module,
    preprocess: Preprocess,
    metadata: Mapping[str, Any],
    head: ProjectionHead | None = None,
    saw: SampleHashes | None = None,
) -> None:
    """Write ``path`` (.safetensors) and the readable copy of its metadata beside it (.json), both atomically.

    Args:
        path: file to write.
        encoder: the base encoder f.
        preprocess: fitted preprocessing.
        metadata: JSON-like; must hold ``encoder`` (the arguments of `build_encoder`) and ``feature_dim``.
        head: the projection head g, kept for fine-tuning from its first layer; `load_encoder` passes it over.
        saw: hashes of the samples that it was pretrained on, so that evaluators know them again.
    """
    content = {"format": FORMAT, **metadata, "preprocess": preprocess.config()}
    if head is not None:
        content["head"] = head.config()
    if saw is not None:
        content["saw"] = {"kind": saw.kind, "sha256": saw.digest()}
    tensors = {
        **{f"encoder.{k}": v for k, v in encoder.state_dict().items()},
        **{f"preprocess.{k}": v for k, v in preprocess.state_dict().items()},
        **({} if head is None else {f"head.{k}": v for k, v in head.state_dict().items()}),
        **({} if saw is None else {_SAW: saw.values}),
    }
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    text = json.dumps(content)
    header = {_METADATA: text, _HASH: _hash(text, tensors)}
    write_atomically(path, lambda temporary: temporary.write_bytes(_in_order(save(tensors, metadata=header))))
    readable = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    # Names that are no text, as of folders in another encoding, as JSON escapes them.
    write_text(path.with_suffix(".json"), readable.encode("utf-8", "backslashreplace").decode("utf-8"))


def read_metadata(path: str | Path) -> EncoderMetadata:
    """The metadata of an encoder file, without loading its weights (nor checking its hash, which is over both).

    Raises:
        InputError: no such file, truncated, not an encoder file, or an entry is missing or of the wrong kind.
    """
    return _read(_file(path), with_tensors=False)[0]


def load_encoder(path: str | Path) -> FrozenEncoder:
    """Load an encoder that ``simclr pretrain`` wrote, on the CPU, in float32, frozen.

    torch's default dtype and default device do not matter. Shapes are compared before memory for weights is taken.

    Args:
        path: an encoder file, or the run folder that holds ``encoder.safetensors``.

    Raises:
        InputError: no such file, truncated, damaged, edited, not an encoder file, its tensors do not fit its own
            metadata, or hold NaN, infinity or a negative variance; says what differs.

    Example:
        >>> encoder = load_encoder("runs/indian-pines/encoder.safetensors")
        >>> h = encoder(encoder.preprocess(batch))  # (B, encoder.feature_dim)
    """
    file = _file(path)
    metadata, tensors = _read(file, with_tensors=True)
    config, architecture = metadata["preprocess"], metadata.architecture
    if config["normalize"] not in MODES or config["normalize"] == "auto":
        known = ", ".join(mode for mode in MODES if mode != "auto")
        raise InputError(f"{file}: preprocess.normalize is {config['normalize']!r}, but must be one of {known}")
    preprocess = _filled(file, "preprocess", tensors, lambda: Preprocess.from_config(config))
    if bool((preprocess.scale < 0).any()):
        raise InputError(f"{file} is damaged: its preprocess.scale holds a negative number")
    if preprocess.out_chans != metadata.in_chans:
        raise InputError(
            f"{file} is damaged: its preprocessing gives {preprocess.out_chans} channels, and its encoder takes "
            f"{metadata.in_chans}"
        )
    encoder = _filled(
        file, "encoder", tensors, lambda: random_encoder(0, **architecture), lambda: blank_encoder(**architecture)
    )
    if encoder.feature_dim != metadata.feature_dim:
        raise InputError(
            f"{file} is damaged: its metadata says feature_dim {metadata.feature_dim}, but the encoder that it "
            f"describes has {encoder.feature_dim}"
        )
    return FrozenEncoder(encoder, preprocess, metadata, _saw(file, metadata, tensors))


def _saw(file: Path, metadata: EncoderMetadata, tensors: Mapping[str, Tensor]) -> SampleHashes | None:
    """The hashes of the samples that it was pretrained on; None of an older file, which has none."""
    if "saw" not in metadata:
        return None
    values = tensors.get(_SAW)
    if values is None or values.dtype != torch.int64 or values.ndim != 1:
        raise InputError(f"{file} is damaged: its {_SAW}, the hashes of what it saw, are no list of int64")
    return SampleHashes(metadata["saw"]["kind"], values)


def load_head(path: str | Path) -> ProjectionHead:
    """The projection head g that was trained with an encoder, for fine-tuning from its first layer; in eval mode.

    Args:
        path: as in `load_encoder`.

    Raises:
        InputError: as `load_encoder`; or the file holds no head, as those of older versions.
    """
    file = _file(path)
    metadata, tensors = _read(file, with_tensors=True)
    if "head" not in metadata:
        raise InputError(f"{file} holds no projection head: pretrain again, or fine-tune from h")

    def head() -> ProjectionHead:
        with seeded(0):
            return ProjectionHead(**metadata["head"])

    return _filled(file, "head", tensors, head).eval().requires_grad_(False)


def _filled(
    file: Path,
    name: str,
    tensors: Mapping[str, Tensor],
    make: Callable[[], M],
    make_blank: Callable[[], nn.Module | None] | None = None,
) -> M:
    """One part of the file, its tensors compared with what its metadata describe before the part is really made.

    Args:
        file: where the tensors are from.
        name: of the part.
        tensors: of the file.
        make: the part with weights of its own.
        make_blank: the same on the meta device, None where that cannot be; by default ``make`` is called there.

    Raises:
        InputError: the part cannot be made, or the tensors do not fit it.
    """
    part = {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")}
    try:
        with float32_on_cpu():
            blank = make_blank() if make_blank is not None else _on_meta(make)
            complaint = None if blank is None else _difference(part, blank.state_dict())
            module = make() if complaint is None else None
    except InputError as error:
        raise InputError(f"{error} (so says {file})") from None
    except Exception as error:  # whatever the class raises
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{file}: the {name} of its metadata cannot be made: {reason}") from error
    complaint = complaint or (None if module is None else _difference(part, module.state_dict()))
    if complaint or module is None:
        raise InputError(f"{file} does not fit the {name} that its metadata describes: {complaint}")
    for key, value in part.items():
        most = math.inf if name == "preprocess" else _ABSURD  # whose units may be any
        if value.is_floating_point() and not bool((value.abs() < most).all()):
            held = "NaN or infinity" if not bool(value.isfinite().all()) else f"{float(value.abs().max()):.3g}"
            raise InputError(f"{file} is damaged: its {name}.{key} holds {held}")
        if key.endswith("running_var") and bool((value < 0).any()):
            raise InputError(f"{file} is damaged: its {name}.{key} holds a negative variance")
    module.load_state_dict(part)
    return module


def _on_meta(make: Callable[[], M]) -> M:
    with torch.device("meta"):
        return make()


def _file(path: str | Path) -> Path:
    """The encoder file that is meant, or an InputError."""
    if not isinstance(path, str | Path):
        raise InputError(f"the path of an encoder is a {type(path).__name__}: give text or a Path")
    return encoder_path(path)


def _read(file: Path, with_tensors: bool) -> tuple[EncoderMetadata, dict[str, Tensor]]:
    try:
        with safe_open(file, framework="pt") as content:
            header = dict(content.metadata() or {})
            tensors = {key: content.get_tensor(key) for key in content.keys()} if with_tensors else {}  # noqa: SIM118
    except Exception as error:  # whatever the library raises
        size, reason = file.stat().st_size, " ".join(str(error).removeprefix("Error while ").split())[:160]
        raise InputError(f"{file} ({size} bytes) is damaged or cut short: {reason}") from None
    text = header.get(_METADATA)
    unknown = set(header) - {_METADATA, _HASH, _OTHERS}
    if text is None or unknown:
        what = (
            f"its header holds {', '.join(sorted(unknown))[:60]!r}" if unknown else "its header has no metadata of ours"
        )
        raise InputError(f"{file} is not an encoder file of this version ({FORMAT}): {what}")
    if with_tensors and _HASH in header and header[_HASH] != _hash(text, tensors):
        raise InputError(
            f"{file} is damaged or was edited: its weights and metadata do not have the hash that was written with "
            "them: copy it again from where it was made, or pretrain again"
        )
    try:
        metadata = EncoderMetadata.from_json(text)
    except ValueError as error:
        raise InputError(f"{file} is damaged, or is not an encoder file of this version: {error}") from None
    return metadata, tensors


def _in_order(file: bytes) -> bytes:
    """A safetensors file with the entries of its header sorted, which the library leaves to chance: equal, equal bytes.

    Source: the format's own description: eight bytes with the header's length, the header, padded by spaces, tensors.
    """
    length = int.from_bytes(file[:8], "little")
    header = json.dumps(json.loads(file[8 : 8 + length]), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    text = header.encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + file[8 + length :]


def _hash(text: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the metadata as it stands in the header, and name, dtype, shape and bytes of all tensors."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _difference(given: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str | None:
    """In a line, how tensors differ from what they should be, by name, shape and dtype; None if they do not."""
    both = [k for k in expected if k in given]
    missing = [k for k in expected if k not in given]
    unknown = [k for k in given if k not in expected]
    shapes = [
        f"{k} is {tuple(given[k].shape)}, expected {tuple(expected[k].shape)}"
        for k in both
        if given[k].shape != expected[k].shape
    ]
    dtypes = [
        f"{k} is {_name(given[k].dtype)}, expected {_name(expected[k].dtype)}"
        for k in both
        if given[k].dtype != expected[k].dtype
    ]
    parts = [
        f"{len(names)} {what} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
        for what, names in (
            ("missing", missing),
            ("unknown", unknown),
            ("of another shape", shapes),
            ("of another dtype", dtypes),
        )
        if names
    ]
    return "; ".join(parts) or None


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
