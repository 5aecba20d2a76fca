"""What ``simclr report`` does, and other commands at their end: from a folder to its page."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from simclr.errors import InputError
from simclr.eval.report.gather import gather, title_of
from simclr.eval.report.moving import moving
from simclr.eval.report.page import report_html
from simclr.eval.work.forecast import Forecast
from simclr.files import write_text


def run_report(path: Path, *, output: Path | None = None) -> Path:
    """Draw the report of a folder.

    Args:
        path: run folder, or a folder with a result.json, or that file.
        output: HTML file to write; None is report.html in the folder.

    Returns:
        The file.

    Raises:
        InputError: there is no such folder, it holds nothing to report, something in it is damaged, or its parts are of
            two encoders.
    """
    if not path.exists():
        raise InputError(f"there is no {path}: give the folder of a run, or of linear-eval, few-shot or distance")
    folder = path if path.is_dir() else path.parent
    forecast = Forecast()
    with moving("reading …", forecast.words) as shown:
        found = gather(folder, forecast, shown.line)
        shown.say("drawing …")
        html = report_html(found, title_of(found))
    file = output or folder / "report.html"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, html)
    console = Console()
    for text in found.missing:
        console.print(Text(f"not in the report: {text}"), soft_wrap=True)
    console.print(Text(f"written: {file} ({len(html.encode()) / 1e6:.1f} MB)"), soft_wrap=True)
    return file
