"""Which labels a fine-tuning looks at: all, or some of each class; never those of classes that stay unknown."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from simclr.augment.addressed import permutation
from simclr.data.source import Source
from simclr.errors import InputError

# In place of an epoch in the address of random numbers, apart from those of held-out samples and of the evaluators.
_STREAM = 2**23 + 2**21 + 2**20


class ChosenLabels(NamedTuple):
    """The labels that are learned from.

    Attributes:
        ids: of their samples, and of those that are held out, (n,) int64, ascending.
        targets: of every sample of the source, its place among ``classes``, (N,) int64; -1 where it is not learned.
        classes: names of the classes that are learned, in the order of their numbers.
        unknown: names of those that stay unknown, likewise.
        few: names of classes that have fewer samples than were asked for, all of which are taken.
        rule: by which they were chosen, in words.
        held_out: ids of those that are looked at but not learned from, (m,) int64, ascending.
        held_out_targets: their places among ``classes``, (m,) int64.
    """

    ids: Tensor
    targets: Tensor
    classes: tuple[str, ...]
    unknown: tuple[str, ...]
    few: tuple[str, ...]
    rule: str
    held_out: Tensor
    held_out_targets: Tensor


def choose_labels(
    source: Source,
    *,
    shots: int | None = None,
    share: float | None = None,
    unknown: Sequence[int | str] = (),
    held_out: float = 0,
    seed: int = 0,
) -> ChosenLabels:
    """The labels to learn from, a pure function of the arguments.

    Args:
        source: labelled samples.
        shots: so many of each class.
        share: this share of each class, at least one sample. All where neither is given.
        unknown: classes, by name, of which none is taken.
        held_out: this share of the chosen ones of each class is not learned from, at least one, but never all.
        seed: of the draw.

    Raises:
        InputError: no labels, an unknown class that there is not, or fewer than two classes to learn.
    """
    labels = source.labels
    if labels is None or not len(source.labelled_ids()):
        raise InputError(f"{source.name} has no labels to learn from (class folders, ground truth)")
    left_out = [_number(name, source) for name in unknown]
    order = permutation(seed, _STREAM, len(source))
    there = [c for c in labels[labels >= 0].unique().tolist() if c not in left_out]
    if len(there) < 2:
        raise InputError(f"{source.name} has {len(there)} class to learn: fine-tuning takes 2 or more")
    chosen, apart, few = [], [], []
    for c in there:
        members = order[labels[order] == c]
        asked = len(members) if share is None else max(1, round(share * len(members)))
        asked = asked if shots is None else shots
        if asked > len(members):
            few.append(source.class_names[c])
        taken = members[:asked]
        chosen.append(taken)
        apart.append(taken[: min(len(taken) - 1, max(1, round(held_out * len(taken)))) if held_out else 0])
    ids, kept = torch.cat(chosen).sort().values, torch.cat(apart).sort().values
    numbers = torch.tensor(there)
    targets = torch.full_like(labels, -1)
    targets[ids] = torch.searchsorted(numbers, labels[ids])
    targets[kept] = -1
    names = [tuple(source.class_names[c] for c in numbers) for numbers in (there, sorted(set(left_out)))]
    rule = "all labels"
    if len(ids) < int(torch.isin(labels, numbers).sum()):
        amount = f"{100 * share:g} %" if share is not None else f"{shots}"
        rule = f"{amount} of each class{', or all where there are fewer' if few else ''}, drawn by seed {seed}"
    if len(kept):
        rule += f"; {100 * held_out:g} % of them are held out"
    return ChosenLabels(
        ids, targets, names[0], names[1], tuple(few), rule, kept, torch.searchsorted(numbers, labels[kept])
    )


def _number(name: int | str, source: Source) -> int:
    names = list(source.class_names)
    if str(name) in names:
        return names.index(str(name))
    near = difflib.get_close_matches(str(name), names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(names[:8])}{', …' if len(names) > 8 else ''}"
    raise InputError(f"labels.unknown names {name}, which is no class of {source.name}: {hint}")
