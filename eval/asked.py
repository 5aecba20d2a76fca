"""Requests from the options of commands, as they are typed."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import TypedDict

from simclr.augment.checks import shown
from simclr.errors import InputError
from simclr.eval.probes.episodes import EPISODES
from simclr.eval.protocol import FewShotRequest, LinearRequest
from simclr.models.head import ProjectionHead


class Words(TypedDict, total=False):
    """Options that both commands take, as they are typed."""

    split: str | None
    shots: str | None
    labels: str | None
    seeds: int
    probes: str | None
    standardise: bool


class LinearWords(Words, total=False):
    """Options of ``simclr linear-eval``.

    ``split``, ``shots``, ``labels`` and ``probes`` are lists with commas; ``labels`` and ``validation`` hold shares
    such as ``10%``; ``seeds`` is their number.
    """

    validation: str | None
    supervised: bool | None
    all_penalties: bool


class FewShotWords(Words, total=False):
    """Options of ``simclr few-shot``, see :class:`LinearWords`; ``unknown`` lists names or numbers of classes."""

    ways: int | None
    queries: int | None
    episodes: int
    unknown: str | None
    unknown_classes: int
    conformal: bool
    fine_tune: bool | None
    batch_norm: str | None
    layer_decay: float | None
    steps: int | None
    objectives: str | None
    objective_steps: int | None
    objective_thresholds: bool


class _Common(TypedDict, total=False):
    splits: tuple[str, ...] | None
    shots: tuple[int, ...] | None
    shares: tuple[float, ...]
    probes: tuple[str, ...] | None
    standardise: bool


def few_shot_request(words: FewShotWords, unknown: Sequence[int], head: ProjectionHead | None = None) -> FewShotRequest:
    """From the options of ``simclr few-shot``.

    Args:
        words: as typed.
        unknown: labels of the unknown classes that are named there, or in the recipe.
        head: see :class:`FewShotRequest`.

    Raises:
        InputError: an option that cannot be read, or as in :class:`Request`.
    """
    given = {key: words.get(key) for key in ("batch_norm", "layer_decay", "steps")}
    tuning = {key: value for key, value in given.items() if value is not None}
    steps = words.get("objective_steps")
    return FewShotRequest(
        seeds=range(words.get("seeds", 10)),
        ways=words.get("ways"),
        queries=words.get("queries"),
        episodes=words.get("episodes", EPISODES),
        unknown=unknown,
        unknown_classes=words.get("unknown_classes", 0),
        conformal=words.get("conformal", False),
        fine_tune=words.get("fine_tune"),
        fine_tune_options=tuning,  # type: ignore[arg-type]
        head=head,
        objectives=_listed(words.get("objectives")) or (),
        objective_thresholds=words.get("objective_thresholds", True),
        objective_options={} if steps is None else {"steps": steps},
        **_common(words),
    )


def untrainable(words: FewShotWords, from_head: bool) -> list[str]:
    """Options of ``simclr few-shot`` that were given and are of no use where there is nothing to train."""
    asked: dict[str, bool] = {
        "--fine-tune": words.get("fine_tune") is True,
        "--from-head": from_head,
        "--batch-norm": words.get("batch_norm") is not None,
        "--layer-decay": words.get("layer_decay") is not None,
        "--steps": words.get("steps") is not None,
        "--objectives": words.get("objectives") is not None,
        "--objective-steps": words.get("objective_steps") is not None,
        "--no-thresholds": words.get("objective_thresholds") is False,
    }
    return [option for option, given in asked.items() if given]


def linear_request(words: LinearWords) -> LinearRequest:
    """From the options of ``simclr linear-eval``.

    Raises:
        InputError: an option that cannot be read, or as in :class:`Request`.
    """
    if (text := words.get("validation")) is not None and (not text.strip() or "," in text):
        raise InputError(f"--validation is {shown(text)}: give one share, such as 20%")
    (held_out,) = _shares_of(text, "--validation") or (0.0,)
    return LinearRequest(
        seeds=range(words.get("seeds", 5)),
        validation=held_out,
        supervised=words.get("supervised"),
        all_penalties=words.get("all_penalties", False),
        **_common(words),
    )


def _common(words: Words) -> _Common:
    return {
        "splits": _listed(words.get("split")),
        "shots": _shots_of(words.get("shots")),
        "shares": _shares_of(words.get("labels"), "--labels"),
        "probes": _listed(words.get("probes")),
        "standardise": words.get("standardise", True),
    }


def _listed(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(part.strip() for part in text.split(","))


def _shots_of(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < 1:
        raise InputError(f"--shots is {shown(text)}: give numbers of labels per class, such as 5,20")
    return numbers


def _shares_of(text: str | None, option: str) -> tuple[float, ...]:
    found = []
    for part in () if text is None else text.split(","):
        number, percent = part.strip().removesuffix("%"), part.strip().endswith("%")
        try:
            found.append(float(number) / (100 if percent else 1))
        except ValueError:
            found.append(0.0)
    if not all(0 < share <= 1 for share in found):
        raise InputError(f"{option} is {shown(text)}: give shares of each class's labels, such as 1%,10%")
    return tuple(found)
