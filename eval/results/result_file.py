"""Results as files: the one place where records become JSON and JSON becomes records."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from simclr.errors import InputError
from simclr.eval.results.record import Record, Result
from simclr.files import write_text

RESULT = "result.json"
FEW_SHOT = "few-shot.json"
_NEEDED = {"representation", "probe", "shots", "split", "metric", "mean", "sd", "per_seed"}


def read_result(path: str | Path) -> Result:
    """A result of ``simclr linear-eval`` or ``simclr few-shot``, of this version or an older one.

    Args:
        path: the JSON file, or a folder with a result.json.

    Raises:
        InputError: if it is missing, damaged or no result; in one line.
    """
    file = Path(path)
    file = file / RESULT if file.is_dir() else file
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        how = "few-shot" if file.name == FEW_SHOT else "linear-eval"
        raise InputError(f"there is no {file}: evaluate with simclr {how} first") from None
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        why = " ".join(str(error).split())[:100]
        raise InputError(f"{file} is damaged, no JSON ({why}): evaluate again") from None
    return as_result(content, file)


def files_alike(paths: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """The files that folders stand for, so that all are of one evaluation: result.json where every folder has it, else
    few-shot.json.

    Args:
        paths: result files, or folders.

    Returns:
        The files, and a line where every folder holds the other one, too.

    Raises:
        InputError: no evaluation is in all of the folders; says what is missing.
    """
    folders = [path for path in paths if path.is_dir()]
    there = [name for name in (RESULT, FEW_SHOT) if all((folder / name).is_file() for folder in folders)]
    if folders and not there:
        lacking = next((folder for folder in folders if not (folder / RESULT).is_file()), folders[0])
        has = f", only {FEW_SHOT}, which others lack" if (lacking / FEW_SHOT).is_file() else ""
        raise InputError(
            f"there is no {lacking / RESULT}{has}: evaluate all of them with simclr linear-eval, or all with few-shot"
        )
    files = [path / there[0] if path.is_dir() else path for path in paths]
    if len(there) < 2 or len(folders) < len(paths):
        return files, []
    others = " ".join(str(path / FEW_SHOT) for path in paths)
    return files, [f"{FEW_SHOT} is in all of them, too: simclr compare {others}"]


def as_result(content: object, file: str | Path = "the result") -> Result:
    """A result from what JSON holds, such as :func:`simclr.eval.linear_eval.linear_eval` returns.

    Args:
        content: the JSON.
        file: where it comes from, for the error.

    Raises:
        InputError: if it is no result; names the first key that is wrong.
    """
    again = "evaluate again"
    if not isinstance(content, dict):
        raise InputError(f"{file} is no result of this version: it holds no JSON object; {again}")
    for key, kind, what in (("rows", list, "list"), ("splits", list, "list"), ("source", dict, "object")):
        if not isinstance(content.get(key), kind):
            raise InputError(f"{file} is no result of this version: {key} is no {what}; {again}")
    rows = content["rows"]
    if not all(isinstance(row, dict) and row.keys() >= _NEEDED for row in rows):
        raise InputError(f"{file} is no result of this version: its rows need {', '.join(sorted(_NEEDED))}")
    try:
        return Result.model_validate(content)
    except (ValidationError, RecursionError) as error:
        if isinstance(error, RecursionError):
            raise InputError(f"{file} is no result of this version: it is nested too deep; {again}") from None
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{file} is no result of this version: {where}: {first['msg']}; {again}") from None


def as_json(record: Record) -> dict[str, Any]:
    """A record as JSON has it: what was set, in the order of the fields, lists for tuples."""
    return record.model_dump(mode="json", exclude_unset=True)


def write_result(record: Record, path: str | Path) -> None:
    """Writes a record as JSON, whole or not at all, in the order of its fields, one line for each entry of a list.

    Raises:
        ValueError: if a number is NaN or infinite, which JSON cannot hold.
    """
    # Halves of characters, as in names of files that are not UTF-8, are written as JSON escapes them.
    write_text(Path(path), text_of(record).encode("utf-8", "backslashreplace").decode("utf-8"))


def text_of(record: Record) -> str:
    """The JSON that `write_result` writes, with the same error."""
    parts = []
    for key, value in record.model_dump(exclude_unset=True).items():
        if isinstance(value, tuple) and value and isinstance(value[0], dict):
            text = "[\n    " + ",\n    ".join(_json(entry) for entry in value) + "\n  ]"
        else:
            text = _json(value)
        parts.append(f"  {_json(key)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _json(value: Any) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=False)
