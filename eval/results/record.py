"""What an evaluation found, as typed records: the fields are the keys of result.json and few-shot.json.

Everything reads attributes; ``simclr.eval.results.result_file`` alone turns records into JSON and back. A field that an
evaluation does not set is not written, and one that an old file lacks has its default.
"""

from __future__ import annotations

from pydantic import Field

from simclr.eval.results.objective_record import Objectives
from simclr.eval.results.row import Facts as Facts
from simclr.eval.results.row import PairedDifference
from simclr.eval.results.row import Record as Record
from simclr.eval.results.row import Row as Row
from simclr.eval.results.subject_record import EncoderRecord, Extraction, SourceRecord


class Difference(PairedDifference):
    """The pretrained encoder minus a baseline."""

    difference: str

    @property
    def baseline(self) -> str:
        """Name of the representation that is subtracted."""
        return self.difference.removeprefix("pretrained - ")


class Gap(Record):
    """By how much random splits promise more than block splits, seed by seed."""

    gap: str
    representation: str
    probe: str
    shots: int | None
    labels: float | None = None
    metric: str
    mean: float
    sd: float | None = None
    ci95: tuple[float, float] | None
    per_seed: tuple[float, ...]


class ClassRecall(Record):
    """Mean recall of each class over the seeds, by the class's name."""

    representation: str
    probe: str
    shots: int | None
    labels: float | None = None
    split: str
    recall: dict[str, float]


class Outcome(Record):
    """What one probe made of every test sample of one kind of split.

    Attributes:
        counts: row = true class, column = predicted class, added up over the splits; None for very many classes.
        correct: a text of ``simclr.eval.results.outcomes.pack`` for each split.
    """

    representation: str
    probe: str
    split: str
    shots: int | None
    labels: float | None = None
    counts: tuple[tuple[int, ...], ...] | None
    correct: tuple[str, ...]


class Interval(Record):
    """A mean with its 95 % interval."""

    mean: float
    sd: float | None
    ci95: tuple[float, float] | None


class EpisodeRow(Record):
    """Accuracy of nearest prototypes over N-way K-shot episodes, for each distance."""

    representation: str
    ways: int
    shots: int
    queries: int
    episodes: int
    seed: int = 0
    left_out: tuple[str, ...] = ()
    accuracy: dict[str, Interval]


class Leakage(Record):
    """Shares of a scene's test pixels inside and touching a training patch."""

    patch_size: int | None = None
    inside: float
    touching: float


class SplitRecord(Record):
    """A split in words and numbers.

    Attributes:
        split: its kind.
        rule: how it was drawn, in words.
        train, test, validation: samples of each part.
        train_per_class, test_per_class: the same for each class.
        left_out: names of classes that are in no part.
        dropped: samples that a rule or a map named and that are in no part, by reason.
        sha256_train, sha256_test, sha256_validation: of the ids of each part.
        file, sha256: what it was read from.
        leakage: of a scene.
        unknown: names of classes that no training sample is of, and test samples are.
    """

    split: str
    shots: int | None
    labels: float | None = None
    seed: int | None = None
    rule: str = ""
    train: int
    test: int
    validation: int = 0
    train_per_class: tuple[int, ...] = ()
    test_per_class: tuple[int, ...] = ()
    left_out: tuple[str, ...] = ()
    dropped: dict[str, int] = Field(default_factory=dict)
    sha256_train: str | None = None
    sha256_test: str | None = None
    sha256_validation: str | None = None
    file: str | None = None
    sha256: str | None = None
    leakage: Leakage | None = None
    unknown: tuple[str, ...] = ()


class FewerShots(Record):
    """Classes that give fewer training samples than asked for: name -> (least, most) over the seeds."""

    split: str
    shots: int
    classes: dict[str, tuple[int, int]]


class Skipped(Record):
    """What was left out, named by its probe or in words, and why."""

    probe: str | None = None
    what: str | None = None
    why: str


class Excluded(Record):
    """Samples that no split may use."""

    samples: int
    why: str


class PretrainingSaw(Record):
    """How many of the test samples, of all splits together, pretraining saw without their labels."""

    samples: int
    of: int


class Thresholds(Record):
    """How decisions about unknown classes were made.

    Attributes:
        rejected: the share of known samples that is meant to be rejected.
        tail: the share of held-out samples that a Weibull tail is fitted to.
        fitted_on: in words.
        left_out: by kind of split, what was left out together, and why. Older files left out single samples always.
    """

    rejected: float
    tail: float
    fitted_on: str
    left_out: dict[str, str] = Field(default_factory=dict)


class FineTuned(Record):
    """The seeds that were fine-tuned on."""

    seeds: tuple[int, ...]


class Result(Record):
    """All that ``simclr linear-eval`` or ``simclr few-shot`` found, and how.

    Attributes:
        protocol: a text that is the same for two results exactly where they were made in the same way.
        rows, paired, gaps, per_class, outcomes: of the known classes.
        episodes, open_set, objectives: of few-shot evaluation.
        headline: the probe that summaries are of.
        representation: what was judged, in words.
        selected_on: what choices were made on, in words.
        transductive: whether pretraining saw test samples without their labels; None = not known.
        pretraining_saw: how many of them, by their content; None where it is not known by that.
        interval: which intervals these are, in words.
        repeated_in_training_part: test samples that the training part holds too; None where it has no test part.
        damaged: names of samples that could not be read.
        baselines: what each was fitted on, in words.
        features: looks into the feature cache.
        probes: settings that are the same for every fit, by probe.
        versions: of python and packages.
        command: that wrote it.
        seconds: that it took.
    """

    protocol: str = ""
    rows: tuple[Row, ...]
    paired: tuple[Difference, ...] = ()
    gaps: tuple[Gap, ...] = ()
    per_class: tuple[ClassRecall, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    episodes: tuple[EpisodeRow, ...] = ()
    open_set: tuple[Row, ...] = ()
    objectives: Objectives | None = None
    headline: str = ""
    representation: str = ""
    selected_on: str = ""
    standardise: bool | None = None
    transductive: bool | None = None
    pretraining_saw: PretrainingSaw | None = None
    seeds: tuple[int, ...] = ()
    interval: str = ""
    skipped: tuple[Skipped, ...] = ()
    excluded: Excluded | None = None
    fewer_shots: tuple[FewerShots, ...] = ()
    repeated_in_training_part: int | None = None
    damaged: tuple[str, ...] = ()
    splits: tuple[SplitRecord, ...]
    baselines: dict[str, str] = Field(default_factory=dict)
    thresholds: Thresholds | None = None
    fine_tune: FineTuned | None = None
    features: tuple[Extraction, ...] = ()
    probes: dict[str, Facts] = Field(default_factory=dict)
    source: SourceRecord
    encoder: EncoderRecord
    versions: dict[str, str] = Field(default_factory=dict)
    command: str | None = None
    seconds: float | None = None
