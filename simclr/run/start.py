"""What a fine-tuning starts from, a run or an encoder file, and what that says where its recipe is silent."""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from simclr.data import SceneSource, Source
from simclr.data.content import SampleHashes
from simclr.encoder_file import FrozenEncoder, load_encoder, read_metadata
from simclr.encoder_metadata import EncoderMetadata
from simclr.errors import InputError
from simclr.models.encoder import for_channels
from simclr.recipe.encoder_path import encoder_path, finished_runs, like_it
from simclr.recipe.named_files import shortened, why_not
from simclr.recipe.read import apply_overrides, check_tuning, data_before, is_null, read_tree, shipped_recipes
from simclr.recipe.tuning import TuningRecipe
from simclr.run.run_folder import folder_of, is_run_folder

SOME = 8
"""Runs that a complaint names, at most."""
_GIVEN_ON = ("data", "augment", "encoder", "embedding")


class Start(NamedTuple):
    """What was pretrained.

    Attributes:
        file: where it is from.
        encoder: its encoder.
        digest: SHA-256 of the file.
    """

    file: Path
    encoder: FrozenEncoder
    digest: str


def is_start(path: str | Path) -> bool:
    """Whether a path is of a finished run or an encoder file, and not of a recipe."""
    path = Path(os.path.expanduser(path))
    return path.suffix == ".safetensors" or path.is_dir()


def folder_for(given: str) -> Path:
    """Where a run goes by default: RUN-tuned beside what it starts from, runs/RECIPE-tuned of a recipe of pretraining.

    Args:
        given: as of `read_tuning`, which has read it.
    """
    if is_start(given):
        return _beside(Path(os.path.expanduser(given)).resolve())
    folder = folder_of(Path(given))
    return _beside(folder.resolve()) if _of_pretraining(read_tree(given)) else folder


def _beside(start: Path) -> Path:
    run = start.parent if start.suffix == ".safetensors" else start
    return Path(os.path.relpath(run.with_name(f"{run.name}-tuned")))


def read_tuning(given: str, overrides: Sequence[str] = ()) -> TuningRecipe:
    """The recipe of a fine-tuning. Where it starts from a run, that run's data, augment and encoder are defaults.

    Args:
        given: a recipe of fine-tuning; or a run or an encoder file to start from; or a recipe of pretraining, whose
            data, augment and encoder are then taken.
        overrides: ``KEY=VALUE``.

    Raises:
        InputError: as `read_recipe`; or there is no such encoder file.
    """
    path: str | None = os.path.expanduser(given)
    if is_start(given):
        tree: Any = {"from": path, "description": f"{Path(given).resolve().name}, fine-tuned"}
    else:
        _check_meant(given, overrides)
        tree = _of_tuning(read_tree(given), given)
        start = apply_overrides(tree, overrides).get("from") if isinstance(tree, dict) else None
        path = None if is_null(start) else os.path.expanduser(str(start))
    if path is None:
        return check_tuning(apply_overrides(tree, overrides))
    said = _said_by(read_metadata(path))
    if "data" not in tree:
        said["data"] = data_before(said.get("data", {}), [text for text in overrides if text.startswith("data.")])
    return check_tuning(apply_overrides({**said, **tree}, overrides))


def _check_meant(given: str, overrides: Sequence[str]) -> None:
    """Refuse a run that is not there, and the recipe of a run where its encoder was meant.

    Raises:
        InputError: names what to give.
    """
    path = Path(os.path.expanduser(given))
    if not why_not(path, "file"):
        from_it = path.name == "recipe.yaml" and is_run_folder(path.parent) and _of_pretraining(read_tree(given))
        if from_it and not any(text.partition("=")[0].strip() == "from" for text in overrides):
            raise InputError(
                f"{shortened(given)} is the recipe of a run, and not its encoder: give {shortened(path.parent)} to "
                f"start from that, or add from=null for random weights"
            )
    elif path.name != given and path.suffix not in (".yaml", ".yml"):
        near, runs = like_it(path), finished_runs(path.parent)
        others = f"; {shortened(path.parent)} has {', '.join(runs[:SOME])}{', …' * (len(runs) > SOME)}" if runs else ""
        hint = f"; did you mean {shortened(near)}?" if near else others
        raise InputError(
            f"there is no run {shortened(given)}: give the folder of a finished run, an encoder file or a recipe{hint}"
        )
    elif path.suffix not in (".yaml", ".yml") and given not in shipped_recipes():
        runs, names = finished_runs(Path("runs")), shipped_recipes()
        if given in runs:
            raise InputError(f"there is no recipe {given}, but a run of that name: give {Path('runs') / given}")
        like = difflib.get_close_matches(given[:100], [*names, *runs], n=1)
        there = [str(Path("runs") / run) for run in runs[:SOME]]
        meant = [one if one in names else str(Path("runs") / one) for one in like]
        raise InputError(
            f"there is no recipe and no run '{shortened(given)}': give the folder of a finished run, an encoder file, "
            f"a YAML file or one of {', '.join([*names, *there])}{''.join(f'; did you mean {one}?' for one in meant)}"
        )


