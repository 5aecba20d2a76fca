"""Commands that judge: linear-eval, few-shot, report, compare."""

from pathlib import Path
from typing import Annotated

import typer

from simclr.cli.options import DataOverrides, EncoderFile, at_most, check_subject, output_path

# A table of its own: a column for the names that switch off would squeeze the other descriptions.
_SWITCHES, _EPISODES, _TUNING, _OBJECTIVES = "Switches", "Episodes and unknown classes", "Fine-tuning", "Objectives"
_OUTPUT_HELP = "Folder for {}; by default the encoder's."
_SPLIT_HELP = "random, block (scenes), a split file, or maps TRAIN.mat[+TEST.mat]; several with commas."
Standardise = Annotated[
    bool,
    typer.Option(
        "--standardise/--no-standardise",
        help="Divide features by their standard deviation over the training samples, for linear probes.",
        rich_help_panel=_SWITCHES,
    ),
]
Seeds = Annotated[
    int,
    typer.Option(
        metavar="N", min=1, callback=at_most(10_000), help="Number of random splits and of random-weights encoders."
    ),
]
Cache = Annotated[
    bool, typer.Option(help="Keep features in OUTPUT/features, for the next evaluation.", rich_help_panel=_SWITCHES)
]


def linear_eval(
    encoder: EncoderFile,
    overrides: DataOverrides = None,
    output: Annotated[str | None, typer.Option(metavar="FOLDER", help=_OUTPUT_HELP.format("result.json"))] = None,
    split: Annotated[
        str | None,
        typer.Option(metavar="KINDS", help=_SPLIT_HELP),
    ] = None,
    shots: Annotated[
        str | None, typer.Option(metavar="N,N", help="Labels per class, e.g. 5,20; for scenes by default 5,20.")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(metavar="%,%", help="Shares of each class's labels, e.g. 1%,10%.")
    ] = None,
    seeds: Seeds = 5,
    probes: Annotated[
        str | None,
        typer.Option(
            metavar="PROBES",
            help="Such as ridge, logistic, sgd, knn or 'prototype cosine'; by default the first two and knn.",
        ),
    ] = None,
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
            rich_help_panel=_SWITCHES,
        ),
    ] = None,
    keep_splits: Annotated[
        bool, typer.Option("--keep-splits", help="Write every split to OUTPUT/splits.", rich_help_panel=_SWITCHES)
    ] = False,
    cache: Cache = True,
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
        split=split,
        shots=shots,
        labels=labels,
        seeds=seeds,
        probes=probes,
        standardise=standardise,
        validation=validation,
        supervised=supervised,
    )


def few_shot(
    encoder: EncoderFile,
    overrides: DataOverrides = None,
    output: Annotated[str | None, typer.Option(metavar="FOLDER", help=_OUTPUT_HELP.format("few-shot.json"))] = None,
    split: Annotated[
        str,
        typer.Option(metavar="KINDS", help=_SPLIT_HELP),
    ] = "random",
    shots: Annotated[
        str | None,
        typer.Option(
            metavar="N,N", help="Labels per class, the points of the label-efficiency curve; by default 1,5,20."
        ),
    ] = None,
    labels: Annotated[
        str | None, typer.Option(metavar="%,%", help="Shares of each class's labels besides, e.g. 1%,10%.")
    ] = None,
    seeds: Seeds = 10,
    probes: Annotated[
        str | None,
        typer.Option(
            metavar="PROBES",
            help="Of 'prototype euclidean', 'prototype standardized', 'prototype cosine', 'prototype mahalanobis', "
            "ridge, logistic, sgd and knn; by default prototypes and ridge.",
        ),
    ] = None,
    standardise: Standardise = True,
    ways: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=2,
            callback=at_most(10_000),
            help="Classes of an episode; by default 5, or all if fewer.",
            rich_help_panel=_EPISODES,
        ),
    ] = None,
    queries: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            callback=at_most(1_000_000),
            help="Query samples of each class in an episode; by default 15.",
            rich_help_panel=_EPISODES,
        ),
    ] = None,
    episodes: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=0,
            callback=at_most(1_000_000),
            help="Number of episodes; 0 leaves them out.",
            rich_help_panel=_EPISODES,
        ),
    ] = 600,
    unknown: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Names or numbers of unknown classes; by default the recipe's data.unknown.",
            rich_help_panel=_EPISODES,
        ),
    ] = None,
    unknown_classes: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=0,
            callback=at_most(1_000_000),
            help="Leave so many classes out, drawn for each seed.",
            rich_help_panel=_EPISODES,
        ),
    ] = 0,
    fine_tune: Annotated[
        bool | None,
        typer.Option(
            "--fine-tune/--no-fine-tune",
            help="Train end to end, too; by default for scenes.",
            rich_help_panel=_SWITCHES,
        ),
    ] = None,
    from_head: Annotated[
        bool,
        typer.Option(
            "--from-head",
            help="Fine-tune from the projection head's first layer, as SimCLR v2.",
            rich_help_panel=_SWITCHES,
        ),
    ] = False,
    batch_norm: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="frozen (the default), affine (scale and offset learn) or train.",
            rich_help_panel=_TUNING,
        ),
    ] = None,
    layer_decay: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Factor of the rate for each layer further down; by default 0.65.",
            rich_help_panel=_TUNING,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            callback=at_most(1_000_000),
            help="Most steps; by default 100, or 20 passes.",
            rich_help_panel=_TUNING,
        ),
    ] = None,
    objectives: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Train under each, too, from the encoder and from random weights: softmax, triplet, "
            "softmax+0.01*center, … of docs/objectives.md.",
            rich_help_panel=_OBJECTIVES,
        ),
    ] = None,
    objective_steps: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="By default 40.", rich_help_panel=_OBJECTIVES)
    ] = None,
    objective_thresholds: Annotated[
        bool, typer.Option("--thresholds/--no-thresholds", help="Of objectives, too.", rich_help_panel=_SWITCHES)
    ] = True,
    cache: Cache = True,
) -> None:
    """Judge an encoder with a few labels: prototypes, k-shot probes, episodes, fine-tuning, unknown classes.

    Example: [bold]simclr few-shot runs/indian-pines --split random,block --shots 5,20 --unknown-classes 4[/bold]
    """
    check_subject(encoder, overrides)
    folder = output_path(output, "folder")

    from simclr.eval.commands import run_few_shot
    from simclr.launch import keep_freed_memory

    keep_freed_memory()
    run_few_shot(
        encoder,
        overrides or [],
        output=folder,
        split=split,
        shots=shots,
        labels=labels,
        seeds=seeds,
        probes=probes,
        standardise=standardise,
        ways=ways,
        queries=queries,
        episodes=episodes,
        unknown=unknown,
        unknown_classes=unknown_classes,
        fine_tune=fine_tune,
        from_head=from_head,
        batch_norm=batch_norm,
        layer_decay=layer_decay,
        steps=steps,
        objectives=objectives,
        objective_steps=objective_steps,
        objective_thresholds=objective_thresholds,
        cache=cache,
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

    from simclr.eval.commands import run_report

    run_report(folder, output=file)


def compare(
    results: Annotated[list[Path], typer.Argument(metavar="RESULT", help="Result files, or their folders.")],
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
