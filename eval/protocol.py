"""What is asked of an evaluation, checked once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from numbers import Integral, Real
from typing import ClassVar

from simclr.augment.checks import shown
from simclr.errors import InputError
from simclr.eval.probes.episodes import EPISODES
from simclr.eval.probes.learners import check_learners
from simclr.eval.probes.registry import DEFAULT_PROBES, FEW_SHOT_HEADLINE, FEW_SHOT_PROBES, HEADLINE, check_probes
from simclr.eval.probes.tuned_classifier import FineTuning, FineTuningOptions
from simclr.eval.probes.tuned_objective import ObjectiveOptions, ObjectiveTuning
from simclr.eval.splits.amounts import check_options, check_share, check_switch, listed, whole_numbers
from simclr.eval.splits.open_split import SHOTS
from simclr.eval.splits.split import Split
from simclr.models.head import ProjectionHead

MOST = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Request:
    """What every evaluation is asked for.

    Attributes:
        splits: words of ``eval.splits.draw.draw_splits``: ``random``, ``block``, files, or splits; None is what suits
            the data.
        shots: numbers of labels a class; None is what suits the data.
        shares: shares of each class's labels, such as 0.01 and 0.1.
        seeds: of splits and random initialisations, each once.
        probes: names of ``simclr.eval.probes.registry.PROBES``; None is what the evaluation takes by default.
        standardise: whether linear probes divide features by their standard deviation over the training samples.

    Raises:
        InputError: seeds or shots that are no whole numbers, no seed, or an unknown probe.
    """

    splits: Sequence[str | Split] | None = None
    shots: Sequence[int] | None = None
    shares: Sequence[float] = ()
    seeds: Sequence[int] = (0, 1, 2, 3, 4)
    probes: Sequence[str] | None = None
    standardise: bool = True

    usual_probes: ClassVar[tuple[str, ...]] = DEFAULT_PROBES
    usual_headline: ClassVar[str] = HEADLINE

    def __post_init__(self) -> None:
        self._set("seeds", tuple(dict.fromkeys(whole_numbers("seeds", self.seeds))))
        self._set("shots", None if self.shots is None else whole_numbers("shots", self.shots))
        self._set("shares", _numbers("shares", self.shares))
        check_switch("standardise", self.standardise, unset=False)
        if isinstance(self.splits, str | Split):
            self._set("splits", (self.splits,))
        given = [] if self.splits is None else listed(self.splits)
        if given is None or not all(isinstance(kind, str | Split) for kind in given):
            raise InputError(f"splits is {shown(self.splits)}: give random, block, files or Splits, in a list.")
        if self.splits is not None and not given:
            raise InputError("no split is given: write random, block or a file.")
        self._check()
        self._set("probes", check_probes(self.usual_probes if self.probes is None else self.probes))

    @property
    def names(self) -> tuple[str, ...]:
        """The probes."""
        return tuple(self.probes or ())

    @property
    def headline(self) -> str:
        """The probe that summaries are of: the usual one, if it runs."""
        return self.usual_headline if self.usual_headline in self.names else self.names[0]

    def _check(self) -> None:
        if not self.seeds:
            raise InputError("seeds is empty: give at least one, such as 0.")

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


@dataclass(frozen=True, kw_only=True)
class LinearRequest(Request):
    """What linear evaluation is asked for, see :class:`Request`.

    Attributes:
        validation: share of each class's training samples that probes choose on, in splits without a validation part;
            0 leaves the choice to leave-one-out and to the probes' own held-out samples.
        supervised: whether to train from scratch; None does where that is quick.
        all_penalties: whether the logistic probe tries every penalty, also where weaker ones promise nothing.
    """

    validation: float = 0.0
    supervised: bool | None = None
    all_penalties: bool = False

    def _check(self) -> None:
        super()._check()
        self._set("validation", check_share("validation", self.validation))
        check_switch("supervised", self.supervised)
        check_switch("all_penalties", self.all_penalties, unset=False)


@dataclass(frozen=True, kw_only=True)
class FewShotRequest(Request):
    """What few-shot evaluation is asked for, see :class:`Request`.

    Attributes:
        splits: None is ``random``.
        shots: the points of the label-efficiency curve; None is ``SHOTS``, and the whole training part of a file.
        ways, queries, episodes: of the episodes, see ``eval.probes.episodes``; None is ``WAYS`` (or the number of
            classes, if smaller) and ``QUERIES``; 0 episodes leaves them out.
        unknown: labels of unknown classes, the same for every seed; they take no part in the closed-set rows.
        unknown_classes: so many classes are drawn anew for each seed and left out; not together with ``unknown``.
        conformal: decide about unknown classes by conformal p values, too, which scores all test samples several times.
        fine_tune: train end to end, from the encoder and from random weights (``supervised``); None does for a scene,
            where it takes seconds.
        fine_tune_seeds: the first so many of the seeds.
        fine_tune_options: settings of ``FineTuning`` (``simclr.eval.probes.tuned_classifier``) to be changed.
        head: fine-tune from the first layer of this projection head instead of h.
        objectives: words of ``simclr.eval.probes.learners``: train under each on every split, from the encoder and from
            random weights.
        objective_thresholds: train on parts of the training samples, too, for decisions about unknown classes: three
            times the work.
        objective_options: settings of ``ObjectiveTuning`` (``simclr.eval.probes.tuned_objective``) to be changed.
    """

    seeds: Sequence[int] = tuple(range(10))
    ways: int | None = None
    queries: int | None = None
    episodes: int = EPISODES
    unknown: Sequence[int] = ()
    unknown_classes: int = 0
    conformal: bool = False
    fine_tune: bool | None = None
    fine_tune_seeds: int = 3
    fine_tune_options: FineTuningOptions = field(default_factory=FineTuningOptions)
    head: ProjectionHead | None = None
    objectives: Sequence[str] = ()
    objective_thresholds: bool = True
    objective_options: ObjectiveOptions = field(default_factory=ObjectiveOptions)

    usual_probes: ClassVar[tuple[str, ...]] = FEW_SHOT_PROBES
    usual_headline: ClassVar[str] = FEW_SHOT_HEADLINE

    @property
    def few(self) -> tuple[int, ...]:
        """Labels a class, the usual ones where none are asked for."""
        return SHOTS if self.shots is None else tuple(self.shots)

    @property
    def kinds(self) -> tuple[str | Split, ...]:
        """Kinds of split."""
        return ("random",) if self.splits is None else tuple(self.splits)

    @property
    def tuned_seeds(self) -> tuple[int, ...]:
        """Those that are fine-tuned on."""
        return tuple(self.seeds[: self.fine_tune_seeds])

    def tuned_on(self, splits: Sequence[Split]) -> list[Split]:
        """Those of the splits that are fine-tuned on."""
        return [split for split in splits if split.seed is None or split.seed in self.tuned_seeds]

    def _check(self) -> None:
        if not self.seeds or not (self.few or self.shares):
            raise InputError("seeds or shots are empty: give at least one of each.")
        self._set("unknown", whole_numbers("unknown", self.unknown))
        check_switch("fine_tune", self.fine_tune)
        self._set("objectives", check_learners(self.objectives))
        check_switch("objective_thresholds", self.objective_thresholds, unset=False)
        check_switch("conformal", self.conformal, unset=False)
        if self.head is not None and not isinstance(self.head, ProjectionHead):
            raise InputError(
                f"head is {shown(self.head)}: give the projection head of simclr.encoder_file.load_head, or None."
            )
        check_options("fine_tune_options", self.fine_tune_options, asdict(FineTuning()))
        check_options("objective_options", self.objective_options, asdict(ObjectiveTuning()))
        least = {"ways": 2, "queries": 1, "episodes": 0, "unknown_classes": 0, "fine_tune_seeds": 0}
        for name, fewest in least.items():
            value = getattr(self, name)
            if value is None and name in ("ways", "queries"):
                continue
            if not isinstance(value, Integral) or not fewest <= int(value) <= MOST:
                raise InputError(f"{name} is {shown(value)}: give a whole number, {fewest} or more (up to {MOST:,}).")


def _numbers(name: str, values: object) -> tuple[float, ...]:
    found = listed(values)
    numbers = [float(value) for value in found or () if isinstance(value, Real)]
    if found is None or len(numbers) < len(found):
        raise InputError(f"{name} is {shown(values)}: give a list of numbers, such as [0.01, 0.1].")
    return tuple(numbers)
