"""The table of two sets of samples: how far they lie apart, and what comes out between halves of the first."""

from __future__ import annotations

import math
from collections.abc import Iterator

from simclr.eval.report.grids import Entry, Grid, grid
from simclr.eval.results.distance_record import Compared, DistanceResult, SetDistance
from simclr.eval.results.words import JUDGED, representation_name, several

LEVEL = 0.05
ROUNDING = 1e-12
"""What is less comes of the numbers' last digits."""
_ANGLES = "Principal angles in degrees between the subspaces of the {} of most variance; Grassmann: √Σθ², in radians"
BETWEEN, NULL = "A and B", "halves of A"
SAME = (
    "A and B are the same samples: every distance between them is 0, and MMD² without a bias a little below. Halves of "
    "A show what no difference looks like."
)


def distance_grid(result: DistanceResult) -> Grid | None:
    """Two rows for each representation: A against B, and random halves of A against each other."""
    entries = [
        Entry((representation_name(row.representation), name), column, cell, row.representation in JUDGED)
        for row in result.rows
        for name, found in ((BETWEEN, row.between), (NULL, row.null))
        for column, cell in _cells(found)
    ]
    dims = max(len(row.between.mean.angles) for row in result.rows)
    notes = [
        f"MMD² without a bias, of a Gaussian kernel of width σ, the median distance of all samples; p by "
        f"{result.permutations:,} permutations, {result.a.drawn:,} samples of A and {result.b.drawn:,} of B",
        f"All else shrinks with the number of samples, so it is of {result.compared:,} against {result.compared:,}: "
        + (
            f"mean ± standard deviation over {result.splits} random splits of A in two"
            if result.splits > 1
            else "of one random split of A in two"
        ),
        *([_ANGLES.format(several(dims, "direction"))] if dims else []),
        "Fréchet distance, and in % of the most that it could be with these means and variances",
        f"Information: what a feature tells about the set that a sample is of, in nats (at most {math.log(2):.2f}), "
        "mean over the features and of the one that tells most",
    ]
    return grid(f"A is {result.a.name}, B is {result.b.name}", entries, left=("", ""), notes=notes)


def distance_findings(result: DistanceResult) -> list[str]:
    """What it comes to: whether the sets differ, by how much, beside the baselines; then what deserves a look."""
    first, *others = result.rows
    lines = [SAME if result.identical else f"{_verdict(first)}."]
    if others:
        beside = "; ".join(f"{representation_name(row.representation)} {_sizes(row)}" for row in others)
        lines.append(
            f"MMD² of A and B, and of halves of A: {representation_name(first.representation)} "
            f"{_sizes(first)}; {beside}."
        )
    for name, found in (("A", result.a), ("B", result.b)):
        if found.drawn < found.samples:
            lines.append(f"{found.drawn:,} of the {found.samples:,} samples of {name} were drawn (seed {result.seed}).")
    return [*lines, *result.notes]


def distance_title(result: DistanceResult) -> str:
    """What a page of it is about."""
    return f"How far {result.b.name} lies from {result.a.name}"


def _verdict(row: SetDistance) -> str:
    test, null = row.between.test, row.null.test
    who = {"pretrained": "As the encoder sees them, ", "features": ""}.get(row.representation, "")
    if test.p > LEVEL:
        text = f"{who}no difference between A and B was found (p = {_p(test.p)})"
    else:
        text = f"{who}A and B differ (p = {_p(test.p)})"
    text += f": MMD² is {_mmd(test.mmd)}, between halves of A {_mmd(null.mmd)} (p = {_p(null.p)})"
    return text[:1].upper() + text[1:]


def _sizes(row: SetDistance) -> str:
    return f"{_mmd(row.between.test.mmd)} and {_mmd(row.null.test.mmd)}"


def _cells(found: Compared) -> Iterator[tuple[tuple[str, ...], str]]:
    test, mean, sd = found.test, found.mean, found.sd
    yield ("MMD²",), _mmd(test.mmd)
    yield ("p",), _p(test.p)
    yield ("σ",), f"{test.bandwidth:.3g}"
    if mean.angles:
        names = ("smallest angle", "largest angle")
        ends = [(mean.angles[i], None if sd is None else sd.angles[i]) for i in (0, -1)]
        middle = (mean.angle_mean, None if sd is None else sd.angle_mean)
        for name, (value, spread) in zip((names[0], "mean angle", names[1]), (ends[0], middle, ends[1])):
            yield (name,), _with(value, spread, 1)
        yield ("Grassmann",), _with(mean.grassmann, None if sd is None else sd.grassmann, 2)
    yield ("Fréchet",), f"{mean.frechet:.3g}"
    yield ("Fréchet", "%"), _with(100 * mean.frechet_share, None if sd is None else 100 * sd.frechet_share, 1)
    yield ("information, mean",), _with(mean.information_mean, None if sd is None else sd.information_mean, 3)
    yield ("information, most",), _with(mean.information_most, None if sd is None else sd.information_most, 3)


def _with(value: float | None, spread: float | None, digits: int) -> str:
    if value is None:
        return "–"
    return _told(value, digits) + ("" if spread is None else f" ± {_told(spread, digits)}")


def _mmd(value: float) -> str:
    return _told(value, 4)


def _told(value: float, digits: int) -> str:
    """So many decimals; of what would be zeros alone, its first digit, down to what is rounding."""
    if abs(value) < ROUNDING:
        value = 0.0
    text = f"{value:.{digits}f}"
    text = text if value == 0 or float(text) != 0 else f"{value:.0e}".replace("e-0", "e-")
    return text.replace("-", "−") if text.startswith("-") else text


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else f"{value:.1g}"
