"""The command few-shot."""

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
    at_most,
    check_subject,
    output_folder,
    output_path,
    probes_option,
    shots_option,
)

_EPISODES, _TUNING, _OBJECTIVES = "Episodes and unknown classes", "Fine-tuning", "Objectives"


def few_shot(
    encoder: EncoderFile,
    overrides: DataOverrides = None,
    output: Annotated[str | None, output_folder("few-shot.json")] = None,
    split: Annotated[str, SPLIT] = "random",
    shots: Annotated[str | None, shots_option("the points of the label-efficiency curve, by default 1,5,20")] = None,
    labels: LabelShares = None,
    seeds: Seeds = 10,
    probes: Annotated[str | None, probes_option("all four prototypes and ridge")] = None,
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
    conformal: Annotated[
        bool,
        typer.Option(
            "--conformal",
            help="Decide what is unknown by conformal p values, too, with what they guarantee.",
            rich_help_panel=SWITCHES,
        ),
    ] = False,
    fine_tune: Annotated[
        bool | None,
        typer.Option(
            "--fine-tune/--no-fine-tune",
            help="Train end to end, too; by default for scenes.",
            rich_help_panel=SWITCHES,
        ),
    ] = None,
    from_head: Annotated[
        bool,
        typer.Option(
            "--from-head",
            help="Fine-tune from the projection head's first layer, as SimCLR v2.",
            rich_help_panel=SWITCHES,
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
            "softmax+0.01*center, mdl4ow, mtgan, … of docs/objectives.md.",
            rich_help_panel=_OBJECTIVES,
        ),
    ] = None,
    objective_steps: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="By default 40.", rich_help_panel=_OBJECTIVES)
    ] = None,
    objective_thresholds: Annotated[
        bool,
        typer.Option(
            "--thresholds/--no-thresholds",
            help="Decide what is unknown under objectives, too: three trainings in place of one.",
            rich_help_panel=SWITCHES,
        ),
    ] = True,
    all_scores: AllScores = False,
    cache: Cache = True,
    overwrite: Overwrite = False,
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
        conformal=conformal,
        fine_tune=fine_tune,
        from_head=from_head,
        batch_norm=batch_norm,
        layer_decay=layer_decay,
        steps=steps,
        objectives=objectives,
        objective_steps=objective_steps,
        objective_thresholds=objective_thresholds,
        cache=cache,
        all_scores=all_scores,
        overwrite=overwrite,
    )
