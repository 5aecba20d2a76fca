"""Pieces of a report's page as HTML: tables, figures, pictures, facts, and the page around them."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from itertools import groupby

from pydantic import JsonValue

from simclr.eval.report.grids import Cell, Grid, Percent, Points
from simclr.eval.results.words import mean_sd_text, points, printable

# Rows of a table that is not parted between two pages of paper.
SHORT = 30


def escape(text: str) -> str:
    """Text for a page: what would be markup is none, and what cannot be shown is written as its number."""
    return html.escape(printable(text))


def table(grid: Grid) -> str:
    """A table with its caption; a name that several rows begin with is written once."""
    heads = [
        *(_cell("th", text, True) for text in grid.left),
        *(_cell("th", ", ".join(c), False) for c in grid.columns),
    ]
    nested = len(grid.left) > 1
    bodies = []
    groups = [list(rows) for _, rows in groupby(grid.rows, lambda row: row.names[0])] if nested else [grid.rows]
    for rows in groups:
        body = []
        for place, row in enumerate(rows):
            ours = ' class="ours"' if row.ours else ""
            first = "" if nested and place else _cell("th", row.names[0], True, len(rows) if nested else 1)
            names = (_cell("th", text, True) for text in row.names[1:])
            numbers = (_cell("td", cell_text(cell), False) for cell in row.cells)
            body.append(f"<tr{ours}>{first}{''.join([*names, *numbers])}</tr>")
        bodies.append(f"<tbody>{''.join(body)}</tbody>")
    kinds = "wide" + " short" * (len(grid.rows) <= SHORT) + " names" * nested
    caption = " ".join(f"{text[:1].upper()}{text[1:]}." for text in (grid.caption, *grid.notes))
    return (
        f'<div class="{kinds}"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{''.join(heads)}</tr></thead>{''.join(bodies)}</table></div>"
    )


def cell_text(cell: Cell) -> str:
    """A cell in one line; behind a difference stands its interval, or the number of values."""
    if isinstance(cell, Percent):
        return mean_sd_text(cell.mean, cell.spread)
    if isinstance(cell, Points):
        if cell.ci95 is not None:
            return f"{points(cell.mean)} [{', '.join(map(points, cell.ci95))}]"
        return points(cell.mean) + ("" if cell.n is None else f" (n = {cell.n})")
    return "–" if cell is None else cell


def _cell(tag: str, text: str, word: bool, rows: int = 1) -> str:
    spans = f' rowspan="{rows}"' if rows > 1 else ""
    side = ' class="left"' if word else ""
    return f"<{tag}{spans}{side}>{escape(text)}</{tag}>"


def figure(svg: str, caption: str) -> str:
    """A drawn figure; the caption is also its text for those who do not see it."""
    text = escape(caption)
    return f'<figure role="img" aria-label="{text}">{svg}<figcaption>{text}</figcaption></figure>'


def picture(png: bytes, caption: str) -> str:
    """A PNG within the page."""
    data, text = base64.b64encode(png).decode("ascii"), escape(caption)
    return f'<figure><img alt="{text}" src="data:image/png;base64,{data}"/><figcaption>{text}</figcaption></figure>'


def definitions(items: Sequence[tuple[str, str]]) -> str:
    """Headings and what they say."""
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{escape(text)}</dd>' for name, text in items)}</dl>"


def bullets(texts: Sequence[str]) -> str:
    """One line each."""
    return f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in texts)}</ul>"


def facts(values: Mapping[str, str | bool | None]) -> str:
    """Names and values; what is None is left out."""
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(_word(value))}</td></tr>"
        for name, value in values.items()
        if value is not None
    )
    return f'<table class="facts">{rows}</table>'


def keys(tree: Mapping[str, JsonValue]) -> str:
    """What was set in a recipe, by dotted keys, in columns."""
    items = (f"<li><b>{escape(k)}</b> {escape(_word(v))}</li>" for k, v in _flat(tree).items())
    return f'<ul class="keys">{"".join(items)}</ul>'


def _flat(tree: Mapping[str, JsonValue], prefix: str = "") -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{key}.")
        elif value not in (None, [], ""):
            found[f"{prefix}{key}"] = value
    return found


def _word(value: JsonValue) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def page(title: str, body: Sequence[str]) -> str:
    """The whole file; it loads nothing from anywhere."""
    return _PAGE.format(title=escape(title), style=_STYLE, body="\n".join(body))


_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 58rem; margin: 2rem auto;
  padding: 0 1.25rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .6rem; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .6rem; border-bottom: 1px solid #999; padding-bottom: .2rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p, dl, ul { max-width: 50rem; }
ul { padding-left: 1.2rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.2rem; font-size: .875rem; margin: .8rem 0; }
dt { color: #444; }
dd { margin: 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .8rem 0 1.4rem; font-size: .875rem; font-variant-numeric: tabular-nums; }
caption { min-width: 30rem; text-align: left; color: #444; padding-bottom: .3rem; font-size: .8125rem; }
th, td { padding: .22rem .8rem .22rem 0; text-align: right; font-weight: normal; white-space: nowrap; }
thead th { border-bottom: 1px solid #1a1a1a; color: #444; white-space: normal; vertical-align: bottom; }
th.left { text-align: left; vertical-align: top; }
th.left + th.left { white-space: normal; }
tbody tr { border-bottom: 1px solid #e4e4e4; }
.ours { background: #eef3f9; }
.ours th { font-weight: 700; }
.facts th { text-align: left; color: #444; vertical-align: top; padding-right: 1.4rem; }
.facts td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
.keys { columns: 3 15rem; list-style: none; padding: 0; max-width: none; font-size: .8125rem; }
.keys li { overflow-wrap: anywhere; break-inside: avoid; }
.keys b { font-weight: normal; color: #444; }
figure { margin: .6rem 0 1.4rem; }
figure svg, figure img { max-width: 100%; height: auto; display: block; }
figure img { max-height: 60rem; }
figcaption { color: #444; font-size: .8125rem; max-width: 46rem; }
@page { margin: 16mm; }
@media print {
  body { font-size: 10pt; margin: 0; padding: 0; max-width: none; }
  h2, h3, caption { break-after: avoid; }
  figure, tr, dd, li, .short, .names tbody { break-inside: avoid; }
  figure img { max-height: 225mm; }
  .wide { overflow: visible; }
  table { font-size: 8pt; }
  th, td { padding-right: .45rem; }
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
