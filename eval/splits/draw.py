"""The splits of an evaluation, from the words of the command line: random, block, or a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from simclr.augment.addressed import permutation
from simclr.augment.checks import shown
from simclr.data.scenes.scene import SceneSource
from simclr.data.source import Source
from simclr.errors import InputError
from simclr.eval.splits.block_split import block_split
from simclr.eval.splits.label_map import map_split, read_map
from simclr.eval.splits.labelled import LabelledData
from simclr.eval.splits.split import Split, given, hold_out, k_shot, stratified
from simclr.eval.splits.split_file import read_split
from simclr.eval.streams import Stream

SCENE_SHOTS = (5, 20)
MAPS = (".mat", ".npy", ".npz")


def default_kinds(source: Source, test_source: Source | None) -> tuple[str, ...]:
    """``random``, and for a scene ``block`` beside it: the gap of the two belongs to every result."""
    return ("random", "block") if isinstance(source, SceneSource) and test_source is None else ("random",)


def draw_splits(
    data: LabelledData,
    kinds: Sequence[str | Split] = ("random",),
    *,
    shots: Sequence[int] | None = None,
    shares: Sequence[float] = (),
    seeds: Sequence[int],
    exclude: Tensor,
    validation: float = 0.0,
) -> list[Split]:
    """All splits of an evaluation, in the order kind, shots or share, seed.

    ``random``: for each seed k random samples of each class to learn from (``shots``) or a share of each class
    (``shares``), all others to be scored on; with neither, a scene has ``SCENE_SHOTS`` and other data are halved. Where
    the data has a test part of its own, training samples are drawn from the training part (all of it with neither), and
    the test part is used as given. A share of 1 is all of a training part, once.

    ``block``: the same of a scene, with training samples from a few blocks (``simclr.eval.splits.block_split``).

    A file: a split file of ``simclr.eval.splits.split_file`` (.json), a label map of the training pixels, or two maps
    TRAIN+TEST (.mat, .npy, .npz). Its training part is used whole, or with ``shots`` or ``shares`` as far as it goes. A
    ``Split`` is used in the same way.

    Args:
        data: what the splits are of.
        kinds: words as above, or splits.
        shots: samples of each class.
        shares: shares of each class, between 0 and 1.
        seeds: of whatever is drawn.
        exclude: ids that no split may use, (m,) int64.
        validation: share of each class's training samples that is held out to choose on
            (``eval.splits.split.hold_out``), in splits that have no validation part of their own; 0 leaves the choice
            to the probes.

    Raises:
        InputError: if a word is none of these or does not fit the data, or a class has test samples alone.
    """
    if not kinds:
        raise InputError("no split is given: write random, block or a file.")
    found: list[Split] = []
    for kind in kinds:
        if isinstance(kind, Split):
            found += _within(_without(kind, exclude), data.labels, shots or (), shares, seeds)
        elif kind == "random" and data.test_source is not None:
            found += _of_training_part(data, shots or (), shares, seeds, exclude)
        elif kind in ("random", "block"):
            scene = isinstance(data.source, SceneSource) and not shares
            found += _drawn(
                data, kind, (SCENE_SHOTS if scene else ()) if shots is None else shots, shares, seeds, exclude
            )
        else:
            whole = _without(split_of_file(data, kind), exclude)
            found += _within(whole, data.labels, shots or (), shares, seeds)
    places = [(split.name, split.seed, split.shots, split.share) for split in found]
    for split, place in zip(found, places):
        if places.count(place) > 1:
            raise InputError(f"two splits are called {split.name}: give each kind once, and files names of their own.")
        _check_classes(split, data)
    if validation:
        found = [s if len(s.validation) else hold_out(s, data.labels, validation) for s in found]
    return found


def _drawn(
    data: LabelledData,
    kind: str,
    shots: Sequence[int],
    shares: Sequence[float],
    seeds: Sequence[int],
    exclude: Tensor,
) -> list[Split]:
    labels, scene = data.labels, data.source
    if kind == "random":
        if not shots and not shares:
            return [stratified(labels, 0.5, seed, exclude) for seed in seeds]
        few = [k_shot(labels, k, seed, exclude) for k in shots for seed in seeds]
        return few + [replace(stratified(labels, s, seed, exclude), name=kind) for s in shares for seed in seeds]
    if not isinstance(scene, SceneSource) or data.test_source is not None:
        raise InputError(f"a block split is one of a scene's pixels, but {scene.name} is none: use --split random.")
    grid, patch = labels.view(scene.height, scene.width), scene.patch_size
    few = [block_split(grid, seed, patch, shots=k, most=max(shots), exclude=exclude) for k in shots for seed in seeds]
    return few + [
        block_split(grid, seed, patch, share=s, most=max(shares), exclude=exclude) for s in shares for seed in seeds
    ]


def _of_training_part(
    data: LabelledData, shots: Sequence[int], shares: Sequence[float], seeds: Sequence[int], exclude: Tensor
) -> list[Split]:
    n, labels, known = len(data.source), data.labels, data.known()
    train, test = known[known < n], known[known >= n]
    test = test[~torch.isin(test, exclude)]
    whole = [given(train[~torch.isin(train, exclude)], test)] if 1 in shares or not (shots or shares) else []
    exclude = exclude[exclude < n]
    drawn = [k_shot(labels[:n], k, seed, exclude) for k in shots for seed in seeds]
    drawn += [stratified(labels[:n], s, seed, exclude) for s in shares if s < 1 for seed in seeds]
    return [
        replace(
            s,
            name="given",
            test=test[~torch.isin(labels[test], torch.tensor(s.left_out, dtype=torch.int64))],
            rule=f"{s.rule} of the training part; test part as given",
        )
        for s in drawn
    ] + whole


def split_of_file(data: LabelledData, text: str) -> Split:
    """The split that a split file, a label map or two of them hold, see :func:`draw_splits`.

    Raises:
        InputError: as in ``eval.splits.split_file.read_split`` and ``eval.splits.label_map``, or for another kind of
            file.
    """
    paths = [Path(part) for part in text.split("+")]
    if len(paths) == 1 and paths[0].suffix == ".json":
        return read_split(paths[0], data.labels, data.class_names)
    if len(paths) > 2 or any(path.suffix.lower() not in MAPS for path in paths):
        raise InputError(
            f"--split has {shown(text)}: write random, block, a split file (.json), or label maps (.mat, .npy, .npz) "
            f"as TRAIN or TRAIN+TEST."
        )
    scene = data.source
    if not isinstance(scene, SceneSource):
        raise InputError(f"{text} is a label map of a scene, but {scene.name} is none: use random or a split file.")
    train, *test = map(read_map, paths)
    grid = data.labels.view(scene.height, scene.width)
    return map_split(grid, train, test[0] if test else None, name=paths[0].stem)


def _without(split: Split, exclude: Tensor) -> Split:
    """The split without some samples, which are counted."""
    train, test, validation = (ids[~torch.isin(ids, exclude)] for ids in (split.train, split.test, split.validation))
    missing = sum(map(len, split.parts().values())) - len(train) - len(test) - len(validation)
    if not missing:
        return split
    dropped = {**split.dropped, "excluded": missing}
    return replace(split, train=train, test=test, validation=validation, dropped=dropped)


def _within(
    split: Split, labels: Tensor, shots: Sequence[int], shares: Sequence[float], seeds: Sequence[int]
) -> list[Split]:
    """The split itself, or splits whose training samples are the first of its own in each seed's random order."""
    if not shots and not shares:
        return [split]
    found = []
    counts = labels[split.train].bincount()
    if shots and max(shots) > int(counts.max()):
        raise InputError(
            f"shots is {max(shots)}, but no class of the training part of the {split.name} split has more than "
            f"{int(counts.max())} samples: give {int(counts.max())} or fewer."
        )
    takes = [(k, None, [min(k, n) for n in counts.tolist()]) for k in shots]
    takes += [(None, s, [min(max(round(s * n), 1), n) for n in counts.tolist()]) for s in shares if s < 1]  # type: ignore[misc]
    for k, s, take in takes:
        for seed in seeds:
            order = permutation(seed, Stream.SPLIT, len(labels), "cpu")
            order = order[torch.isin(order, split.train)]
            train = torch.cat([order[labels[order] == c][:n] for c, n in enumerate(take)]).sort().values
            what = f"{k} samples" if k else f"{s:g} of the samples"
            rule = f"{split.rule}; of each class of its training part {what} at random, by the seed"
            found.append(replace(split, train=train, seed=seed, shots=k, share=s, rule=rule))
    return found + [split] * (1 in shares)


def _check_classes(split: Split, data: LabelledData) -> None:
    """Raises InputError where a class has test samples that no classifier could have learned to recognise."""
    tested, learned = (data.labels[ids].unique() for ids in (split.test, split.learned()))
    missing = [data.class_names[c] for c in tested[~torch.isin(tested, learned)].tolist()]
    if missing:
        raise InputError(
            f"the {split.name} split has test samples but no training sample of {', '.join(missing[:5])}"
            f"{', …' if len(missing) > 5 else ''}: give some, or take the class out of the test part."
        )
