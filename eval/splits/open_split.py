"""Splits with unknown classes: training samples of known classes alone, test samples of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from simclr.augment.addressed import permutation
from simclr.augment.checks import shown
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import Source
from simclr.errors import InputError
from simclr.eval.splits.apart import Apart, held_apart
from simclr.eval.splits.draw import draw_splits, split_of_file
from simclr.eval.splits.labelled import LabelledData
from simclr.eval.splits.leakage import near
from simclr.eval.splits.split import Split
from simclr.eval.streams import Stream

SHOTS = (1, 5, 20)


class OpenSplit(NamedTuple):
    """One split, with and without the unknown classes in its test part.

    Attributes:
        closed: of the known classes alone.
        open: the same training samples; the test part holds the unknown classes too.
        unknown: labels of the unknown classes.
        apart: the groups of the training samples that the split holds apart; None where nothing asks for them.
    """

    closed: Split
    open: Split
    unknown: tuple[int, ...]
    apart: Apart | None = None


def few_shot_splits(
    data: LabelledData,
    kinds: Sequence[str | Split],
    *,
    shots: Sequence[int] | None = None,
    shares: Sequence[float] = (),
    seeds: Sequence[int],
    exclude: Tensor,
    unknown: Sequence[int] = (),
    unknown_classes: int = 0,
) -> tuple[list[Split], list[OpenSplit]]:
    """All splits of a few-shot evaluation: closed ones, and those with unknown classes, if any.

    Args:
        data, kinds, shares, seeds, exclude: as in ``simclr.eval.splits.draw.draw_splits``.
        shots: None is ``SHOTS``, and the whole training part of a file.
        unknown: labels of unknown classes, of which the closed splits have none.
        unknown_classes: instead, so many are drawn for each seed; the closed splits have all classes.

    Returns:
        The closed splits; and open ones, but for those of one sample a class, which leave no threshold.

    Raises:
        InputError: as in :func:`open_splits` and ``simclr.eval.splits.open_split.drawn_unknown``.
    """
    few = SHOTS if shots is None else shots
    files_whole = shots is None and not shares
    both = open_splits(data, kinds, unknown, few, shares, seeds, exclude, files_whole)
    opened = both if unknown else []
    for seed in seeds if unknown_classes else ():
        left_out = drawn_unknown(data.labels, unknown_classes, seed)
        for pair in open_splits(data, kinds, left_out, few, shares, (seed,), exclude, files_whole):
            # A kept split has no seed, but its unknown classes do.
            opened.append(pair._replace(open=replace(pair.open, seed=seed)))
    able = [pair for pair in opened if int(data.labels[pair.open.learned()].bincount().max()) > 1]
    return [pair.closed for pair in both], able


def open_splits(
    data: LabelledData,
    kinds: Sequence[str | Split],
    unknown: Sequence[int],
    shots: Sequence[int],
    shares: Sequence[float],
    seeds: Sequence[int],
    exclude: Tensor,
    files_whole: bool = False,
) -> list[OpenSplit]:
    """The splits of ``draw_splits`` for known classes, and what of the unknown classes they are tested on.

    ``random``: every sample of an unknown class; of data with a test part of its own, those of the test part.
    ``block``: those whose patches touch no training patch. A file: those of its test part.

    Args:
        data: what the splits are of.
        kinds: ``random``, ``block``, files or splits.
        unknown: labels of the unknown classes; none makes both splits of a pair the same.
        shots, shares, seeds, exclude: as in ``draw_splits``.
        files_whole: use a file's training part whole instead of ``shots`` or ``shares`` of it.

    Raises:
        InputError: if fewer than two classes stay known, or as in ``draw_splits``.
    """
    known = data.without(unknown)
    labels = data.labels
    strangers = torch.nonzero(torch.isin(labels, torch.tensor(list(unknown), dtype=torch.int64))).flatten()
    strangers = strangers[~torch.isin(strangers, exclude)]
    found = []
    for kind in kinds:
        kept = kind if isinstance(kind, Split) else None if kind in ("random", "block") else split_of_file(data, kind)
        amounts = ((), ()) if kept is not None and files_whole else (shots, shares)
        drawn = draw_splits(
            known,
            [kind if kept is None else _known(kept, strangers)],
            shots=amounts[0],
            shares=amounts[1],
            seeds=seeds,
            exclude=exclude,
        )
        for closed in drawn:
            if len(labels[closed.train].unique()) < 2:
                raise InputError(f"fewer than 2 known classes train in the {closed.name} split: leave more known.")
            added = _tested(strangers, closed, data) if kept is None else strangers[torch.isin(strangers, kept.test)]
            rule = closed.rule + (f"; {len(added)} samples of unknown classes in the test part" if unknown else "")
            everything = torch.cat([closed.test, added]).sort().values
            both = replace(closed, test=everything, rule=rule)
            found.append(OpenSplit(closed, both, tuple(unknown), held_apart(data, both) if unknown else None))
    return found


def _tested(strangers: Tensor, split: Split, data: LabelledData) -> Tensor:
    """Which samples of unknown classes a drawn split is tested on."""
    if data.test_source is not None:
        return strangers[strangers >= len(data.source)]
    scene = data.source
    if split.name != "block" or not isinstance(scene, SceneSource):
        return strangers
    return strangers[~near(split.train, scene.height, scene.width, scene.patch_size - 1).flatten()[strangers]]


def _known(split: Split, strangers: Tensor) -> Split:
    """The split without samples of unknown classes."""
    train, test, validation = (ids[~torch.isin(ids, strangers)] for ids in (split.train, split.test, split.validation))
    return replace(split, train=train, test=test, validation=validation)


def check_unknown(data: LabelledData, unknown: Sequence[int], unknown_classes: int) -> None:
    """Refuses unknown classes that are both named and drawn, or do not occur.

    Args:
        data: the samples.
        unknown: labels of the unknown classes.
        unknown_classes: how many are drawn instead.

    Raises:
        InputError: as said.
    """
    if unknown and unknown_classes:
        raise InputError("name the unknown classes, or say how many to draw, not both.")
    absent = sorted(set(unknown) - set(data.labels[data.known()].tolist()))
    if absent:
        name = data.class_names[absent[0]] if 0 <= absent[0] < len(data.class_names) else absent[0]
        raise InputError(f"the unknown class {name} has no sample in {data.source.name}.")


def class_ids(words: Sequence[str | int], source: Source) -> list[int]:
    """Labels of the classes that are meant: by name, or by number as in a scene's ground truth (labels elsewhere).

    Args:
        words: names, in any case, or numbers.
        source: whose classes.

    Returns:
        Labels, ascending, each once.

    Raises:
        InputError: if there is no such class.
    """
    names = {name.lower(): label for label, name in enumerate(source.class_names)}
    if isinstance(source, SceneSource) and source.ground_truth is not None:
        numbers = list(source.class_numbers)
    elif all(name.isdecimal() for name in source.class_names):  # class numbers, of which some may not occur
        numbers = [int(name) for name in source.class_names]
    else:
        numbers = list(range(len(source.class_names)))
    found = []
    for word in (str(w).strip() for w in words):
        if word.lower() in names:
            found.append(names[word.lower()])
        elif word.lstrip("-").isdigit() and int(word) in numbers:
            found.append(numbers.index(int(word)))
        else:
            raise InputError(
                f"{shown(word)} is no class of {source.name}: give names or numbers of "
                f"{', '.join(source.class_names[:8])}"
                f"{', …' if len(source.class_names) > 8 else ''} (numbers {numbers[0]} to {numbers[-1]})."
            )
    return sorted(set(found))


def drawn_unknown(labels: Tensor, count: int, seed: int) -> list[int]:
    """``count`` random classes to be left out; a pure function of the classes that occur and the seed.

    Raises:
        InputError: if fewer than two classes would stay known, or the count is below 1.
    """
    classes = labels[labels >= 0].unique()
    if not 1 <= count <= len(classes) - 2:
        possible = "leave at least 2 known and 1 unknown one" if len(classes) > 2 else "that takes 3 classes or more"
        raise InputError(f"{count} of {len(classes)} classes should be unknown: {possible}.")
    return sorted(classes[permutation(seed, Stream.UNKNOWN_CLASSES, len(classes))[:count]].tolist())
