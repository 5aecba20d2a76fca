"""Pretraining as a user starts it, on a file, in a process of its own; what was trained before is found again."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import NamedTuple

from benchmarks.quality.contenders import Contender
from benchmarks.quality.sets import Prepared
from simclr.encoder_file import read_metadata
from simclr.errors import InputError
from simclr.recipe.read import read_recipe

ROOT = Path(__file__).resolve().parents[2]
STAMP = "quality.json"


class Trained(NamedTuple):
    """A finished run.

    Attributes:
        folder: of the run.
        seconds: that it took, from the command to its end.
        verdict: of the run itself, without labels; None where it gives none.
        feature_dim: width of the representation.
    """

    folder: Path
    seconds: float
    verdict: float | None
    feature_dim: int


def recipe_digest(contender: Contender, prepared: Prepared, seed: int) -> str:
    """SHA-256 of all that a run depends on: the resolved recipe, the data, and the code that trains.

    Raises:
        InputError: if the recipe does not fit the data.
    """
    recipe = read_recipe(contender.recipe, _overrides(contender, prepared, seed)).model_dump(mode="json")
    recipe["data"]["path"] = None  # it lies where the user says
    code = code_digest("simclr", "augment")
    return hashlib.sha256(json.dumps([recipe, prepared.digest, code]).encode()).hexdigest()


@cache
def code_digest(*places: str) -> str:
    """SHA-256 of the Python files of this checkout in some folders, or of some files; not of the command line's."""
    digest = hashlib.sha256()
    for place in places:
        path = ROOT / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            name = file.relative_to(ROOT).as_posix()
            if not name.startswith("simclr/cli/"):
                digest.update(f"{name}\n".encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()


def train(contender: Contender, prepared: Prepared, seed: int, folder: Path) -> Trained:
    """Runs ``simclr pretrain``, unless the folder holds the very same run already.

    Args:
        contender: what is run.
        prepared: on which set.
        seed: of pretraining.
        folder: of the run.

    Raises:
        InputError: if the command fails, with its last line.
    """
    digest = recipe_digest(contender, prepared, seed)
    stamp = folder / STAMP
    if stamp.is_file():
        known = json.loads(stamp.read_text(encoding="utf-8"))
        if known["digest"] == digest:
            return _described(folder, known["seconds"])
    command = [sys.executable, "-m", "simclr", "pretrain", contender.recipe]
    command += [*_overrides(contender, prepared, seed), "--output", str(folder), "--overwrite"]
    stamp.unlink(missing_ok=True)
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    seconds = time.perf_counter() - started
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise InputError(f"{contender.name} on {prepared.name} failed: {''.join(last)}")
    stamp.write_text(json.dumps({"digest": digest, "seconds": round(seconds, 1)}), encoding="utf-8")
    return _described(folder, seconds)


def _described(folder: Path, seconds: float) -> Trained:
    metadata = read_metadata(folder)
    verdict = metadata.get("numbers", {}).get("verdict")
    return Trained(folder, seconds, None if verdict is None else float(verdict), metadata.feature_dim)


def _overrides(contender: Contender, prepared: Prepared, seed: int) -> list[str]:
    return [*contender.overrides, *prepared.overrides, f"data.name={prepared.name}", f"seed={seed}"]
