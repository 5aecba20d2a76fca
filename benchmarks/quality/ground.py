"""What is asked of every representation of a set: what to learn from and what to be tested on, seed by seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from benchmarks.quality.images import Images, open_images
from benchmarks.quality.scenes import Scene, open_scene
from benchmarks.quality.sets import Prepared
from simclr.augment.addressed import permutation
from simclr.data.scenes.scene import SceneSource
from simclr.eval.splits.draw import draw_splits
from simclr.eval.splits.labelled import LabelledData
from simclr.eval.splits.open_split import OpenSplit, open_splits
from simclr.eval.splits.split import Split

PATCH = 9
"""Side of the patches that a block split keeps apart, whatever an encoder's: all are judged on the same samples."""
SHOTS = (5, 20)
SHARES = (0.01, 0.1)
UNKNOWN_SHOTS = 20
MOST_TESTED = 2_000
WAYS, EPISODES = 20, 200
_CAP = 1


@dataclass(frozen=True)
class Asked:
    """One kind of question with one amount of labels.

    Attributes:
        split, amount: as in ``benchmarks.quality.entries.Cell``.
    """

    split: str
    amount: str


@dataclass(frozen=True)
class Classify(Asked):
    """Learn the classes of some samples, tell those of others; one split for each seed."""

    splits: tuple[Split, ...]


@dataclass(frozen=True)
class Retrieve(Asked):
    """Is the nearest sample of the same class? Ids for each seed."""

    samples: tuple[Tensor, ...]


@dataclass(frozen=True)
class Episodes(Asked):
    """Classes that nobody has seen, told apart by one sample of each; a seed of the draws for each."""

    samples: Tensor
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Unknown(Asked):
    """Is a sample of a class that was not trained on? One split for each seed."""

    splits: tuple[OpenSplit, ...]


@dataclass(frozen=True)
class Ground:
    """A set to be judged on.

    Attributes:
        prepared: the set.
        data: its labelled samples; patches of a scene are of ``PATCH`` pixels.
        questions: what is asked.
        ids: of all samples that occur in them, ascending, (n,) int64.
    """

    prepared: Prepared
    data: LabelledData
    questions: tuple[Asked, ...]
    ids: Tensor

    def seen_by(self, patch_size: int | None) -> LabelledData:
        """The same samples, in patches of another size."""
        scene = self.data.source
        if not isinstance(scene, SceneSource) or patch_size in (None, scene.patch_size):
            return self.data
        assert isinstance(self.prepared.content, Scene)
        assert patch_size is not None
        if patch_size > PATCH:
            raise ValueError(f"patches of {patch_size} pixels reach across block splits, which are made for {PATCH}.")
        return LabelledData(open_scene(self.prepared.content, self.prepared.file, patch_size))


def ground_of(prepared: Prepared, seeds: Sequence[int]) -> Ground:
    """Draws all that is asked of a set, by the evaluator's own splits, at most ``MOST_TESTED`` test samples each."""
    if isinstance(prepared.content, Scene):
        data = LabelledData(open_scene(prepared.content, prepared.file, PATCH))
        questions = _of_scene(data, seeds, prepared.content.unknown)
    else:
        data, questions = _of_images(prepared.content, seeds)
    return Ground(prepared, data, tuple(questions), torch.cat([_ids(asked) for asked in questions]).unique())


def _of_scene(data: LabelledData, seeds: Sequence[int], unknown: bool) -> list[Asked]:
    nothing = torch.empty(0, dtype=torch.int64)
    drawn = draw_splits(data, ("random", "block"), shots=SHOTS, seeds=seeds, exclude=nothing)
    questions: list[Asked] = []
    for kind in ("random", "block"):
        for shots in SHOTS:
            mine = [capped(split) for split in drawn if (split.name, split.shots) == (kind, shots)]
            questions.append(Classify(kind, str(shots), tuple(mine)))
    for label, name in enumerate(data.class_names) if unknown else ():
        pairs = open_splits(data, ("block",), (label,), (UNKNOWN_SHOTS,), (), seeds, nothing)
        questions.append(Unknown(f"unknown {name}", str(UNKNOWN_SHOTS), tuple(pairs)))
    return questions


def _of_images(images: Images, seeds: Sequence[int]) -> tuple[LabelledData, list[Asked]]:
    train, test = open_images(images)
    if images.episodes:
        everything = torch.arange(len(test))
        return LabelledData(test), [Episodes("episodes", "1", everything, tuple(seeds))]
    data = LabelledData(train, test)
    drawn = draw_splits(data, ("random",), shares=SHARES, seeds=seeds, exclude=torch.empty(0, dtype=torch.int64))
    questions: list[Asked] = []
    for share in SHARES:
        mine = tuple(capped(split) for split in drawn if split.share == share)
        questions.append(Classify("given", f"{share:.0%}", mine))
    held = torch.arange(len(train), len(train) + len(test))
    # Half at most: with all of a small test part every seed would ask the same, and an interval would say nothing.
    most = min(MOST_TESTED, len(held) // 2)
    questions.append(Retrieve("given", "all", tuple(_some(held, seed, most) for seed in seeds)))
    return data, questions


def capped(split: Split, most: int = MOST_TESTED) -> Split:
    """The split with at most so many of its test samples, by its seed."""
    return replace(split, test=_some(split.test, split.seed or 0, most))


def _some(ids: Tensor, seed: int, most: int = MOST_TESTED) -> Tensor:
    return ids[permutation(seed, _CAP, len(ids))[:most]].sort().values


def _ids(asked: Asked) -> Tensor:
    match asked:
        case Classify():
            parts = [ids for split in asked.splits for ids in (split.learned(), split.test)]
        case Retrieve():
            parts = list(asked.samples)
        case Episodes():
            parts = [asked.samples]
        case Unknown():
            parts = [ids for pair in asked.splits for ids in (pair.open.learned(), pair.open.test)]
        case _:
            raise TypeError(f"{asked} is no question.")
    return torch.cat(parts)
