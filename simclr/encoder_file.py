"""The encoder file: weights and everything a downstream project needs to use them without a surprise.

One safetensors file; its header holds the metadata as JSON, so nothing that is loaded can execute code. A copy of
the metadata lies beside it as ``encoder.json`` for people.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from simclr.data.content import SampleHashes
from simclr.data.preprocess import Preprocess
from simclr.encoder_metadata import EncoderMetadata
from simclr.errors import InputError
from simclr.files import write_atomically, write_text
from simclr.models.encoder import random_encoder, seeded
from simclr.models.head import ProjectionHead

FORMAT = "simclr-encoder/1"
SAW = "saw.samples"


class FrozenEncoder(nn.Module):
    """A pretrained encoder with the preprocessing that it was trained with; in eval mode, without gradients.

    Call ``encoder(encoder.preprocess(batch))`` with a raw batch (B, bands, H, W), in the units and dtype of the
    data that it was pretrained on.

    Attributes:
        preprocess: raw batch → input of the encoder.
        feature_dim: width of the representation.
        metadata: what it saw and how it was made; a read-only mapping with typed names.
        saw: hashes of the samples that it was pretrained on, in their order; None where its file holds none.
    """

    def __init__(
        self,
        encoder: nn.Module,
        preprocess: Preprocess,
        metadata: Mapping[str, Any],
        saw: SampleHashes | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.preprocess = preprocess
        self.metadata = EncoderMetadata(metadata)
        self.saw = saw
        self.feature_dim: int = self.metadata.feature_dim
        self.eval().requires_grad_(False)
        # Convolutions are up to twice as fast this way; the numbers are the same.
        self.encoder.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """Preprocessed batch (B, C, H, W) → representations (B, feature_dim), float32.

        Raises:
            InputError: wrong rank or number of channels.
        """
        expected = self.metadata.in_chans
        if x.ndim != 4 or x.shape[1] != expected:
            raise InputError(
                f"the encoder takes (B, {expected}, H, W), but the batch has shape {tuple(x.shape)}: "
                "call encoder(encoder.preprocess(batch)) with a raw batch"
            )
        return self.encoder(x.contiguous(memory_format=torch.channels_last)).float()

    def random_twin(self, seed: int) -> "FrozenEncoder":
        """The same architecture and preprocessing with fresh random weights: the baseline of every result."""
        device = next(self.encoder.parameters()).device
        encoder = random_encoder(seed, **self.metadata.architecture).to(device)
        return FrozenEncoder(encoder, self.preprocess, self.metadata.with_entries(random_weights_seed=seed))


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
        **({} if saw is None else {SAW: saw.values}),
    }
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    header = {"simclr": json.dumps(content)}
    write_atomically(path, lambda temporary: save_file(tensors, temporary, metadata=header))
    write_text(path.with_suffix(".json"), json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_metadata(path: str | Path) -> EncoderMetadata:
    """The metadata of an encoder file, without loading its weights.

    Raises:
        InputError: no such file, truncated, or not an encoder file.
    """
    return _read(path, with_tensors=False)[0]


def load_encoder(path: str | Path) -> FrozenEncoder:
    """Load an encoder that ``simclr pretrain`` wrote, on the CPU, frozen.

    Args:
        path: an encoder file, or the run folder that holds ``encoder.safetensors``.

    Raises:
        InputError: no such file, truncated, not an encoder file, or its tensors do not fit its own metadata; says
            what differs.

    Example:
        >>> encoder = load_encoder("runs/indian-pines/encoder.safetensors")
        >>> h = encoder(encoder.preprocess(batch))  # (B, encoder.feature_dim)
    """
    metadata, tensors = _read(path, with_tensors=True)
    encoder = random_encoder(0, **metadata.architecture)
    preprocess = Preprocess.from_config(metadata["preprocess"])
    _fill(encoder, "encoder", tensors, path)
    _fill(preprocess, "preprocess", tensors, path)
    saw = SampleHashes(metadata["saw"]["kind"], tensors[SAW]) if "saw" in metadata and SAW in tensors else None
    return FrozenEncoder(encoder, preprocess, metadata, saw)


def load_head(path: str | Path) -> ProjectionHead:
    """The projection head g that was trained with an encoder, for fine-tuning from its first layer; in eval mode.

    Args:
        path: as in `load_encoder`.

    Raises:
        InputError: as `load_encoder`; or the file holds no head, as those of older versions.
    """
    metadata, tensors = _read(path, with_tensors=True)
    if "head" not in metadata:
        raise InputError(f"{path} holds no projection head: pretrain again, or fine-tune from h")
    with seeded(0):
        head = ProjectionHead(**metadata["head"])
    _fill(head, "head", tensors, path)
    return head.eval().requires_grad_(False)


def _fill(module: nn.Module, name: str, tensors: dict[str, Tensor], path: str | Path) -> None:
    """Load the tensors of one part of the file, or say how they differ from what the part should have."""
    part = {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")}
    difference = _difference(part, module.state_dict())
    if difference:
        raise InputError(f"{path} does not fit the {name} that its metadata describes: {difference}")
    module.load_state_dict(part)


def _read(path: str | Path, with_tensors: bool) -> tuple[EncoderMetadata, dict[str, Tensor]]:
    file = Path(path)
    if file.is_dir():
        file = file / "encoder.safetensors"
    if not file.is_file():
        raise InputError(f"there is no encoder file {file}: give the encoder.safetensors of a finished run")
    try:
        with safe_open(file, framework="pt") as content:
            header = (content.metadata() or {}).get("simclr")
            tensors = {key: content.get_tensor(key) for key in content.keys()} if with_tensors else {}  # noqa: SIM118
        metadata = EncoderMetadata(json.loads(header) if header else {})
    except (SafetensorError, ValueError, OSError) as error:
        size = file.stat().st_size
        raise InputError(f"{file} ({size} bytes) is damaged or cut short: {error}") from None
    if metadata.get("format") != FORMAT:
        raise InputError(
            f"{file} is not an encoder file of this version ({FORMAT}): {metadata.get('format', 'no format')}"
        )
    return metadata, tensors


def _difference(given: dict[str, Tensor], expected: dict[str, Tensor]) -> str:
    missing = [k for k in expected if k not in given]
    unknown = [k for k in given if k not in expected]
    shapes = [
        f"{k} is {tuple(given[k].shape)}, expected {tuple(expected[k].shape)}"
        for k in expected
        if k in given and given[k].shape != expected[k].shape
    ]
    parts = [
        f"{len(names)} {what} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
        for what, names in (("missing", missing), ("unknown", unknown), ("of another shape", shapes))
        if names
    ]
    return "; ".join(parts)
