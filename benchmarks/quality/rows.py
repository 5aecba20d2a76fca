"""From cells to rows: the best of theirs against ours, paired over seeds, with an interval and a word."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

from benchmarks.quality.entries import Cell, Entry
from simclr.eval.metrics.statistics import interval

OURS, RANDOM = "ours", "random"
TOLERANCE = -1.0
PAYS, HARMLESS, UNSURE, HARMS = "pays", "does not harm", "not sure", "harms"


class Row(NamedTuple):
    """One set, kind of split and amount of labels; all numbers in percentage points.

    Attributes:
        set, split, amount, metric: what was measured.
        baseline: the strongest untrained one, and its probe.
        theirs: its mean over seeds.
        ours: the mean with the probe that was chosen on each split's training samples.
        chosen: the probe that was chosen most often.
        ours_best: the mean with the probe that is best on the test samples.
        best_probe: its name.
        random: the best probe on the same encoder untrained; None where it was not measured.
        difference: ours - theirs.
        low, high: its 95 % interval over seeds; None with fewer than three.
        word: whether it pays.
        theirs_chosen: the strongest untrained representation, its probe chosen on training samples as ours is.
        even: ours - theirs_chosen.
        even_low, even_high: its interval.
    """

    set: str
    split: str
    amount: str
    metric: str
    baseline: str
    theirs: float
    ours: float
    chosen: str
    ours_best: float
    best_probe: str
    random: float | None
    difference: float
    low: float | None
    high: float | None
    word: str
    theirs_chosen: float
    even: float
    even_low: float | None
    even_high: float | None


def rows_of(entry: Entry, untrained: Entry) -> list[Row]:
    """The rows of one contender on one set.

    Every baseline stands against it: those of the set, and those in the entry itself that need no training either.

    Args:
        entry: of the contender.
        untrained: of the set's baselines, over the same seeds.

    Raises:
        ValueError: if the two are of different sets or seeds.
    """
    if (entry.set, entry.seeds) != (untrained.set, untrained.seeds):
        raise ValueError(f"{entry.set} and {untrained.set}, or their seeds, do not belong together.")
    own = [cell for cell in entry.cells if cell.representation in (OURS, RANDOM)]
    others = [*untrained.cells, *(cell for cell in entry.cells if cell not in own)]
    places = dict.fromkeys(cell.place for cell in own)
    found = []
    for place in places:
        ours = [cell for cell in own if cell.place == place and cell.representation == OURS]
        theirs = [cell for cell in others if cell.place == place]
        if ours and theirs:
            twin = [cell for cell in own if cell.place == place and cell.representation == RANDOM]
            found.append(_row(entry.set, ours, theirs, twin))
    return found


def chosen(cells: Sequence[Cell]) -> list[Cell]:
    """For each seed the cell of the most accurate probe on held-out training samples; the first among equals.

    Args:
        cells: of one representation, one for each probe, in the order that decides between equals. A cell without
            held-out samples is as good as any other that has none, and worse than one that has some.

    Returns:
        One cell for each seed.
    """
    seeds = range(len(cells[0].test))
    return [max(cells, key=lambda cell: -1.0 if cell.held_out is None else cell.held_out[i]) for i in seeds]


def strongest(cells: Sequence[Cell]) -> Cell:
    """The cell with the largest mean on the test samples, whatever representation and probe; the first among equals."""
    return max(cells, key=lambda cell: fmean(cell.test))


def word_of(difference: float, low: float | None) -> str:
    """``pays`` where the interval does not reach below 0, ``does not harm`` where it stays above -1 point.

    ``harms`` where the difference is below -1, else ``not sure``: too few seeds for so wide an interval.

    Args:
        difference: in points.
        low: the interval's lower end; None leaves the difference itself.
    """
    least = difference if low is None else low
    if least >= TOLERANCE:
        return PAYS if least >= 0 else HARMLESS
    return HARMS if difference < TOLERANCE else UNSURE


def mean_difference(rows: Sequence[Row]) -> float:
    """Mean over the rows' differences, each place once, in points."""
    return fmean(row.difference for row in rows)


def _row(set_name: str, ours: Sequence[Cell], theirs: Sequence[Cell], twin: Sequence[Cell]) -> Row:
    rival, best, picks = strongest(theirs), strongest(ours), chosen(ours)
    values = _tests(picks)
    others = max((_tests(chosen(cells)) for cells in _by_representation(theirs)), key=fmean)
    probes = [pick.probe for pick in picks]
    difference, low, high = _paired(values, rival.test)
    even, even_low, even_high = _paired(values, others)
    split, amount, metric = ours[0].place
    return Row(
        set=set_name,
        split=split,
        amount=amount,
        metric=metric,
        baseline=f"{rival.representation}, {rival.probe}",
        theirs=100 * fmean(rival.test),
        ours=100 * fmean(values),
        chosen=max(dict.fromkeys(probes), key=probes.count),
        ours_best=100 * fmean(best.test),
        best_probe=best.probe,
        random=100 * fmean(strongest(twin).test) if twin else None,
        difference=difference,
        low=low,
        high=high,
        word=word_of(difference, low),
        theirs_chosen=100 * fmean(others),
        even=even,
        even_low=even_low,
        even_high=even_high,
    )


def _by_representation(cells: Sequence[Cell]) -> list[list[Cell]]:
    names = dict.fromkeys(cell.representation for cell in cells)
    return [[cell for cell in cells if cell.representation == name] for name in names]


def _tests(picks: Sequence[Cell]) -> list[float]:
    """Of one cell for each seed, what it has on the test samples."""
    return [pick.test[i] for i, pick in enumerate(picks)]


def _paired(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float | None, float | None]:
    """Mean of the differences over the seeds, in points, and its 95 % interval."""
    differences = [100 * (one - other) for one, other in zip(ours, theirs, strict=True)]
    low, high = interval(differences) or (None, None)
    return fmean(differences), low, high
