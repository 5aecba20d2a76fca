"""Learners by the words that ``--objectives`` takes: sums of objectives, and systems of other kinds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from simclr.augment.checks import shown
from simclr.errors import InputError
from simclr.eval.probes.learner import Learned, Learner
from simclr.eval.probes.tuned_objective import ObjectiveOptions, train_objective
from simclr.eval.splits.amounts import listed
from simclr.losses.objectives import OBJECTIVES, check_objective
from simclr.recipe.choice import PlainValue, no_such
from simclr.registry import Registry

LEARNERS: Registry[Callable[..., Learned]] = Registry(
    {
        "mdl4ow": "simclr.eval.probes.mdl4ow:learn",
        "mtgan": "simclr.eval.probes.mtgan:learn",
        "mtgan-frozen": "simclr.eval.probes.mtgan:learn_without_labels",
    }
)
"""Systems that are no objective: ``"name": "package.module:learn"``, see ``simclr.eval.probes.learner``."""

OWN_NETWORK = ("mtgan", "mtgan-frozen")
"""Of these, those with an encoder of their own, which begins at random weights."""

FROZEN = "frozen"
"""What stands in an objective's place where nothing was trained."""


def terms_of(word: str) -> dict[str, dict[str, PlainValue]]:
    """The terms that a word names: ``softmax+0.01*center`` -> ``{"softmax": {}, "center": {"weight": 0.01}}``.

    Raises:
        InputError: a name that no objective has, one that comes twice, a weight that is no number above 0, or a term
            that wants samples without labels, which no split gives.
    """
    terms: dict[str, dict[str, PlainValue]] = {}
    for part in word.split("+"):
        weight, star, name = part.strip().rpartition("*")
        name = name.strip()
        if name in LEARNERS:
            raise InputError(
                f"the objective {shown(word)} adds up {name}, which is a whole system: ask for it by itself."
            )
        if name not in OBJECTIVES:
            apart = [known for known, term in OBJECTIVES.items() if not {"unlabelled", "target"} & term.needs]
            raise no_such("objective", name, [*apart, *LEARNERS], "" if name == word else f"a term of {shown(word)}")
        if name in terms:
            raise InputError(f"the objective {shown(word)} names {name} twice: name each term once.")
        try:
            terms[name] = {"weight": float(weight)} if star else {}
        except ValueError:
            raise InputError(f"the objective {shown(word)} has the weight {weight.strip()!r}: give a number.") from None
        if star and not 0 < terms[name]["weight"] < float("inf"):  # type: ignore[operator]
            raise InputError(f"the objective {shown(word)} has the weight {weight.strip()}: give a number above 0.")
    if {"unlabelled", "target"} & {need for name in terms for need in OBJECTIVES[name].needs}:
        raise InputError(f"the objective {shown(word)} wants samples without labels: use it in simclr fine-tune.")
    if not any(OBJECTIVES[name].alone for name in terms):
        raise InputError(
            f"the objective {shown(word)} is least where all features are one point: add a term that tells classes "
            f"apart, such as softmax+{word}."
        )
    check_objective(terms, key=f"objective {word}")
    return terms


def check_learners(words: str | Sequence[str]) -> tuple[str, ...]:
    """The words without repetitions and blanks.

    Raises:
        InputError: one that names no learner.
    """
    asked = [words] if isinstance(words, str) else listed(words)
    if asked is None or not all(isinstance(word, str) for word in asked):
        raise InputError(f"objectives is {shown(words)}: give names, of {', '.join([*OBJECTIVES, *LEARNERS])}.")
    names = ["+".join(part.strip() for part in str(word).split("+")) for word in asked]
    for name in names:
        if name not in LEARNERS:
            terms_of(name)
    return tuple(dict.fromkeys(names))


def learner_of(word: str, options: ObjectiveOptions | None = None) -> Learner:
    """What trains by a word of :func:`check_learners`.

    Args:
        word: a name of ``LEARNERS``, or terms joined by +.
        options: settings of objectives to be other than usual.
    """
    if word in LEARNERS:
        return partial(LEARNERS[word], options=options) if options else LEARNERS[word]
    return partial(train_objective, terms=terms_of(word), options=options)
