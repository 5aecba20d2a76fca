"""How far two sets of samples lie apart, as typed records: the fields are the keys of distance.json."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ConfigDict, Field, ValidationError

from simclr.errors import InputError
from simclr.eval.results.record import EncoderRecord, Record

DISTANCE, DISTANCE_PICTURE = "distance.json", "distance.png"


class _Finite(Record):
    model_config = ConfigDict(allow_inf_nan=False)


class Mmd(_Finite):
    """A two-sample test.

    Attributes:
        mmd: squared maximum mean discrepancy, without a bias: often below 0 where there is no difference.
        p: of the hypothesis that both sets are of one distribution; at least 1 / (permutations + 1).
        bandwidth: σ of the Gaussian kernel, the median distance of all samples of both sets.
        samples: of the first and the second set.
    """

    mmd: float
    p: float
    bandwidth: float
    samples: tuple[int, int]


class Measures(_Finite):
    """Measures of two sets of one size.

    Attributes:
        angles: principal angles between the subspaces of most variance, in degrees, ascending; none for one feature.
        angle_mean: their mean; None where there are none.
        grassmann: length of the shortest way between the subspaces, √Σθ² in radians; None where there are no angles.
        frechet: squared Fréchet distance of the Gaussians with the sets' means and covariances.
        frechet_share: the same over the most that it could be with these means and variances, from 0 to 1.
        information_mean, information_most: mutual information of a feature and the set that a sample is of, in nats:
            mean over the features, and of the feature that tells most. At most log 2.
    """

    angles: tuple[float, ...]
    angle_mean: float | None
    grassmann: float | None
    frechet: float
    frechet_share: float
    information_mean: float
    information_most: float


class Compared(Record):
    """Two sets: the test, and over the splits the mean of each measure and, of two or more, its standard deviation."""

    test: Mmd
    mean: Measures
    sd: Measures | None
    per_split: tuple[Measures, ...]


class SetDistance(Record):
    """Two sets under one representation, and what no difference looks like there.

    Attributes:
        representation: ``pretrained``, a baseline, or ``features`` that were given.
        seed: of random weights, else None.
        features: width of the representation.
        between: A against B.
        null: one random half of A against the other.
    """

    representation: str
    seed: int | None = None
    features: int
    between: Compared
    null: Compared


class SetRecord(Record):
    """One of the two sets.

    Attributes:
        name: as it was given, or what a program called it.
        samples: how many it holds.
        drawn: how many of them were looked at.
        seen: how many of these pretraining saw; None where that is not known, or there was no pretraining.
    """

    name: str
    samples: int
    drawn: int
    seen: int | None = None


class DistanceResult(Record):
    """All that ``simclr distance`` found.

    Attributes:
        protocol: of this version of the command.
        a, b: the sets.
        same: how many samples of B are samples of A, by their content; None where that is not known.
        identical: whether A and B hold the very same samples.
        compared: samples of each set that angles, Fréchet distance and mutual information are of.
        angles: dimensions of the subspaces that were asked for.
        permutations: of each test.
        splits: how often A was split in two at random.
        seed: of whatever was drawn.
        rows: one for each representation.
        notes: what deserves a look, in sentences.
        encoder: that the sets were seen by; None for features that were given.
    """

    protocol: str
    a: SetRecord
    b: SetRecord
    same: int | None
    identical: bool = False
    compared: int
    angles: int
    permutations: int
    splits: int
    seed: int
    rows: tuple[SetDistance, ...]
    notes: tuple[str, ...] = ()
    encoder: EncoderRecord | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    command: str | None = None
    seconds: float | None = None


def read_distance(file: Path) -> DistanceResult:
    """A result of ``simclr distance``.

    Raises:
        InputError: if it is damaged or no such result; in one line.
    """
    try:
        return DistanceResult.model_validate(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, RecursionError) as error:
        why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else " ".join(str(error).split())[:100]
        raise InputError(f"{file} is damaged, no result of simclr distance ({why}): measure again") from None
