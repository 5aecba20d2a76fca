"""Commands that judge: linear-eval, report, compare."""

from pathlib import Path
from typing import Annotated

import typer

from simclr.cli.options import (
    SPLIT,
    SWITCHES,
    AllScores,
    Cache,
    DataOverrides,
    EncoderFile,
    LabelShares,
    Overwrite,
    Seeds,
    Standardise,
    check_subject,
    output_folder,
    output_path,
    probes_option,
    shots_option,
)


def linear_eval(
    encoder: EncoderFile,
    overrides: DataOverrides = None,
    output: Annotated[str | None, output_folder("result.json")] = None,
    split: Annotated[str | None, SPLIT] = None,
    shots: Annotated[str | None, shots_option("for scenes by default 5,20")] = None,
    labels: LabelShares = None,
    seeds: Seeds = 5,
    probes: Annotated[str | None, probes_option("the first two and knn")] = None,
    standardise: Standardise = True,
    validation: Annotated[
        str | None,
        typer.Option(
            metavar="%",
            help="Share of each class's training samples that probes choose on, e.g. 20%; their own way without.",
        ),
    ] = None,
    supervised: Annotated[
        bool | None,
        typer.Option(
            "--supervised/--no-supervised",
            help="Train the architecture from scratch, too; where it is quick.",
            rich_help_panel=SWITCHES,
        ),
    ] = None,
    all_penalties: Annotated[
        bool,
        typer.Option(
            "--all-penalties",
            help="Logistic probe: try all 45 penalties, also where weaker ones promise nothing.",
        ),
    ] = False,
    keep_splits: Annotated[
        bool, typer.Option("--keep-splits", help="Write every split to OUTPUT/splits.", rich_help_panel=SWITCHES)
    ] = False,
    all_scores: AllScores = False,
    cache: Cache = True,
    overwrite: Overwrite = False,
) -> None:
    """Judge a frozen encoder with linear probes and kNN, beside raw input, random weights and training from scratch.

    Example: [bold]simclr linear-eval runs/indian-pines --split random,block --shots 5,10,20[/bold]
    """
    check_subject(encoder, overrides)
    folder = output_path(output, "folder")

    from simclr.eval.commands import run_linear_eval
    from simclr.launch import keep_freed_memory

    keep_freed_memory()
    run_linear_eval(
        encoder,
        overrides or [],
        output=folder,
        keep_splits=keep_splits,
        cache=cache,
        all_scores=all_scores,
        overwrite=overwrite,
        split=split,
        shots=shots,
        labels=labels,
        seeds=seeds,
        probes=probes,
        standardise=standardise,
        validation=validation,
        supervised=supervised,
        all_penalties=all_penalties,
    )


def report(
    folder: Annotated[Path, typer.Argument(help="A run's folder, or one with a result.json.")],
    output: Annotated[
        str | None, typer.Option(metavar="FILE", help="The HTML file; by default report.html in the folder.")
    ] = None,
) -> None:
    """Draw one self-contained page of a run and its results.

    Example: [bold]simclr report runs/indian-pines[/bold]
    """
    file = output_path(output, "file")

    from simclr.eval.report_command import run_report

    run_report(folder, output=file)


def compare(
    results: Annotated[
        list[Path], typer.Argument(metavar="RESULT", help="Results of linear-eval or few-shot, or folders.")
    ],
    output: Annotated[str | None, typer.Option(metavar="FILE", help="JSON file for all that was compared.")] = None,
    probe: Annotated[
        str | None, typer.Option(metavar="PROBES", help="Probes to print, with commas; by default the headline's.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(metavar="KINDS", help="Kinds of split to print, e.g. block; by default all.")
    ] = None,
    shots: Annotated[
        str | None, typer.Option(metavar="LABELS", help="Labels to print, e.g. 5,10% or all; by default each.")
    ] = None,
    metric: Annotated[
        str | None, typer.Option(metavar="METRICS", help="Metrics to print, e.g. ece; by default accuracies.")
    ] = None,
) -> None:
    """Test results against the first of them on the splits that both have: paired differences, intervals, p values.

    Example: [bold]simclr compare runs/a runs/b --output difference.json[/bold]
    """
    file = output_path(output, "file")

    from simclr.eval.commands import run_compare

    run_compare(results, output=file, probe=probe, split=split, shots=shots, metric=metric)
