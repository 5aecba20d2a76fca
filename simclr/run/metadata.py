"""What a run has to say about itself: its encoder's metadata, versions and commit."""

import platform
import subprocess
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from simclr.data import Preprocess, SceneSource, Source
from simclr.encoder_metadata import EncoderMetadata
from simclr.recipe.schema import Recipe

# What pip knows the package simclr by: the name simclr is somebody else's there.
DISTRIBUTION = "simclr-toolkit"


def describe_run(
    recipe: Recipe,
    source: Source,
    preprocess: Preprocess,
    encoder: nn.Module,
    steps: int,
    numbers: Mapping[str, Any],
    monitor_ids: list[int],
) -> EncoderMetadata:
    """The metadata of a finished run.

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
        "encoder": {"in_chans": preprocess.out_chans, **recipe.encoder.model_dump()},
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
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    return EncoderMetadata(content)


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
