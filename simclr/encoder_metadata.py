"""What an encoder file says about itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class PretrainedOn(NamedTuple):
    """The samples that an encoder was pretrained on; only a scene has a ``patch_size``."""

    name: str | None = None
    samples: int | None = None
    classes: tuple[str, ...] = ()
    patch_size: int | None = None


class EncoderMetadata(dict[str, Any]):
    """The metadata of an encoder: the JSON of its file, and typed names for what this package reads of it.

    It is a dict because that is what a file holds and what other projects take it for: they look things up in it
    (``encoder.metadata["numbers"]``) and write it as JSON. It holds at least ``encoder`` (the arguments of
    ``build_encoder``) and ``feature_dim``; the names have a value for whatever else an older file lacks.
    """

    @property
    def architecture(self) -> Mapping[str, Any]:
        """Keyword arguments of ``simclr.models.encoder.build_encoder``."""
        return self["encoder"]

    @property
    def in_chans(self) -> int:
        """Channels that the encoder takes."""
        return self.architecture["in_chans"]

    @property
    def feature_dim(self) -> int:
        """Width of the representation."""
        return self["feature_dim"]

    @property
    def data(self) -> Mapping[str, Any]:
        """The recipe's section on data."""
        return self.get("data", {})

    @property
    def recipe(self) -> Mapping[str, Any] | None:
        """The whole recipe, as resolved."""
        return self.get("recipe")

    @property
    def source(self) -> PretrainedOn:
        """What it was pretrained on."""
        seen = self.get("source", {})
        return PretrainedOn(
            seen.get("name"), seen.get("samples"), tuple(seen.get("classes", ())), seen.get("patch_size")
        )

    @property
    def monitor_ids(self) -> Sequence[int]:
        """Samples whose labels the online probe has seen; evaluators leave them out of their test sets."""
        return self.get("monitor_ids", ())

    @property
    def numbers(self) -> Mapping[str, float]:
        """The last numbers of the run."""
        return self.get("numbers", {})

    @property
    def versions(self) -> Mapping[str, str]:
        """Of python and packages, when it was made."""
        return self.get("versions", {})

    @property
    def created(self) -> str | None:
        """When it was made, ISO 8601."""
        return self.get("created")

    @property
    def git(self) -> str | None:
        """The commit that made it, with ``+`` for changes beside it."""
        return self.get("git")

    def with_entries(self, **entries: Any) -> EncoderMetadata:
        """The same with further entries, or others; this one stays as it is."""
        return EncoderMetadata({**self, **entries})
