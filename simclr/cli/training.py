"""Commands that train, and those that look before: pretrain, views, plan, verify, recipes."""

from pathlib import Path
from typing import Annotated

import typer

from simclr.cli.options import (
    LAST_EPOCH,
    Changes,
    Overrides,
    RecipeName,
    Resume,
    ResumeFrom,
    at_most,
    output_path,
    recipe_to_run,
    tuning_to_run,
)
from simclr.errors import InputError
from simclr.launch import is_main_process


def pretrain(
    recipe: RecipeName,
    overrides: Overrides = None,
    output: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="The run's folder; by default runs/RECIPE.")
    ] = None,
    resume: Resume = False,
    resume_from: ResumeFrom = None,
    change: Changes = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start anew in a folder that holds a run.")] = False,
) -> None:
    """Pretrain an encoder.

    Example: [bold]simclr pretrain digits train.epochs=5[/bold], or on two GPUs:
    [bold]accelerate launch --multi_gpu --num_processes 2 -m simclr pretrain cifar10[/bold].
    Behind an error, accelerate prints a traceback of its own; on one process, its option --quiet leaves it out.
    """
    checked = recipe_to_run(recipe, overrides)
    path, given = Path(recipe), output_path(output, "folder")

    from simclr.eval.probes.monitor import knn_monitor, monitor_ids
    from simclr.launch import end_with_launcher, keep_freed_memory
    from simclr.pretrain import OnlineProbe, pretrain
    from simclr.run.run_folder import folder_of
    from simclr.run.terminal import print_summary

    folder = given or folder_of(path)

    end_with_launcher()
    keep_freed_memory()
    probe = OnlineProbe(choose=monitor_ids, score=knn_monitor)
    resume_how, changes = resume_from or resume, change or []
    numbers = pretrain(checked, folder, resume=resume_how, overwrite=overwrite, changes=changes, probe=probe)
    if is_main_process():
        print_summary(numbers, folder)


def fine_tune(
    recipe: Annotated[
        str, typer.Argument(metavar="RUN|RECIPE", help="A recipe with an objective; or what to start from.")
    ],
    overrides: Overrides = None,
    output: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="The run's folder; by default runs/RECIPE, or RUN-tuned.")
    ] = None,
    resume: Resume = False,
    resume_from: ResumeFrom = None,
    change: Changes = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start anew in a folder that holds a run.")] = False,
) -> None:
    """Train an encoder on labels under a metric objective: from a run, an encoder file or random weights.

    Example: [bold]simclr fine-tune digits-triplet labels.shots=10[/bold], or a run with its own data and views:
    [bold]simclr fine-tune runs/digits objective.softmax={} objective.center.weight=0.003[/bold]
    """
    checked, given = tuning_to_run(recipe, overrides), output_path(output, "folder")

    from simclr.eval.probes.monitor import held_out_monitor
    from simclr.finetune import fine_tune
    from simclr.launch import end_with_launcher, keep_freed_memory
    from simclr.run.start import folder_for
    from simclr.run.terminal import print_summary

    folder = given or folder_for(recipe)
    end_with_launcher()
    keep_freed_memory()
    resume_how, changes = resume_from or resume, change or []
    numbers = fine_tune(
        checked, folder, resume=resume_how, overwrite=overwrite, changes=changes, probe=held_out_monitor
    )
    if is_main_process():
        print_summary(numbers, folder)


def views(
    recipe: RecipeName,
    overrides: Overrides = None,
    output: Annotated[
        str, typer.Option(metavar="FILE", help="The picture; parameters go beside it as .json.")
    ] = "views.png",
    samples: Annotated[
        int, typer.Option(metavar="N", min=1, max=100, help="How many samples, chosen by the recipe's seed.")
    ] = 6,
    epoch: Annotated[
        int, typer.Option(metavar="N", min=0, max=LAST_EPOCH, help="The epoch whose views are drawn.")
    ] = 0,
    ids: Annotated[str | None, typer.Option(metavar="N,N", help="Which samples, e.g. 3,17.")] = None,
) -> None:
    """Draw the views that a run really gets, with the parameters of each.

    Example: [bold]simclr views indian-pines --ids 3,17 augment.radiation={}[/bold]
    """
    checked, picture = recipe_to_run(recipe, overrides), output_path(output, "file")
    assert picture is not None  # it has a default

    from simclr.choose.resolve import resolved
    from simclr.views.picture import run_views

    run_views(resolved(checked), picture, samples=samples, epoch=epoch, ids=ids)


def plan(
    recipe: RecipeName,
    overrides: Overrides = None,
    output: Annotated[str | None, typer.Option(metavar="FILE", help="The same as JSON.")] = None,
    steps: Annotated[
        int,
        typer.Option(metavar="N", min=1, callback=at_most(10_000), help="Steps that are timed, after one that is not."),
    ] = 3,
) -> None:
    """A dry run: what would happen, and what it would cost. Leaves nothing behind.

    Example: [bold]simclr plan cifar10 data.source=image-folder data.path=FOLDER[/bold]
    """
    checked, file = recipe_to_run(recipe, overrides), output_path(output, "file")

    from simclr.choose.resolve import resolved
    from simclr.launch import end_with_launcher, keep_freed_memory
    from simclr.plan import run_plan

    end_with_launcher()
    keep_freed_memory()
    run_plan(resolved(checked), file, steps=steps)


def verify(
    output: Annotated[str | None, typer.Option(metavar="FILE", help="The same numbers as JSON.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Kill a short run and resume it: does it end as one that was left alone?")
    ] = False,
    kills: Annotated[int | None, typer.Option(min=1, help="With --resume: how often it is killed; 3 times.")] = None,
    processes: Annotated[int | None, typer.Option(min=1, help="With --resume: processes of the run; 1.")] = None,
) -> None:
    """Check loss and gradients over the processes of this launch against one process in float64; or a resume.

    Exit status 1 if any is wrong. Example: [bold]simclr verify[/bold], or on two processes:
    [bold]accelerate launch --multi_gpu --num_processes 2 -m simclr verify[/bold]
    """
    file = output_path(output, "file")
    if resume:
        from simclr.verify_resume import run_verify_resume

        if file:
            raise InputError("--output is of the other check: with --resume, leave it out")
        if not run_verify_resume(kills or 3, processes or 1):
            raise typer.Exit(1)
        return
    for name, value in (("--kills", kills), ("--processes", processes)):
        if value is not None:
            raise InputError(f"{name} is of the check of a resume: add --resume, or leave it out")

    from simclr.verify import run_verify

    if not run_verify(file):
        raise typer.Exit(1)


def replay(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run that diverged.")],
) -> None:
    """Make the step again at which a run diverged, and say what in it was not finite first.

    Without the state that such a run leaves: all steps after its newest run state.
    Example: [bold]simclr replay runs/digits[/bold]
    """
    from simclr.replay import replay

    replay(run)


def recipes() -> None:
    """List the shipped recipes."""
    from simclr.recipe.read import read_experiment, recipe_folder, shipped_recipes

    names = shipped_recipes()
    width = max(map(len, names))
    for name in names:
        typer.echo(f"{name:{width}}  {read_experiment(name).description}")
    typer.echo(f"\nin {recipe_folder()}")
