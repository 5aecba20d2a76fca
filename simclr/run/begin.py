"""From checks to changes: where a run, of whatever kind, begins to write in its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from accelerate import Accelerator
from torch import nn
from torch.optim import Optimizer

from simclr.data import Source
from simclr.data.content import SampleHashes
from simclr.recipe.read import Experiment
from simclr.run.checkpoint import go_back_to
from simclr.run.fitting import check_fits
from simclr.run.resume import as_stored, check_remembered, identify, remember
from simclr.run.run_folder import RunFolder
from simclr.run.trackers import start_trackers


class Begun(NamedTuple):
    """What only the main process has.

    Attributes:
        remembered: what its run states remember.
        log: takes the numbers of a step.
        saw: hashes of the samples, None where they are made at the end.
        keep: called when a step was made: a run that is overwritten goes only then.
        notes: lines for the user.
    """

    remembered: dict[str, Any]
    log: Callable[[dict[str, Any], int], None]
    saw: SampleHashes | None
    keep: Callable[[], None]
    notes: Sequence[str] = ()


def begin_run(
    folder: RunFolder,
    recipe: Experiment,
    source: Source,
    state: Mapping[str, Any],
    accelerator: Accelerator,
    say: Callable[[str], None],
    learner: tuple[nn.Module, Optimizer],
    target: Source | None = None,
) -> Begun:
    """On the main process, after all that can be refused: the last checks, and from here on the folder changes.

    Args:
        folder: that is held for the run.
        recipe: of the run.
        source: what it learns from.
        state: that it goes on from, as of `simclr.run.checkpoint.load_run_state`.
        accelerator: of the main process.
        say: prints a line for the user.
        learner: model and optimizer, which the state has to fit.
        target: what it adapts to, without labels, as it was opened.

    Raises:
        InputError: another recipe, other data or another model than the run was begun with, or a tracker that does
            not start.
    """
    stored = as_stored(recipe.data, source)
    data = identify(stored)
    of_target = None if target is None else identify(target)
    check_remembered(state, recipe, data, str(folder.path), of_target, folder.changes)
    check_fits(state, *learner, accelerator, str(folder.path))
    log = start_trackers(accelerator, recipe, folder.path, folder.id, say)
    folder.begin()
    go_back_to(folder.path / "checkpoints", state["step"])
    # What is streamed is hashed at the end: to read it all may take an hour.
    hashes = stored.sample_hashes() if stored.resident else None
    return Begun(remember(recipe, data, of_target), log, hashes, folder.keep)
