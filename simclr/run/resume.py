"""May a run go on? Only with the recipe and the data that it was begun with."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from simclr.data import SceneSource, Source, StreamSource, open_source
from simclr.data.content import ContentHash
from simclr.encoder_file import load_encoder
from simclr.errors import InputError
from simclr.recipe.data import Data
from simclr.recipe.read import Experiment, check_experiment
from simclr.recipe.tuning import TuningRecipe

CHANGEABLE = ("train.", "loss.", "monitor.")
"""Sections of a recipe whose keys may differ when a run is resumed, where the user names them."""

# What a run state or the order of samples hangs on, and what was learned from must not be asked about later.
_FIXED = ("train.optimizer", "train.batch_size", "train.precision", "monitor.held_out")

# What may differ when a run is resumed: it changes no number.
_FREE = ("description", "monitor.every", "log", "train.checkpoint", "data.workers", "target.workers")

_PROBED = 64  # samples of a streamed source, spread over all


class DataIdentity(NamedTuple):
    """What the samples of a run are: how many, and a hash of their content."""

    samples: int
    content: str


def as_stored(data: Data, source: Source) -> Source:
    """The samples of a run as their files hold them: a scene is read once more, as it is in other units by now.

    Args:
        data: the section of the recipe.
        source: what the run learns from.
    """
    if not isinstance(source, SceneSource):
        return source
    raw = open_source(data)
    assert raw is not None  # it was opened before
    return raw


def identify(source: Source) -> DataIdentity:
    """What tells the samples of a run from others, wherever they lie and whenever they were copied there.

    Of a streamed source the names of all samples and the values of 64 of them: reading every one may take an hour.
    Labels count as well where there are any, for the online probe looks at them.

    Args:
        source: as of :func:`as_stored`.
    """
    if isinstance(source, StreamSource):
        content = ContentHash("streamed", len(source), source.sample_shape, str(source.sample_dtype))
        for i in range(len(source)):
            content.note(source.sample_name(i))
        content.add(source.read(list(dict.fromkeys(k * len(source) // _PROBED for k in range(_PROBED))))[0])
    else:
        content = ContentHash("resident", len(source), source.content_hash())
    content.add(torch.empty(0, dtype=torch.int64) if source.labels is None else source.labels)
    return DataIdentity(len(source), content.hexdigest()[:16])


def check_changes(keys: Sequence[str]) -> None:
    """Raises InputError unless all of these keys are such as may be changed when a run is resumed."""
    for key in keys:
        if not _changeable(key):
            sections = ", ".join(f"{section}*" for section in CHANGEABLE)
            raise InputError(
                f"--change {key}: only keys of {sections} can change in a run, and of these not {', '.join(_FIXED)}; "
                f"start another one"
            )


def check_same_recipe(
    old: Experiment, new: Experiment, where: str, moved: bool = False, changes: Sequence[str] = ()
) -> None:
    """Raises InputError unless both say the same, but for what changes no number, and what the user wants to change.

    Args:
        old: what the run was begun with.
        new: what it is to be resumed with.
        where: the run's folder.
        moved: the data may lie elsewhere, as their content is compared.
        changes: keys that may differ all the same.
    """
    if isinstance(old, TuningRecipe) is not isinstance(new, TuningRecipe):
        kind = "fine-tuning" if isinstance(old, TuningRecipe) else "pretraining"
        command = "fine-tune" if isinstance(old, TuningRecipe) else "pretrain"
        raise InputError(
            f"{where} holds a run of {kind}: go on with it by simclr {command} {where}/recipe.yaml --output {where} "
            f"--resume, or give another --output"
        )
    then, now = _flat(old), _flat(new)
    free = (*_FREE, "data.path", "target.path") if moved else _FREE
    for key in [*then, *now]:
        if then.get(key) != now.get(key) and not key.startswith(free) and key not in changes:
            allow = f", or allow it by --change {key}" if _changeable(key) else ""
            raise InputError(
                f"{where} holds the run of another recipe: {key} was {then.get(key)}, now it is {now.get(key)}; "
                f"resume with {where}/recipe.yaml{allow}"
            )


def finished(output: Path, recipe: Experiment, state: Mapping[str, Any]) -> dict[str, Any] | None:
    """The numbers of a run that has ended: its encoder is whole, and of this recipe and this state; else None.

    Args:
        output: the run's folder.
        recipe: that it is to be resumed with.
        state: the newest of its run states.
    """
    try:
        metadata = load_encoder(output / "encoder.safetensors").metadata
        if not (output / "encoder.json").exists() or metadata.recipe is None:
            return None
        check_same_recipe(check_experiment(metadata.recipe), recipe, str(output), moved=True)
    except InputError:
        return None
    return dict(metadata.numbers) if metadata.numbers.get("steps") == state["step"] > 0 else None


def check_steps_left(done: int, total: int, changes: Sequence[str]) -> None:
    """Raises InputError where a resumed run has made more steps than it is to have, or none is left for a change."""
    if done > total:
        raise InputError(f"the run has made {done:,} steps already, more than the {total:,} that it is to have")
    if changes and done == total:
        raise InputError(f"the run has ended with step {done:,}: no step is left for {', '.join(changes)} to change")


def _changeable(key: str) -> bool:
    return key.startswith(CHANGEABLE) and key not in (*CHANGEABLE, *_FIXED)


def remember(recipe: Experiment, data: DataIdentity, target: DataIdentity | None = None) -> dict[str, Any]:
    """What a run state holds of the recipe and the data, plain enough for torch to load without executing anything."""
    of_target = {} if target is None else {"target": target._asdict()}
    return {"recipe": recipe.model_dump_json(), "data": data._asdict(), **of_target}


def check_remembered(
    state: Mapping[str, Any],
    recipe: Experiment,
    data: DataIdentity,
    where: str,
    target: DataIdentity | None = None,
    changes: Sequence[str] = (),
) -> None:
    """Compare what a run state remembers with what there is now; older states remember nothing.

    Args:
        state: with the entries of :func:`remember`.
        recipe: that the run is to be resumed with.
        data: likewise.
        where: the run's folder.
        target: what the run adapts to, if anything.
        changes: keys of the recipe that may differ.

    Raises:
        InputError: another recipe, or other data.
    """
    if "recipe" in state:
        check_same_recipe(check_experiment(json.loads(state["recipe"])), recipe, where, moved=True, changes=changes)
    for key, now, words in (("data", data, "on other data"), ("target", target, "with another target")):
        old = DataIdentity(**state[key]) if key in state else now
        if now is not None and old is not None and old != now:
            raise InputError(
                f"{where} holds a run {words}: {old.samples:,} samples with hash {old.content} then, "
                f"{now.samples:,} with hash {now.content} now; resume with the data as they were, or start anew with "
                f"--overwrite"
            )


def _flat(recipe: Experiment) -> dict[str, Any]:
    def walk(node: Any, prefix: str) -> Iterator[tuple[str, Any]]:
        if isinstance(node, dict) and node:  # an empty one says something, too: a term without arguments
            for key, value in node.items():
                yield from walk(value, f"{prefix}{key}.")
        else:
            yield prefix[:-1], node

    return dict(walk(recipe.model_dump(mode="json"), ""))
