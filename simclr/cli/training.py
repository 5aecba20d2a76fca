"""Commands that train, and those that look before: pretrain, views, plan, verify, recipes."""

from pathlib import Path
from typing import Annotated

import typer

from simclr.launch import is_main_process

OVERRIDES = "KEY=VALUE: sets a dotted key, e.g. train.epochs=5 or augment.blur=null."
# Arguments that several commands take.
RecipeName = Annotated[str, typer.Argument(help="A YAML file, or the name of a shipped recipe (simclr recipes).")]
Overrides = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help=OVERRIDES)]


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
    from simclr.recipe.read import read_recipe

    checked = read_recipe(recipe, overrides or [])
    path = Path(recipe)

    from eval.probes.monitor import knn_monitor, monitor_ids
    from simclr.launch import keep_freed_memory
    from simclr.pretrain import OnlineProbe, pretrain
    from simclr.run.run_folder import is_run_folder
    from simclr.run.terminal import print_summary

    # A run's own recipe.yaml belongs to that run; any other recipe of that name does not make its folder one.
    own = path.name == "recipe.yaml" and is_run_folder(path.parent)
    folder = output or (path.parent if own else Path("runs") / path.stem)
    keep_freed_memory()
    probe = OnlineProbe(choose=monitor_ids, score=knn_monitor)
    numbers = pretrain(checked, folder, resume=resume, overwrite=overwrite, probe=probe)
    if is_main_process():
        print_summary(numbers, folder)


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
    from simclr.recipe.read import read_recipe
    from simclr.views.picture import run_views

    run_views(read_recipe(recipe, overrides or []), output, samples=samples, epoch=epoch, ids=ids)


def plan(
    recipe: RecipeName,
    overrides: Overrides = None,
    output: Annotated[Path | None, typer.Option(help="File for the same as JSON.")] = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps that are timed, after one that is not.")] = 3,
) -> None:
    """A dry run: what would happen, and what it would cost. Leaves nothing behind.

    Example: [bold]simclr plan cifar10 data.source=image-folder data.path=FOLDER[/bold]
    """
    from simclr.recipe.read import read_recipe

    checked = read_recipe(recipe, overrides or [])

    from simclr.launch import keep_freed_memory
    from simclr.plan import run_plan

    keep_freed_memory()
    run_plan(checked, output, steps=steps)


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


def recipes() -> None:
    """List the shipped recipes."""
    from simclr.recipe.read import read_recipe, recipe_folder, shipped_recipes

    for name in shipped_recipes():
        typer.echo(f"{name:14} {read_recipe(name).description}")
    typer.echo(f"\nin {recipe_folder()}")
