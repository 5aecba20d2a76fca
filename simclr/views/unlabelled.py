"""The second stream of a fine-tuning: inputs without labels, of a target domain or of the data itself."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Collection, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from simclr.data import SampleOrder, SceneSource, Source, batches
from simclr.data.aligned import aligned_preprocess
from simclr.data.open import open_source
from simclr.errors import InputError
from simclr.recipe.complaint import of_the_target
from simclr.recipe.tuning import TuningRecipe
from simclr.views.inputs import Inputs, build_training_views


class Share(NamedTuple):
    """Which part of a global batch a process takes: ``batch_size`` samples, a ``rank`` of so many."""

    batch_size: int
    rank: int
    world_size: int


class Unlabelled(NamedTuple):
    """Views of samples whose labels nobody looks at, one of each.

    Attributes:
        inputs: their source and augmentation.
        order: which of them a step takes.
        device: where the views are wanted.
        workers: as of `simclr.data.feed.batches`.
    """

    inputs: Inputs
    order: SampleOrder
    device: torch.device
    workers: int | None

    def views(self, start: int, stop: int) -> Iterator[Tensor]:
        """Inputs of the encoder for the global steps start..stop-1, (u, C, h, w): pure functions of (seed, step)."""
        for step, ids, batch in batches(self.inputs.source, self.order, start, stop, self.device, self.workers):
            yield self.inputs.augment(batch, ids, step)[0]

    @property
    def of_process(self) -> int:
        """Views of a step in this process."""
        return self.order.batch_size // self.order.world_size

    def describe(self) -> str:
        """The stream, in a line."""
        return f"without labels: {self.order.n:,} samples of {self.inputs.raw.name}, {self.order.batch_size} a step"


def open_target(recipe: TuningRecipe, device: torch.device) -> Source | None:
    """The samples of the target without their labels; None where the recipe has no target.

    Raises:
        InputError: as `simclr.data.open.open_source`.
    """
    if recipe.target is None:
        return None
    try:
        opened = open_source(recipe.target, device=device)
    except InputError as error:
        raise InputError(of_the_target(str(error))) from None
    assert opened is not None
    return without_labels(opened)


def without_labels(source: Source) -> Source:
    """The same samples, of which no label can be read any more."""
    bare = copy.copy(source)
    bare.labels, bare.class_names = None, ()
    if isinstance(bare, SceneSource):
        bare.ground_truth, bare.class_numbers = None, ()
    return bare


def build_unlabelled(
    recipe: TuningRecipe, inputs: Inputs, target: Source | None, needs: Collection[str], share: Share
) -> Unlabelled | None:
    """The stream that a model needs, None where it needs none.

    Of the target where there is one, in the preprocessing of the data unless it asks for statistics of its own. Else
    of the data itself: of all its samples, those with a label and those of unknown classes too, for to leave them out
    one would have to look at their labels. Of a scene, pixels where nothing was measured are left out.

    Args:
        recipe: of the run.
        inputs: of its data.
        target: as of `open_target`.
        needs: of the model: ``unlabelled`` or ``target`` asks for the stream.
        share: of the labelled batch; this one is as large, or as there are samples.

    Raises:
        InputError: a target that nothing looks at, or one whose samples do not fit the data's.
    """
    assert target is not None or "target" not in needs  # as of `simclr.losses.objectives.check_objective`
    if not {"target", "unlabelled"} & {*needs}:
        if target is not None:
            raise InputError(
                "the recipe has a target, but nothing looks at it: add a term that does, such as objective.ddc={}, or "
                "set target=null"
            )
        return None
    raw = inputs.raw if target is None else target
    if raw.in_chans != inputs.raw.in_chans:
        raise InputError(
            f"the target {raw.name} has {raw.in_chans} bands, but {inputs.raw.name} has {inputs.raw.in_chans}: give a "
            f"target of the same bands"
        )
    seed = int.from_bytes(hashlib.blake2b(f"{recipe.seed}/unlabelled".encode(), digest_size=7).digest(), "little")
    preprocess = aligned_preprocess(inputs.preprocess, inputs.raw, raw) if recipe.own_statistics else inputs.preprocess
    views = build_training_views(recipe.augment, seed, raw, preprocess)
    for member, like in zip(views.augment.members(), inputs.augment.members()):
        member.dtype = like.dtype
    if views.view_shape != inputs.view_shape:
        sizes = ["x".join(map(str, shape[1:])) for shape in (views.view_shape, inputs.view_shape)]
        raise InputError(
            f"the target {raw.name} gives views of {sizes[0]} pixels, but {inputs.raw.name} gives {sizes[1]}: give a "
            f"target of the same size (target.patch_size, target.image_size), or crop both by augment.resized_crop"
        )
    ids = torch.arange(len(raw))
    if isinstance(raw, SceneSource) and raw.no_data is not None:
        ids = (~raw.no_data).flatten().nonzero()[:, 0]
    n, world_size = len(ids), share.world_size
    if n < 2 * world_size:
        raise InputError(
            f"the target {raw.name} has {n} samples: give 2 for each process, or more, to learn a difference from"
        )
    batch_size = min(share.batch_size, n // world_size * world_size)
    workers = (recipe.data if recipe.target is None else recipe.target).workers
    order = SampleOrder(n, batch_size, seed, share.rank, world_size, ids)
    return Unlabelled(views, order, inputs.preprocess.offset.device, workers)
