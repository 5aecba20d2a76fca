"""Where an encoder lies that somebody names: a file, or the folder of a run; and what to say of anything else."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from simclr.errors import InputError
from simclr.recipe.named_files import shortened, why_not

NAME = "encoder.safetensors"
"""What a finished run calls it."""

FEATURES = (".npy", ".npz")
"""Files that hold features, where those may stand in an encoder's place."""

_RECIPES = (".yaml", ".yml")


def encoder_path(path: str | Path) -> Path:
    """The encoder file that is meant.

    Args:
        path: an encoder file, or the folder of a finished run.

    Raises:
        InputError: nothing is there, or something else: a recipe, a run that has not finished, other data.
    """
    given = Path(os.path.expanduser(path))
    file = given / NAME if not why_not(given, "folder") else given
    wrong = why_not(file, "file")
    if wrong == "does not exist":
        raise InputError(f"there is no encoder file {shortened(file)}{_instead(given)}")
    if wrong:
        raise InputError(f"no encoder can be read from {shortened(file)}, which {wrong}: {_ADVICE}")
    if file.suffix in _RECIPES:
        beside = "" if why_not(file.parent / NAME, "file") else f", which {shortened(file.parent)} is"
        raise InputError(f"{shortened(file)} is a recipe and no encoder: give the folder of a finished run{beside}")
    if file.suffix != Path(NAME).suffix and not _may_be_one(file):
        raise InputError(f"{shortened(file)} is no encoder file: {_ADVICE}")
    return file


def finished_runs(folder: Path) -> list[str]:
    """Names of the folders in a folder that hold an encoder, sorted; empty where there is no such folder."""
    try:
        return sorted(file.parent.name for file in folder.glob(f"*/{NAME}"))
    except OSError:
        return []


def like_it(path: Path) -> str:
    """A finished run beside a path that is not there, of a name much like its own; empty where there is none."""
    near = difflib.get_close_matches(path.name[:100], finished_runs(path.parent), n=1)
    return str(path.parent / near[0]) if near else ""


_ADVICE = "give the encoder.safetensors of a finished run, or its folder"


def _instead(given: Path) -> str:
    """How the complaint goes on about an encoder that is not there."""
    given = given.parent if given.name == NAME else given
    if not why_not(given, "folder"):
        recipe = given / "recipe.yaml"
        if not why_not(recipe, "file") and any((given / name).exists() for name in ("run.json", "checkpoints")):
            go_on = f"simclr {command_of(recipe)} {shortened(recipe)} --resume"
            return f", for the run there has not finished: go on with it by {go_on}"
        runs = finished_runs(given)
        return f": {_ADVICE}{f', such as {shortened(given / runs[0])}' if runs else ''}"
    shipped = Path(__file__).parent.parent / "recipes" / f"{given}.yaml"
    if given.name == str(given) and not why_not(shipped, "file"):
        run = Path("runs") / given
        there = not why_not(run / NAME, "file")
        to_do = f"give {run}" if there else f"pretrain with it (simclr pretrain {given}), and give the run's folder"
        return f", and {given} is a recipe: {to_do}"
    near = like_it(given)
    return f": {_ADVICE}{f'; did you mean {shortened(near)}?' if near else ''}"


def _may_be_one(file: Path) -> bool:
    """Whether it begins as safetensors do: eight bytes for the length of the header, which is JSON."""
    try:
        with file.open("rb") as opened:
            return opened.read(9)[8:] == b"{"
    except OSError:
        return True  # whoever reads it says what is wrong


def command_of(recipe: Path) -> str:
    """The command, ``pretrain`` or ``fine-tune``, that a run's resolved recipe is of."""
    try:
        lines = recipe.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    return "fine-tune" if any(line.startswith("objective:") for line in lines) else "pretrain"