def _of_tuning(tree: Any, given: str) -> Any:
    """A recipe of fine-tuning as it is; of one of pretraining, what both have."""
    if not _of_pretraining(tree):
        return tree
    if not is_null(tree.get("choose")):
        raise InputError(
            f"{given} leaves values to be chosen for pretraining: pretrain with it, and fine-tune that run"
        )
    return {key: tree[key] for key in ("seed", *_GIVEN_ON, "log") if key in tree}


def _of_pretraining(tree: Any) -> bool:
    return isinstance(tree, dict) and "objective" not in tree and bool(tree.keys() & {"loss", "head", "choose"})


def _said_by(metadata: EncoderMetadata) -> dict[str, Any]:
    """The sections that a fine-tuning takes over; of older files, as far as they say them."""
    recipe, architecture = metadata.recipe or {}, metadata.architecture
    named = {key: architecture[key] for key in ("name", "stem", "width", "options") if key in architecture}
    said = {"data": metadata.data, "encoder": named, **recipe, "embedding": architecture.get("embedding")}
    return {key: said[key] for key in _GIVEN_ON if said.get(key) is not None}


def load_start(recipe: TuningRecipe) -> Start | None:
    """The encoder that a fine-tuning starts from, None for random weights.

    Raises:
        InputError: as `simclr.encoder_file.load_encoder`; or the recipe describes another encoder.
    """
    if recipe.start is None:
        return None
    file = encoder_path(recipe.start)
    encoder = load_encoder(file)
    preprocess = encoder.preprocess
    asked = for_channels(recipe.encoder.model_dump(), preprocess.out_chans, preprocess.components)
    there: Mapping[str, Any] = encoder.metadata.architecture
    for key in ("name", "stem", "width", "options"):
        if key in there and asked[key] != there[key] and (asked[key] or there[key]):
            raise InputError(
                f"encoder.{key} is {asked[key]}, but {file} has {there[key]}: leave the section encoder out, for the "
                f"file says what it holds"
            )
    return Start(file, encoder, hashlib.sha256(file.read_bytes()).hexdigest())


def check_apart(recipe: TuningRecipe, output: Path) -> None:
    """Raise an InputError if a run would overwrite what it starts from: asked first of all."""
    if recipe.start is None:
        return
    path = Path(os.path.expanduser(recipe.start))
    if (path if path.is_dir() else path.parent).resolve() == output.resolve():
        raise InputError(f"{output} holds what the run starts from, and would be overwritten: give another --output")


def check_start(start: Start | None, source: Source, output: Path, state: Mapping[str, Any]) -> None:
    """Whether a run may begin, or go on, from there.

    Raises:
        InputError: patches of another size, or the run was begun from another file.
    """
    if start is None:
        return
    side = start.encoder.metadata.source.patch_size
    if isinstance(source, SceneSource) and side not in (None, source.patch_size):
        raise InputError(
            f"{start.file} was pretrained on patches of {side}x{side} pixels: set data.patch_size={side}, or start "
            f"from random weights with from=null"
        )
    if state.get("start", start.digest) != start.digest:
        raise InputError(
            f"{start.file} is not what the run in {output} started from: put that back, or start anew with --overwrite"
        )


def take_weights(encoder: nn.Module, start: Start) -> None:
    """The weights of what is there already, as far as both have the same parts: an embedding layer may be new."""
    old, new = start.encoder.encoder, encoder
    if _shapes(old) != _shapes(new):
        old, new = getattr(old, "encoder", old), getattr(new, "encoder", new)
    new.load_state_dict(old.state_dict())


def _shapes(module: nn.Module) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in module.state_dict().items()}


class Seen(NamedTuple):
    """What an encoder has seen.

    Attributes:
        samples: hashes of the samples of this run, followed by those of its target and of its start that are not
            among them.
        monitor_ids: places in it of those whose labels the start's online probe has seen.
    """

    samples: SampleHashes
    monitor_ids: list[int]


def all_seen(hashes: SampleHashes, start: Start | None, target: SampleHashes | None = None) -> Seen:
    """What this run and its start have seen; of a start whose samples are hashed otherwise, nothing can be told.

    Args:
        hashes: of the samples of this run.
        start: what it began from.
        target: of the samples that it adapts to, whose labels it has not seen; of another kind, nothing is told.
    """
    if target is not None and target.kind == hashes.kind:
        hashes = SampleHashes(hashes.kind, _with(hashes.values, target.values))
    saw = None if start is None else start.encoder.saw
    if start is None or saw is None or saw.kind != hashes.kind:
        return Seen(hashes, [])
    both = SampleHashes(hashes.kind, _with(hashes.values, saw.values))
    told = start.encoder.metadata.label_ids
    of_labels = saw.values[[i for i in told if i < len(saw.values)]]
    return Seen(both, torch.isin(both.values, of_labels[of_labels != 0]).nonzero()[:, 0].tolist())


def _with(hashes: Tensor, others: Tensor) -> Tensor:
    """Hashes (n,), and those of the others that are not among them."""
    return torch.cat([hashes, others[~torch.isin(others, hashes)]])
