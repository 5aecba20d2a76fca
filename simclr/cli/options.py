"""What several commands take, and what of it is refused before torch is imported.

``simclr --help`` imports this file: the schema of recipes is imported by those who read one.
"""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from simclr.errors import InputError

if TYPE_CHECKING:
    from simclr.recipe.schema import Recipe
    from simclr.recipe.tuning import TuningRecipe

LAST_EPOCH = (1 << 24) - 1  # of the longest run that a recipe can ask for
_OVERRIDES = "Sets a dotted key, e.g. train.epochs=5 or augment.blur=null."
_OTHER_DATA = "Other data than it was pretrained on, e.g. data.path=photos"
RecipeName = Annotated[str, typer.Argument(help="A YAML file, or the name of a shipped recipe (simclr recipes).")]
Overrides = Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help=_OVERRIDES)]
_ENCODER_FILE = (
    "An encoder.safetensors, or the run's folder; or features (N, dim) in a .npy or .npz, with data.labels=FILE."
)
EncoderFile = Annotated[Path, typer.Argument(help=_ENCODER_FILE)]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the newest run state in the folder.")]
ResumeFrom = Annotated[
    Path | None,
    typer.Option("--resume-from", metavar="STATE", help="Go back to this run state of the folder, and on from there."),
]
Changes = Annotated[
    list[str] | None, typer.Option("--change", metavar="KEY", help="On resume: this key may differ from the run's.")
]
DataOverrides = Annotated[list[str] | None, typer.Argument(metavar="data.KEY=VALUE", help=_OTHER_DATA)]


def at_most(limit: int) -> Callable[[int | None], int | None]:
    """A check of a number that nobody means to be larger; a range in the help would squeeze the descriptions."""

    def check(value: int | None) -> int | None:
        if value is not None and value > limit:
            raise typer.BadParameter(f"{value} is more than {limit}")
        return value

    return check


def recipe_to_run(recipe: str, overrides: Sequence[str] | None) -> "Recipe":
    """The recipe of a run, whose files and folders are there, and whose encoder and loss have names that are known.

    Raises:
        InputError: as `read_recipe`; or a file or folder that it names is missing, or no encoder or loss has the name.
    """
    from simclr.losses.registry import check_loss_name
    from simclr.models.registry import check_encoder_name
    from simclr.recipe.named_files import check_files
    from simclr.recipe.read import read_recipe

    checked = read_recipe(recipe, overrides or [])
    check_encoder_name(checked.encoder.name)
    check_loss_name(checked.loss.name)
    check_files(checked.data.named_files())
    return checked


def tuning_to_run(given: str, overrides: Sequence[str] | None) -> "TuningRecipe":
    """The recipe of a fine-tuning, of a recipe or of what to start from; checked as far as `recipe_to_run`.

    Raises:
        InputError: as `simclr.run.start.read_tuning`; or what it names is missing or not known.
    """
    from simclr.losses.objectives import check_objective
    from simclr.models.registry import check_encoder_name
    from simclr.recipe.named_files import check_files
    from simclr.run.start import read_tuning

    checked = read_tuning(given, overrides or [])
    check_encoder_name(checked.encoder.name)
    check_objective(checked.terms, target=checked.target is not None)
    check_files(checked.named_files())
    return checked


def check_subject(encoder: Path, overrides: Sequence[str] | None) -> None:
    """Refuse an encoder file that is not there, and data that its recipe, with changes, does not find.

    Whatever is wrong with a file that is there is said when it is loaded.

    Raises:
        InputError: no such file or another one, an override that does not fit, or a file or folder that is missing.
    """
    from safetensors import SafetensorError, safe_open

    from simclr.recipe.encoder_path import FEATURES, encoder_path
    from simclr.recipe.named_files import check_files
    from simclr.recipe.read import data_with, feature_files

    if encoder.suffix in FEATURES:
        check_files(feature_files(encoder, overrides or []).named_files())
        return
    file = encoder_path(encoder)
    try:
        with safe_open(file, framework="numpy") as content:
            data = json.loads((content.metadata() or {})["simclr"])["data"]
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError):
        return
    if isinstance(data, dict):
        check_files(data_with(data, overrides or []).named_files())


def output_path(text: str | None, kind: Literal["file", "folder"]) -> Path | None:
    """What ``--output`` says, if anything.

    Args:
        text: as typed.
        kind: what will be written there.

    Raises:
        InputError: nothing but spaces, or something else is in the way.
    """
    if text is None:
        return None
    if not text.strip():
        raise InputError(f"--output is {text!r}, which names no {kind}: give one, or leave --output out")
    from simclr.recipe.named_files import shortened, why_not

    path = Path(os.path.expanduser(text))
    for place in (path, *path.parents):
        reason = why_not(place, kind if place == path else "folder")
        if not reason:
            break
        if reason != "does not exist":
            which = "which" if place == path else f"but {shortened(place)}"
            raise InputError(f"--output is {shortened(path)}, {which} {reason}: give another {kind}")
    return path


# A table of its own: a column for the names that switch off would squeeze the other descriptions.
SWITCHES = "Switches"


def output_folder(file: str) -> Any:
    """The option ``--output`` of a command that leaves ``file`` in a folder."""
    return typer.Option(metavar="FOLDER", help=f"Folder for {file}; by default the encoder's.")


def shots_option(usual: str) -> Any:
    """The option ``--shots``, with what is usual in words."""
    return typer.Option(metavar="N,N", help=f"Labels per class, e.g. 5,20; {usual}.")


def probes_option(usual: str) -> Any:
    """The option ``--probes``, with those that are usual in words."""
    return typer.Option(
        metavar="PROBES", help=f"Such as ridge, logistic, sgd, knn or 'prototype cosine'; by default {usual}."
    )


SPLIT = typer.Option(
    metavar="KINDS", help="random, block (scenes), a split file, or maps TRAIN.mat[+TEST.mat]; several with commas."
)
LabelShares = Annotated[
    str | None, typer.Option(metavar="%,%", help="Shares of each class's labels besides, e.g. 1%,10%.")
]
Standardise = Annotated[
    bool,
    typer.Option(
        "--standardise/--no-standardise",
        help="Divide features by their standard deviation over the training samples, for linear probes.",
        rich_help_panel=SWITCHES,
    ),
]
Seeds = Annotated[
    int,
    typer.Option(
        metavar="N", min=1, callback=at_most(10_000), help="Number of random splits and of random-weights encoders."
    ),
]
Cache = Annotated[
    bool, typer.Option(help="Keep features in OUTPUT/features, for the next evaluation.", rich_help_panel=SWITCHES)
]
AllScores = Annotated[
    bool,
    typer.Option(
        "--all-scores",
        help="Print every metric, probe, score, threshold and difference.",
        rich_help_panel=SWITCHES,
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Replace a result that stands; else it gets another name.", rich_help_panel=SWITCHES
    ),
]
