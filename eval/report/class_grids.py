"""Tables of single classes and of the samples that were drawn."""

from __future__ import annotations

from collections.abc import Sequence

from simclr.eval.report.grids import Entry, Grid, GridRow, Percent, grid
from simclr.eval.results.record import Outcome, Result, SplitRecord
from simclr.eval.results.words import JUDGED, amount_name, class_labels, probe_name, representation_name


def recall_grid(result: Result, outcome: Outcome) -> Grid | None:
    """Recall of each class, representations across, for the splits and amount of labels of an outcome."""
    key = outcome.split, outcome.shots, outcome.labels
    mine = [p for p in result.per_class if (p.split, p.shots, p.labels) == key]
    samples = result.source.classes
    entries = []
    for name, label in zip(samples, class_labels(list(samples))):
        if any(name in p.recall for p in mine):
            entries.append(Entry((label,), ("samples",), f"{samples[name]:,}"))
            entries += [
                Entry((label,), (representation_name(p.representation),), Percent(p.recall.get(name))) for p in mine
            ]
    return grid(
        "recall of each class, percent, mean over the seeds; samples: of the class in the data",
        entries,
        left=("class",),
    )


def chosen_grid(result: Result) -> Grid | None:
    """What the probes of the judged representation chose on training samples: the range over the seeds."""
    entries = []
    seen = set()
    for row in result.rows:
        key = row.probe, row.split, row.shots, row.labels
        if row.representation not in JUDGED or key in seen or not row.selected:
            continue
        seen.add(key)
        names = probe_name(row.probe), f"{row.split} split, {amount_name(row.shots, row.labels)}"
        for what in row.selected[0]:
            values = [chosen.get(what) for chosen in row.selected]
            numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
            if numbers and len(numbers) == len(values):
                low, high = f"{min(numbers):.3g}", f"{max(numbers):.3g}"
                entries.append(Entry(names, (what.replace("_", " "),), low if low == high else f"{low} to {high}"))
    return grid("what was chosen on training samples, the range over the seeds", entries, left=("probe", "on"))


def split_hashes(result: Result) -> Grid | None:
    """Which samples were drawn: one row for each kind of split, with the hashes of all its seeds."""
    kinds: dict[str, list[SplitRecord]] = {}
    for s in result.splits:
        amount = f", {amount_name(s.shots, s.labels)}" if s.shots or s.labels else ""
        unknown = ", unknown classes" if s.unknown else ""
        kinds.setdefault(f"{s.split}{amount}{unknown}", []).append(s)
    if not kinds:
        return None
    return Grid(
        "splits: the first 8 digits of the SHA-256 of the ids of their training / test samples, seed by seed; the "
        "whole is in the file",
        ("split", "SHA-256 of training / test ids"),
        (("training",), ("test",)),
        tuple(
            GridRow(
                (name, "  ".join(f"{(s.sha256_train or '')[:8]}/{(s.sha256_test or '')[:8]}" for s in mine)),
                (_range([s.train for s in mine]), _range([s.test for s in mine])),
            )
            for name, mine in kinds.items()
        ),
    )


def _range(sizes: Sequence[int]) -> str:
    least, most = min(sizes), max(sizes)
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"
