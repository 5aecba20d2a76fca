"""How people read what results hold: the same names and numbers in every table, figure and report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from unicodedata import bidirectional, category

from simclr.eval.metrics.judgement import Family
from simclr.eval.metrics.registry import METRICS
from simclr.eval.open_set.metrics import TITLES
from simclr.eval.probes.registry import PROBES

# Two names of one metric: the share of test samples that were recognised.
OVERALL = ("oa", "accuracy")
# What is judged, and not a baseline: an encoder, or a matrix of features from elsewhere.
JUDGED = ("pretrained", "fine-tuned", "features")
REPRESENTATIONS = {"random": "random weights", "raw": "raw input", "pca": "PCA", "supervised": "from scratch"}

_TURNS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


def metric_name(metric: str) -> str:
    """The field's way to write a metric."""
    return METRICS[metric].title if metric in METRICS else TITLES.get(metric, metric)


def metric_family(metric: str) -> Family:
    """What a metric is about, and so the table that it stands in; ``other`` for one that nobody here knows."""
    if metric in OVERALL:
        return "accuracy"
    return METRICS[metric].family if metric in METRICS else "other"


def representation_name(representation: str) -> str:
    """What a representation is; results hold short names."""
    return REPRESENTATIONS.get(representation, representation)


def probe_name(probe: str) -> str:
    """What learned from the labels; training from scratch has no probe."""
    if probe == "supervised":
        return "end to end"
    return PROBES[probe].title if probe in PROBES else probe


def printable(text: str) -> str:
    r"""Text that any terminal, page or figure can show: control characters, halves of characters and marks that turn
    the direction of writing become their numbers, such as \x1b; emoji and every script stay.
    """
    return "".join(
        c.encode("unicode_escape").decode("ascii") if category(c) in ("Cc", "Cs") or bidirectional(c) in _TURNS else c
        for c in text
    )


def class_marks(names: Sequence[str]) -> list[str]:
    """A short mark for each class: its name where all are short, else its number from 1."""
    names = [printable(name) for name in names]
    return names if all(len(name) <= 2 for name in names) else [str(i + 1) for i in range(len(names))]


def class_labels(names: Sequence[str]) -> list[str]:
    """Mark and name of each class, once where they are the same."""
    shown = [printable(name) for name in names]
    return [mark if mark == name else f"{mark} {name}" for mark, name in zip(class_marks(names), shown)]


def amount_name(shots: int | None, share: float | None = None) -> str:
    """How many labels a probe learned from: so many of each class, a share of each class's, or all."""
    if shots:
        return f"{shots} shot{'s' * (shots > 1)}"
    return f"{100 * share:g} % of the labels" if share else "all labels"


def amount_names(amounts: Iterable[tuple[int | None, float | None]]) -> str:
    """All numbers of labels in a few words, such as: 5 and 20 shots; empty where nothing says one.

    Args:
        amounts: (shots, share) as of :func:`amount_name`, in any order, as often as they come.
    """
    pairs = set(amounts)
    shots = sorted({shots for shots, _ in pairs if shots})
    shares = sorted({share for _, share in pairs if share})
    parts = [f"{listed([str(k) for k in shots])} shot{'s' * (shots != [1])}"] if shots else []
    parts += [f"{listed([f'{100 * share:g} %' for share in shares])} of the labels"] if shares else []
    return listed(parts)


def mean_sd_text(mean: float | None, sd: float | None) -> str:
    """Fractions in percent, with the standard deviation where there is one; a dash where there is no value."""
    if mean is None:
        return "–"
    return f"{100 * mean:.1f}" + ("" if sd is None else f" ± {100 * sd:.1f}")


def points(difference: float) -> str:
    """A difference of fractions in percentage points, with its sign; never −0.0."""
    return f"{round(100 * difference, 1) + 0.0:+.1f}".replace("-", "−")


def interval_points(low_high: Sequence[float]) -> str:
    """Both ends of an interval in percentage points."""
    return " to ".join(points(end) for end in low_high)


def listed(words: Sequence[str]) -> str:
    """a, b and c."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def some_of(words: Sequence[str], most: int = 8) -> str:
    """a, b and c, or of many the first ones and how many more."""
    return listed(words) if len(words) <= most + 1 else listed([*words[:most], f"{len(words) - most:,} more"])


def several(n: int, word: str) -> str:
    """1 seed, 2 seeds."""
    return f"{n:,} {word}{'s' * (n != 1)}"
