"""What was judged, as records: samples, encoder, and the features that were kept of them."""

from __future__ import annotations

from pydantic import Field

from simclr.eval.results.row import Facts, Record


class Extraction(Record):
    """One look into the feature cache."""

    file: str
    encoder: str = ""
    source: str = ""
    read: int = 0
    extracted: int = 0
    note: str | None = None


class SourceRecord(Record):
    """The samples: their number, those of a test part of its own, of each class, and the recipe's data section."""

    name: str | None = None
    samples: int | None = None
    test_part: int | None = None
    labelled: int | None = None
    classes: dict[str, int] = Field(default_factory=dict)
    data: Facts | None = None


class FineTunedOn(Record):
    """The labels that an encoder was fine-tuned on before it was judged: how many, by which rule, of which classes."""

    samples: int
    rule: str = ""
    classes: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


class EncoderRecord(Record):
    """Which encoder: where it lay, who made it, and its hash before and after, the proof that it was frozen."""

    feature_dim: int | None = None
    sha256_before: str | None = None
    sha256_after: str | None = None
    frozen: bool | None = None
    fine_tuned: FineTunedOn | None = None
    file: str | None = None
    created: str | None = None
    git: str | None = None
