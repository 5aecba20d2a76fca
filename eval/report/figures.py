"""Figures of a report as SVG text: readable in print, and told apart by more than colour."""

from __future__ import annotations

import re
from collections.abc import Sequence
from io import StringIO
from math import isfinite
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from simclr.eval.metrics.statistics import interval
from simclr.eval.report.material import HealthLine
from simclr.eval.results.record import Row
from simclr.eval.results.words import JUDGED, class_labels, class_marks, probe_name, representation_name
from simclr.views.colours import PALETTE

# Okabe & Ito, "Color universal design", 2008; the pale yellow is left out, it vanishes on paper.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p", "h")
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
# One look for each representation on the whole page; anything else takes the last.
LOOKS = ("pretrained", "random", "raw", "window mean", "pca", "supervised")
PERCENTAGES_UP_TO = 20
PLOTTED = 400
HEALTH = {
    "loss": "loss",
    "rankme": "RankMe (effective rank of h)",
    "alignment": "alignment (less is better)",
    "uniformity": "uniformity (less is better)",
    "knn": "online kNN accuracy, %",
    "contrastive_accuracy": "contrastive accuracy, %",
}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be searched, and is read aloud
    "text.parse_math": False,  # a class may be called $x$
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
}


def confusion_figure(counts: Sequence[Sequence[int]], class_names: Sequence[str], salt: str = "confusion") -> str:
    """Rows are true classes, in percent of each; classes without a test sample are left out.

    Up to ``PERCENTAGES_UP_TO`` classes the percentages are written down, beyond there is a scale.

    Args:
        counts: (K, K), row = true class, column = predicted class.
        class_names: K of them.
        salt: of the ids in the SVG; two figures on one page need two.
    """
    with mpl.rc_context(_STYLE | {"axes.grid": False, "svg.hashsalt": salt}):
        table = np.asarray(counts, dtype=np.float64)
        kept = (table.sum(0) + table.sum(1)) > 0
        total = table.sum(1, keepdims=True)
        share = np.divide(100 * table, total, out=np.full_like(table, np.nan), where=total > 0)[kept][:, kept]
        present = np.flatnonzero(kept)
        marks, titles = class_marks(class_names), class_labels(class_names)
        n = len(present)
        figure = Figure(figsize=(7.2, 1 + 5.2 * min(1.0, 0.35 + n / 25)), layout="constrained")
        axes = figure.subplots()
        # One hue from white to dark: small errors stay pale, and grey print keeps the order.
        shown = np.ma.masked_less(share, 0.5)
        image = axes.imshow(shown, cmap="Blues", vmin=0, vmax=100, aspect="auto")
        axes.set_xlabel("predicted class")
        axes.set_ylabel("true class")
        ticks = np.arange(n) if n <= 2 * PERCENTAGES_UP_TO else np.arange(0, n, -(-n // 20))
        axes.set_xticks(ticks, [marks[present[i]] for i in ticks])
        axes.set_yticks(ticks, [titles[present[i]] for i in ticks])
        if n > PERCENTAGES_UP_TO:
            figure.colorbar(image, ax=axes, label="% of the true class", fraction=0.04, pad=0.02)
            return _svg(figure)
        axes.set_xticks(np.arange(n - 1) + 0.5, minor=True)
        axes.set_yticks(np.arange(n - 1) + 0.5, minor=True)
        axes.grid(which="minor", color="#e4e4e4", linewidth=0.5)
        axes.tick_params(which="minor", length=0)
        for i, j in np.ndindex(share.shape):
            if share[i, j] >= 0.5:
                shade = "white" if share[i, j] > 50 else "black"
                axes.text(j, i, f"{share[i, j]:.0f}", ha="center", va="center", color=shade, fontsize=8)
        return _svg(figure)


def efficiency_figure(rows: Sequence[Row], metric_name: str, salt: str = "efficiency") -> str:
    """Score against the number of labels, one line for each representation, one panel for each kind of split.

    Bars are 95 % Student t intervals over the seeds, where there are enough for one. Lines are shifted a little
    sideways so that bars do not meet.

    Args:
        rows: of one metric and one probe, with a mean, and ``shots`` or ``labels``.
        metric_name: for the axis.
        salt: of the ids in the SVG; two figures on one page need two.
    """
    with mpl.rc_context(_STYLE | {"svg.hashsalt": salt}):
        panels = list(dict.fromkeys((r.split, bool(r.shots)) for r in rows))
        names = list(dict.fromkeys((r.representation, r.probe) for r in rows))
        several = len({probe for name, probe in names if name in JUDGED}) > 1
        figure = Figure(figsize=(7.2, 3.2), layout="constrained")
        grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, (split, by_shots) in zip(grid, panels):
            here = [r for r in rows if r.split == split and bool(r.shots) == by_shots]
            for place, name in enumerate(names):
                look = 0 if name[0] in JUDGED else LOOKS.index(name[0]) if name[0] in LOOKS else len(LOOKS)
                look = len(LOOKS) if name[1] == "fine-tune" else look
                mine = sorted((r for r in here if (r.representation, r.probe) == name), key=_amount)
                if not mine:
                    continue
                shift = 1.02 ** (place - (len(names) - 1) / 2)
                mean = np.array([r.mean for r in mine], dtype=np.float64)
                ends = np.clip(np.array([_ends(r) for r in mine], dtype=np.float64).T, 0, 1)  # no share lies outside
                axes.errorbar(
                    [_amount(r) * shift for r in mine],
                    100 * mean,
                    100 * np.abs(ends - mean),
                    color=COLOURS[look],
                    marker=MARKERS[look],
                    linestyle=LINES[look],
                    linewidth=2.2 if name[0] in JUDGED else 1.3,
                    markersize=5.5,
                    capsize=2,
                    elinewidth=1,
                    label=f"{representation_name(name[0])}{', ' + probe_name(name[1]) if several else ''}",
                )
            amounts = sorted(set(map(_amount, here)))
            axes.set_xscale("log")
            axes.set_xticks(amounts, [f"{amount:g}" for amount in amounts])
            axes.minorticks_off()
            axes.set_xlabel("labels per class" if by_shots else "share of the labels, %")
            axes.set_title(f"{split} split")
        grid[0].set_ylabel(f"{metric_name}, %")
        handles = {label: handle for axes in grid for handle, label in zip(*axes.get_legend_handles_labels())}
        figure.legend(
            handles.values(),
            handles.keys(),
            loc="outside lower center",
            ncols=3,
            frameon=False,
            handlelength=3.2,
        )
        return _svg(figure)


def _amount(row: Row) -> float:
    """Where a row stands: at its labels per class, or at its share of them in percent."""
    return row.shots or 100 * (row.labels or 0)


def _ends(row: Row) -> Sequence[float | None]:
    """Both ends of the interval over the seeds; twice the mean where there is none."""
    return interval([value for value in row.per_seed if value is not None]) or [row.mean, row.mean]


def embedding_figure(points: np.ndarray, classes: np.ndarray, class_names: Sequence[str]) -> str:
    """Samples as points: colour and shape by class, the class's mark near its median.

    Args:
        points: (n, 2).
        classes: of the points, (n,) ints from 0.
        class_names: for the legend.
    """
    with mpl.rc_context(_STYLE | {"axes.grid": False, "svg.hashsalt": "embedding"}):
        present = np.unique(classes)
        listed = len(present) <= 2 * len(PALETTE)
        figure = Figure(figsize=(7.2, 5.4 + 0.17 * (-(-len(present) // 4) if listed else 0)), layout="constrained")
        axes = figure.subplots()
        for c in present:
            mine = points[classes == c]
            axes.scatter(
                mine[:, 0],
                mine[:, 1],
                s=11,
                marker=MARKERS[c % len(MARKERS)],
                color=PALETTE[c % len(PALETTE)],
                edgecolors="black",
                linewidths=0.25,
                label=class_labels(class_names)[c],
                rasterized=True,
            )
        for c in present:
            mine = points[classes == c]
            # The sample next to the median: the median itself may lie where there is none.
            x, y = mine[np.linalg.norm(mine - np.median(mine, axis=0), axis=1).argmin()]
            outline = [withStroke(linewidth=2.5, foreground="white")]
            axes.text(x, y, class_marks(class_names)[c], ha="center", va="center", weight="bold", path_effects=outline)
        axes.axis("off")
        if listed:
            figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=8, handletextpad=0.2)
        return _svg(figure, dpi=200)


def health_figure(metrics: Sequence[HealthLine]) -> str:
    """Loss and health of the representation over the steps, a panel for each number that was logged.

    Args:
        metrics: at least one line with a finite number. More than ``PLOTTED`` values are drawn as means, their range
            behind them.
    """
    with mpl.rc_context(_STYLE | {"svg.hashsalt": "health"}):
        curves = {key: _curve(metrics, key) for key in HEALTH}
        curves = {key: pairs for key, pairs in curves.items() if len(pairs)}
        rows = -(-len(curves) // 3)
        figure = Figure(figsize=(7.2, 2.1 * rows + 0.2), layout="constrained")
        grid = figure.subplots(rows, min(3, len(curves)), squeeze=False).flatten()
        for axes, (key, pairs) in zip(grid, curves.items()):
            _draw_curve(axes, pairs * (1, 100 if HEALTH[key].endswith("%") else 1))
            axes.set_title(HEALTH[key], fontsize=9)
            axes.locator_params(nbins=4)
        for axes in grid[len(curves) :]:
            axes.set_visible(False)
        figure.supxlabel("step", fontsize=9)
        return _svg(figure)


def _curve(metrics: Sequence[HealthLine], key: str) -> np.ndarray:
    """(n, 2): steps and values of one number, where it was logged and is finite."""
    pairs = [(line.step, value) for line in metrics if (value := getattr(line, key)) is not None and isfinite(value)]
    return np.array(pairs, dtype=np.float64).reshape(-1, 2)


def _draw_curve(axes: Axes, pairs: np.ndarray) -> None:
    bins = [part for part in np.array_split(pairs, min(PLOTTED, len(pairs))) if len(part)]
    x = [part[:, 0].mean() for part in bins]
    if len(pairs) > len(bins):
        low, high = ([f(part[:, 1]) for part in bins] for f in (np.min, np.max))
        axes.fill_between(x, low, high, color="#bbbbbb", linewidth=0)
    marker = "o" if len(pairs) <= 60 else None
    axes.plot(x, [part[:, 1].mean() for part in bins], color=COLOURS[0], linewidth=1.3, marker=marker, markersize=2.5)


def _svg(figure: Figure, dpi: int = 150) -> str:
    """The figure as an <svg> element of its own width, without the address of anything outside."""
    text = StringIO()
    figure.savefig(text, format="svg", dpi=dpi)
    svg = text.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    # Groups are numbered alike in every figure, and nothing refers to them.
    return re.sub(r'<g id="[^"]*"', "<g", svg).strip()
