"""One self-contained HTML page from what a run and its evaluations left behind."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np

from eval.figures import confusion_figure, efficiency_figure, embedding_figure, health_figure
from eval.report_tables import (
    Grid,
    amount_name,
    difference_grid,
    episode_grid,
    gap_grid,
    metric_name,
    open_grid,
    probe_grid,
    recall_grid,
    split_grid,
)

Data = Mapping[str, Any]
OURS = ' class="ours"'
LEFT = ' class="left"'


@dataclass(frozen=True)
class Material:
    """What a report is made of; whatever is None is left out.

    Attributes:
        result: as of ``simclr linear-eval``.
        few_shot: as of ``simclr few-shot``.
        metrics: lines of metrics.jsonl.
        encoder: the encoder's metadata.
        pictures: PNG bytes by caption.
        embedding: points (n, 2), labels (n,) and class names.
        missing: what is not there, and how to get it; one sentence each.
    """

    result: Data | None = None
    few_shot: Data | None = None
    metrics: Sequence[Data] | None = None
    encoder: Data | None = None
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    embedding: tuple[np.ndarray, np.ndarray, Sequence[str]] | None = None
    missing: Sequence[str] = ()


def report_html(found: Material, title: str) -> str:
    """The page: results first, then where they fail, then how the encoder was made, then how to get the same again.

    It loads nothing from anywhere: styles and figures are in it. The same material gives the same text.
    """
    parts = [f"<h1>{escape(title)}</h1>"]
    if found.result is not None:
        parts += _result(found.result)
    if found.few_shot is not None:
        parts += _few_shot(found.few_shot)
    curves = [curve for curve in map(_curve, (found.result, found.few_shot)) if curve]
    if curves:
        parts += ["<h2>Label efficiency</h2>", *(_figure(*curve) for curve in curves)]
    if found.result is not None:
        parts += _errors(found.result)
    for caption, png in found.pictures.items():
        name, _, text = caption.partition(": ")
        parts += [f"<h2>{escape(name)}</h2>", _picture(png, text or name)]
    if found.embedding is not None:
        caption = (
            f"t-SNE of h, {len(found.embedding[1]):,} labelled samples at random. Labels only colour the points. "
            "Distances between clusters and their sizes mean little."
        )
        parts += ["<h2>The representation</h2>", _figure(embedding_figure(*found.embedding), caption)]
    if found.metrics:
        parts += ["<h2>Pretraining</h2>", _figure(health_figure(found.metrics), _about_health(found.metrics))]
    if found.missing:
        items = "".join(f"<li>{escape(text)}</li>" for text in found.missing)
        parts.append(f"<h2>Not in this report</h2><ul>{items}</ul>")
    parts += _reproduce(found)
    return _PAGE.format(title=escape(title), style=_STYLE, body="\n".join(parts))


def _result(result: Data) -> list[str]:
    parts = [f'<p class="protocol">{escape(protocol_sentence(result))}</p>']
    for split in dict.fromkeys(r["split"] for r in result["rows"]):
        parts += [f"<h2>Linear evaluation, {escape(split)} split</h2>", _table(split_grid(result, split))]
        every = probe_grid(result, split)
        parts += [_table(every)] if every else []
    parts += [_table(grid) for grid in (difference_grid(result), gap_grid(result)) if grid]
    parts += [f"<p>Left out: {escape(s['probe'])}, {escape(s['why'])}.</p>" for s in result.get("skipped", [])]
    damaged = result.get("damaged", [])
    if damaged:
        parts.append(f"<p>{len(damaged)} damaged images were left out: {escape(', '.join(damaged[:5]))}.</p>")
    return parts


def protocol_sentence(result: Data) -> str:
    """How a result came about, in words."""
    seeds, source = result["seeds"], result["source"]
    kinds = list(dict.fromkeys(r["split"] for r in result["rows"]))
    amounts = list(dict.fromkeys(amount_name(r) for r in result["rows"] if r["shots"] or r.get("labels")))
    seen = {True: "has seen", False: "has not seen", None: "may have seen"}[result.get("transductive")]
    return (
        f"{source['name']}: frozen representation h of {result['encoder'].get('feature_dim', '?')} numbers, "
        f"{result['headline']} probe; {' and '.join(kinds)} split{'s' * (len(kinds) > 1)}"
        f"{', ' + ' and '.join(amounts) if amounts else ''}; {len(seeds)} seed{'s' * (len(seeds) != 1)}. "
        f"Everything was chosen on {result['selected_on']}. Pretraining {seen} the test samples, without labels."
    )


def _few_shot(found: Data) -> list[str]:
    parts = ["<h2>Few labels</h2>"]
    metric = _main_metric(found["rows"])
    grid = probe_grid(found, None, metric)
    parts += [_table(grid)] if grid else []
    grid = episode_grid(found)
    parts += [_table(grid)] if grid else []
    if found.get("open_set"):
        parts.append("<h2>Unknown classes</h2>")
        parts += [_table(grid) for grid in open_grid(found)]
    return parts


def _main_metric(rows: Sequence[Data]) -> str:
    metrics = {r["metric"] for r in rows}
    return next(name for name in ("oa", "accuracy", *sorted(metrics)) if name in metrics)


def _curve(found: Data | None) -> tuple[str, str] | None:
    """The curve of the headline probe and its caption, where there are two amounts of labels or more."""
    if found is None or not found["rows"]:
        return None
    metric = _main_metric(found["rows"])
    probes = (found["headline"], "supervised", "fine-tune")
    rows = [r for r in found["rows"] if r["metric"] == metric and (r["shots"] or r.get("labels"))]
    rows = [r for r in rows if r["probe"] in probes]
    if len({(r["shots"], r.get("labels")) for r in rows}) < 2:
        return None
    command = found.get("protocol", "").partition("/")[0].removeprefix("simclr-")
    caption = (
        f"{command}: {metric_name(metric)}, {found['headline']} probe; bars: 95 % Student t interval over the seeds."
    )
    return efficiency_figure(rows, metric_name(metric), salt=command), caption


def _errors(result: Data) -> list[str]:
    names = list(result["source"]["classes"])
    kept = [o for o in result.get("outcomes", []) if o["counts"]]
    if not kept:
        return []
    parts = ["<h2>Errors</h2>"]
    for split in dict.fromkeys(o["split"] for o in kept):
        most = max((o for o in kept if o["split"] == split), key=lambda o: (o["shots"] or 0, o["labels"] or 0))
        n = len(most["correct"])
        where = f"{most['probe']} probe, {split} split, {amount_name(most)}"
        caption = f"{where}; counts of {n} split{'s' * (n > 1)} added up, in percent of each true class."
        parts.append(_figure(confusion_figure(most["counts"], names, f"confusion {split}"), caption))
        recall = recall_grid(result, most)
        parts += [_table(recall)] if recall else []
    return parts


def _about_health(metrics: Sequence[Data]) -> str:
    last = metrics[-1]
    seconds = last.get("seconds")
    took = f", {seconds / 60:.1f} minutes" if isinstance(seconds, int | float) else ""
    return f"{last['step'] + 1:,} steps{took}. Lines: values or means of neighbouring ones; grey: their range."


def _reproduce(found: Material) -> list[str]:
    """Commands, identifiers and hashes of everything on the page."""
    parts = ["<h2>To get the same again</h2>"]
    for name, result in (("result.json", found.result), ("few-shot.json", found.few_shot)):
        if result is None:
            continue
        encoder = result["encoder"]
        facts = {
            "command": result.get("command"),
            "protocol": result.get("protocol"),
            "seeds": ", ".join(map(str, result["seeds"])),
            "selected on": result.get("selected_on"),
            "transductive": result.get("transductive"),
            "encoder file": encoder.get("file"),
            "encoder sha256": encoder.get("sha256_before"),
            "encoder git, created": _joined(encoder.get("git"), encoder.get("created")),
            "versions": _joined(*(f"{k} {v}" for k, v in result.get("versions", {}).items())),
        }
        parts += [f"<h3>{name}</h3>", _facts(facts), _table(_split_hashes(result))]
    if found.encoder is not None:
        encoder = found.encoder
        facts = {
            "encoder": _joined(*(f"{k} {v}" for k, v in encoder.get("encoder", {}).items())),
            "created": encoder.get("created"),
            "git": encoder.get("git"),
            "versions": _joined(*(f"{k} {v}" for k, v in encoder.get("versions", {}).items())),
            **{f"recipe: {k}": v for k, v in _flat(encoder.get("recipe", {})).items()},
        }
        parts += ["<h3>Pretraining</h3>", _facts(facts)]
    return parts


def _split_hashes(result: Data) -> Grid:
    rows = [
        [
            f"{s['split']}{', ' + amount_name(s) if s.get('shots') or s.get('labels') else ''}",
            "" if s.get("seed") is None else str(s["seed"]),
            f"{s['train']:,} / {s['test']:,}",
            s["sha256_train"][:16],
            s["sha256_test"][:16],
        ]
        for s in result["splits"]
    ]
    head = ["split", "seed", "training / test samples", "sha256 of training ids", "of test ids"]
    return Grid("The first 16 digits of each split's hashes; the whole is in the file.", head, rows)


def _facts(facts: Data) -> str:
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(_word(value))}</td></tr>"
        for name, value in facts.items()
        if value is not None
    )
    return f'<table class="facts">{rows}</table>'


def _word(value: Any) -> str:
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _joined(*values: Any) -> str | None:
    return ", ".join(str(v) for v in values if v) or None


def _flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Dotted keys of what was set."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{key}.")
        elif value not in (None, [], ""):
            found[f"{prefix}{key}"] = value
    return found


def _table(grid: Grid) -> str:
    def cells(row: Sequence[str], tag: str) -> str:
        # Words are headers of their row, and stand on the left.
        tags = ["th" if i < grid.names else tag for i in range(len(row))]
        return "".join(
            f"<{t}{LEFT if i < grid.names else ''}>{escape(text)}</{t}>" for i, (t, text) in enumerate(zip(tags, row))
        )

    rows = "".join(f"<tr{OURS if row[0] == 'pretrained' else ''}>{cells(row, 'td')}</tr>" for row in grid.rows)
    head = f"<thead><tr>{cells(grid.head, 'th')}</tr></thead>"
    return f"<table><caption>{escape(grid.caption)}</caption>{head}<tbody>{rows}</tbody></table>"


def _figure(svg: str, caption: str) -> str:
    return f'<figure role="img" aria-label="{escape(caption)}">{svg}<figcaption>{escape(caption)}</figcaption></figure>'


def _picture(png: bytes, caption: str) -> str:
    data = base64.b64encode(png).decode("ascii")
    caption = escape(caption)
    return (
        f'<figure><img alt="{caption}" src="data:image/png;base64,{data}"/><figcaption>{caption}</figcaption></figure>'
    )


_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 58rem; margin: 2rem auto;
  padding: 0 1.25rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .6rem; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .6rem; border-bottom: 1px solid #999; padding-bottom: .2rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
.protocol { max-width: 46rem; }
table { border-collapse: collapse; margin: .4rem 0 1.2rem; font-size: .875rem; font-variant-numeric: tabular-nums; }
caption { caption-side: bottom; text-align: left; color: #444; padding-top: .35rem; font-size: .8125rem; }
th, td { padding: .22rem .8rem .22rem 0; text-align: right; font-weight: normal; white-space: nowrap; }
thead th { border-bottom: 1px solid #1a1a1a; color: #444; white-space: normal; vertical-align: bottom; }
th.left, .facts th { text-align: left; }
tbody tr { border-bottom: 1px solid #e4e4e4; }
.ours th, .ours td { font-weight: 700; }
.facts th { color: #444; vertical-align: top; padding-right: 1.4rem; }
.facts td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
figure { margin: .6rem 0 1.4rem; }
figure svg, figure img { max-width: 100%; height: auto; display: block; }
figcaption { color: #444; font-size: .8125rem; max-width: 46rem; }
@page { margin: 16mm; }
@media print {
  body { font-size: 10.5pt; margin: 0; padding: 0; max-width: none; }
  h2, h3 { break-after: avoid; }
  figure, tr { break-inside: avoid; }
  table { font-size: 8.5pt; }
  th, td { padding-right: .5rem; }
}
"""
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""
