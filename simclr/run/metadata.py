"""What a run has to say about itself: its encoder's metadata, versions and commit."""

import json
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from simclr.data import Preprocess, SceneSource, Source
from simclr.encoder_metadata import EncoderMetadata
from simclr.errors import InputError
from simclr.models.encoder import for_channels
from simclr.recipe.read import Experiment

# What pip knows the package simclr by: the name simclr is somebody else's there.
DISTRIBUTION = "simclr-toolkit"

# A safetensors header has at most 100 MB; the names of the tensors and the last numbers take some of it.
_MOST_BYTES = 90_000_000


def describe_run(
    recipe: Experiment,
    source: Source,
    preprocess: Preprocess,
    encoder: nn.Module,
    steps: int,
    numbers: Mapping[str, Any],
    monitor_ids: list[int],
) -> EncoderMetadata:
    """The metadata of a finished run: of two equal runs the same, so no time stands in it (``run.json`` has it).

    Args:
        recipe: as resolved.
        source: what the encoder saw.
        preprocess: fitted, raw → encoder input.
        encoder: the base encoder f.
        steps: number of steps done.
        numbers: the last line of metrics.jsonl.
        monitor_ids: samples whose labels the online probe has seen; evaluators leave them out of their test sets.
    """
    feature_dim: int = encoder.feature_dim  # type: ignore[assignment]
    content = {
        "encoder": for_channels(recipe.encoder.model_dump(), preprocess.out_chans, preprocess.components),
        "feature_dim": feature_dim,
        "data": recipe.data.model_dump(mode="json"),
        "source": {
            "name": source.name,
            "samples": len(source),
            "classes": list(source.class_names),
            "patch_size": source.patch_size if isinstance(source, SceneSource) else None,
        },
        "monitor_ids": monitor_ids,
        "numbers": {"steps": steps, "samples_seen": steps * recipe.train.batch_size, **numbers},
        "recipe": recipe.model_dump(mode="json"),
        "versions": versions(),
        "git": git_commit(),
    }
    return EncoderMetadata(content)


def check_storable(metadata: EncoderMetadata) -> None:
    """Whether an encoder file can hold this metadata: asked at the start, since it is written at the very end.

    Raises:
        InputError: a name that is no text, or more than the header of a safetensors file holds.
    """
    text = json.dumps(metadata, ensure_ascii=False)
    try:
        size = len(json.dumps(text).encode())  # as JSON within the header's JSON
        text.encode()
    except UnicodeEncodeError as error:
        part = text[max(0, error.start - 20) : error.end + 20].encode("utf-8", "backslashreplace").decode()
        raise InputError(
            f"the encoder file cannot hold …{part}…, which is not UTF-8: rename that file or folder"
        ) from None
    if size > _MOST_BYTES:
        raise InputError(
            f"what the encoder file is to say of its data takes {size / 1e6:,.0f} MB, more than the "
            f"{_MOST_BYTES / 1e6:,.0f} MB that it can hold: {len(metadata.source.classes):,} class names and "
            f"{len(metadata.monitor_ids):,} ids of samples that the online probe looks at; use fewer classes, or set "
            f"monitor.knn=false"
        )


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    packages = ("simclr", "torchvision", "kornia", "accelerate", "numpy", "scikit-learn")
    found = {"python": platform.python_version(), "torch": torch.__version__}
    for package in packages:
        try:
            found[package] = version(DISTRIBUTION if package == "simclr" else package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def git_commit() -> str | None:
    """The commit of the checkout that this code runs from, with ``+`` when it has changes; None outside one."""
    here = Path(__file__).parent.parent
    try:
        top, commit = _git(here, "rev-parse", "--show-toplevel", "HEAD").splitlines()
        changed = _git(here, "status", "--porcelain", "--untracked-files=no").strip()
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    # An installed copy may lie inside somebody else's repository.
    return commit + ("+" if changed else "") if Path(top) == here.parent else None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout
