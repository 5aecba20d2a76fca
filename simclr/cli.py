"""The command line. It stands on top of the house and joins its rooms; torch is imported inside the commands."""

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from simclr.errors import DivergenceError, InputError
from simclr.launch import is_main_process

app = typer.Typer(
    name="simclr",
    help="Pretrain an encoder with SimCLR, then find out honestly how good it is.",
    epilog="simclr --debug COMMAND … shows the traceback of an error.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

OVERRIDES = "KEY=VALUE: sets a dotted key, e.g. train.epochs=5 or augment.blur=null."

# Arguments that several commands take.
RecipeName = Annotated[str, typer.Argument(help="A YAML file, or the name of a shipped recipe (simclr recipes).")]
Overrides = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help=OVERRIDES)]
Standardise = Annotated[
    bool,
    typer.Option(
        "--standardise/--no-standardise",
        help="Divide features by their standard deviation over the training samples, for linear probes.",
    ),
]


@app.command()
def pretrain(
    recipe: RecipeName,
    overrides: Overrides = None,
    output: Annotated[Path | None, typer.Option(help="The run's folder; by default runs/RECIPE.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest run state in the folder.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start anew in a folder that holds a run.")] = False,
) -> None:
    """Pretrain an encoder.

    Example: [bold]simclr pretrain digits train.epochs=5[/bold], or on two GPUs:
    [bold]accelerate launch --multi_gpu --num_processes 2 -m simclr pretrain cifar10[/bold]
    """
    from simclr.recipe import read_recipe

    checked = read_recipe(recipe, overrides or [])
    path = Path(recipe)
    # A run's own recipe.yaml belongs to that run.
    folder = output or (path.parent if path.name == "recipe.yaml" else Path("runs") / path.stem)

    from eval.monitor import knn_monitor, monitor_ids
    from simclr.memory import keep_freed_memory
    from simclr.pretrain import OnlineProbe, pretrain
    from simclr.tables import print_summary

    keep_freed_memory()
    probe = OnlineProbe(choose=monitor_ids, score=knn_monitor)
    numbers = pretrain(checked, folder, resume=resume, overwrite=overwrite, probe=probe)
    if is_main_process():
        print_summary(numbers, folder)


@app.command()
def views(
    recipe: RecipeName,
    overrides: Overrides = None,
    output: Annotated[Path, typer.Option(help="The picture; parameters go beside it as .json.")] = Path("views.png"),
    samples: Annotated[int, typer.Option(min=1, max=100, help="How many samples, chosen by the recipe's seed.")] = 6,
    epoch: Annotated[int, typer.Option(min=0, help="The epoch whose views are drawn.")] = 0,
    ids: Annotated[str | None, typer.Option(help="Which samples, e.g. 3,17.")] = None,
) -> None:
    """Draw the views that a run really gets, with the parameters of each.

    Example: [bold]simclr views indian-pines --ids 3,17 augment.radiation={}[/bold]
    """
    from simclr.recipe import read_recipe
    from simclr.views_picture import run_views

    run_views(read_recipe(recipe, overrides or []), output, samples=samples, epoch=epoch, ids=ids)


@app.command()
def plan(
    recipe: RecipeName,
    overrides: Overrides = None,
    output: Annotated[Path | None, typer.Option(help="File for the same as JSON.")] = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps that are timed, after one that is not.")] = 3,
) -> None:
    """A dry run: what would happen, and what it would cost. Leaves nothing behind.

    Example: [bold]simclr plan cifar10 data.source=image-folder data.path=FOLDER[/bold]
    """
    from simclr.recipe import read_recipe

    checked = read_recipe(recipe, overrides or [])

    from simclr.memory import keep_freed_memory
    from simclr.plan import run_plan

    keep_freed_memory()
    run_plan(checked, output, steps=steps)


@app.command("linear-eval")
def linear_eval(
    encoder: Annotated[Path, typer.Argument(help="An encoder.safetensors, or the run's folder.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Other data than it was pretrained on, e.g. data.path=photos"),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Folder for result.json; by default the encoder's.")] = None,
    split: Annotated[
        str | None,
        typer.Option(help="random, block (scenes), a split file, or maps TRAIN.mat[+TEST.mat]; several with commas."),
    ] = None,
    shots: Annotated[str | None, typer.Option(help="Labels per class, e.g. 5,20; for scenes by default 5,20.")] = None,
    labels: Annotated[str | None, typer.Option(help="Shares of each class's labels, e.g. 1%,10%.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of random splits and of random-weights encoders.")] = 5,
    probes: Annotated[
        str | None, typer.Option(help="Of ridge, logistic, sgd and knn; by default all but sgd, the slow one.")
    ] = None,
    standardise: Standardise = True,
    validation: Annotated[
        str | None,
        typer.Option(
            help="Share of each class's training samples that probes choose on, e.g. 20%; their own way without."
        ),
    ] = None,
    supervised: Annotated[
        bool | None,
        typer.Option(
            "--supervised/--no-supervised", help="Train the architecture from scratch, too; where it is quick."
        ),
    ] = None,
    keep_splits: Annotated[bool, typer.Option("--keep-splits", help="Write every split to OUTPUT/splits.")] = False,
    cache: Annotated[bool, typer.Option(help="Keep features in OUTPUT/features, for the next evaluation.")] = True,
) -> None:
    """Judge a frozen encoder with linear probes and kNN, beside raw input, random weights and training from scratch.

    Example: [bold]simclr linear-eval runs/indian-pines --split random,block --shots 5,10,20[/bold]
    """
    from eval.command import run_linear_eval
    from simclr.memory import keep_freed_memory

    keep_freed_memory()
    run_linear_eval(
        encoder,
        overrides or [],
        output=output,
        split=split,
        shots=shots,
        labels=labels,
        seeds=seeds,
        probes=probes,
        standardise=standardise,
        validation=validation,
        supervised=supervised,
        keep_splits=keep_splits,
        cache=cache,
    )


@app.command("few-shot")
def few_shot(
    encoder: Annotated[Path, typer.Argument(help="An encoder.safetensors, or the run's folder.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Other data than it was pretrained on, e.g. data.path=photos"),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Folder for few-shot.json; by default the encoder's.")] = None,
    split: Annotated[
        str,
        typer.Option(help="random, block (scenes), a split file, or maps TRAIN.mat[+TEST.mat]; several with commas."),
    ] = "random",
    shots: Annotated[
        str | None,
        typer.Option(help="Labels per class, the points of the label-efficiency curve; by default 1,5,20."),
    ] = None,
    labels: Annotated[str | None, typer.Option(help="Shares of each class's labels besides, e.g. 1%,10%.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of random splits and of random-weights encoders.")] = 10,
    probes: Annotated[
        str | None,
        typer.Option(
            help="Of 'prototype euclidean', 'prototype standardized', 'prototype cosine', 'prototype mahalanobis', "
            "ridge, logistic, sgd and knn; by default prototypes and ridge."
        ),
    ] = None,
    standardise: Standardise = True,
    ways: Annotated[
        int | None, typer.Option(min=2, help="Classes of an episode; by default 5, or all if fewer.")
    ] = None,
    queries: Annotated[
        int | None, typer.Option(min=1, help="Query samples of each class in an episode; by default 15.")
    ] = None,
    episodes: Annotated[int, typer.Option(min=0, help="Number of episodes; 0 leaves them out.")] = 600,
    unknown: Annotated[
        str | None, typer.Option(help="Names or numbers of unknown classes; by default the recipe's data.unknown.")
    ] = None,
    unknown_classes: Annotated[int, typer.Option(min=0, help="Leave so many classes out, drawn for each seed.")] = 0,
    fine_tune: Annotated[
        bool | None, typer.Option("--fine-tune/--no-fine-tune", help="Train end to end, too; by default for scenes.")
    ] = None,
    from_head: Annotated[
        bool, typer.Option("--from-head", help="Fine-tune from the projection head's first layer, as SimCLR v2.")
    ] = False,
    batch_norm: Annotated[
        str | None,
        typer.Option(help="While fine-tuning: frozen (the default), affine (scale and offset learn) or train."),
    ] = None,
    layer_decay: Annotated[
        float | None, typer.Option(help="Fine-tuning: factor of the rate for each layer further down; 0.65.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Most steps of fine-tuning; by default 100, or 20 passes.")
    ] = None,
    cache: Annotated[bool, typer.Option(help="Keep features in OUTPUT/features, for the next evaluation.")] = True,
) -> None:
    """Judge an encoder with a few labels: prototypes, k-shot probes, episodes, fine-tuning and unknown classes.

    Example: [bold]simclr few-shot runs/indian-pines --split random,block --shots 5,20 --unknown-classes 4[/bold]
    """
    from eval.few_shot_command import run_few_shot
    from simclr.memory import keep_freed_memory

    keep_freed_memory()
    run_few_shot(
        encoder,
        overrides or [],
        output=output,
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
        cache=cache,
    )


@app.command()
def verify(
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the same numbers as JSON.")] = None,
) -> None:
    """Check loss and gradients over the processes of this launch against one process in float64.

    Exit status 1 if any is wrong. Example: [bold]simclr verify[/bold], or on two processes:
    [bold]accelerate launch --multi_gpu --num_processes 2 -m simclr verify[/bold]
    """
    from simclr.verify import run_verify

    if not run_verify(output):
        raise typer.Exit(1)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="A run's folder, or one with a result.json.")],
    output: Annotated[Path | None, typer.Option(help="The HTML file; by default report.html in the folder.")] = None,
) -> None:
    """Draw one self-contained page of a run and its results.

    Example: [bold]simclr report runs/indian-pines[/bold]
    """
    from eval.report_command import run_report

    run_report(folder, output=output)


@app.command()
def compare(
    results: Annotated[list[Path], typer.Argument(metavar="RESULT RESULT...", help="Result files, or their folders.")],
    output: Annotated[Path | None, typer.Option(help="JSON file for all that was compared.")] = None,
    probe: Annotated[str | None, typer.Option(help="Probes to print, with commas; by default the headline's.")] = None,
    split: Annotated[str | None, typer.Option(help="Kinds of split to print, e.g. block; by default all.")] = None,
    shots: Annotated[str | None, typer.Option(help="Labels to print, e.g. 5,10% or all; by default each.")] = None,
    metric: Annotated[str | None, typer.Option(help="Metrics to print, e.g. ece; by default accuracies.")] = None,
) -> None:
    """Test results against the first of them on the splits that both have: paired differences, intervals, p values.

    Example: [bold]simclr compare runs/a runs/b --output difference.json[/bold]
    """
    from eval.compare_command import run_compare

    run_compare(results, output=output, probe=probe, split=split, shots=shots, metric=metric)


@app.command()
def recipes() -> None:
    """List the shipped recipes."""
    from simclr.recipe import read_recipe, recipe_folder, shipped_recipes

    for name in shipped_recipes():
        typer.echo(f"{name:14} {read_recipe(name).description}")
    typer.echo(f"\nin {recipe_folder()}")


def main() -> NoReturn:
    """Run a command; a mistake of the user becomes one line on stderr and exit status 2."""
    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    try:
        code = app(standalone_mode=False)
    except Exception as error:
        if debug:
            raise
        status, message = _explain(error)
        # All processes of a launch find the same mistake, so one says so.
        if is_main_process() or not isinstance(error, InputError | DivergenceError):
            print(message, file=sys.stderr)
        sys.exit(status)
    if code == 130:
        print("simclr: interrupted; --resume goes on from the last run state, if one was saved", file=sys.stderr)
    sys.exit(code if isinstance(code, int) else 0)


def _explain(error: Exception) -> tuple[int, str]:
    """Exit status and message."""
    if isinstance(error, InputError):
        return 2, f"simclr: {error}"
    if isinstance(error, DivergenceError):
        return 1, f"simclr: {error}"
    if hasattr(error, "format_message"):  # typer's complaint about an option or a command
        message = error.format_message()
        return 2, message if "\n" in message else f"simclr: {message[:1].lower()}{message[1:].rstrip('.')}; see --help"
    return 1, f"simclr: {type(error).__name__}: {' '.join(str(error).split())} (add --debug for the traceback)"
