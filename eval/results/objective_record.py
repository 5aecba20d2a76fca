"""What a comparison of objectives found, as typed records: the part ``objectives`` of few-shot.json."""

from __future__ import annotations

from simclr.eval.results.row import Facts, PairedDifference, Record, Row


class ObjectiveRow(Row):
    """One measurement of an objective that trained a copy of the encoder on the training part of each split.

    Attributes:
        objective: its word, such as ``softmax+0.01*center``; ``frozen`` where nothing was trained.
        representation: what was trained: ``pretrained`` or ``random``; of ``frozen`` any representation.
    """

    objective: str


class ObjectiveDifference(PairedDifference):
    """One objective minus another, or one start minus the other.

    Attributes:
        objective, representation: of what is subtracted from, as in :class:`ObjectiveRow`.
        minus_objective, minus_representation, minus_probe: of what is subtracted.
    """

    objective: str
    representation: str
    minus_objective: str
    minus_representation: str
    minus_probe: str


class Objectives(Record):
    """What objectives on the few labels of each split are worth, from the pretrained encoder and from random weights.

    Attributes:
        scores: by objective, the score that stands for it; fixed before anything was measured.
        threshold: kind of threshold of the decisions.
        probe: of the closed set.
        cross_fitted: parts of the training samples, each scored, for thresholds, by an encoder that was trained on the
            others; 0 without decisions.
        settings: how it was trained, by objective and start.
        rows: measurements; of splits with unknown classes where the result has any.
        differences: of the scores that stand for the objectives.
    """

    scores: dict[str, str]
    threshold: str
    probe: str
    cross_fitted: int
    settings: dict[str, dict[str, Facts]]
    rows: tuple[ObjectiveRow, ...]
    differences: tuple[ObjectiveDifference, ...]
