"""What a verdict says: pays, does not, or that it cannot be told."""

import pytest

from simclr.train.verdict import Verdict, compared


@pytest.mark.parametrize(
    ("h", "error", "words"),
    [
        (0.56, 0.02, "pays, as far as can be told"),
        (0.53, 0.02, "may pay or not"),
        (0.47, 0.02, "may pay or not"),
        (0.44, 0.02, "does not pay"),
        (0.51, 0.0, "pays, as far as can be told"),
        (0.50, 0.0, "does not pay"),
    ],
)
def test_the_sentence_claims_no_more_than_the_error_allows(h, error, words):
    verdict = Verdict(h, 0.5, "pixels", error)
    assert str(verdict).startswith(f"this pretraining {words}")
    assert verdict.is_open == words.startswith("may")
    assert ("±" in str(verdict)) == (error > 0)


def test_the_best_baseline_counts():
    assert compared(0.4, {"pixels": 0.3, "the same network, untrained": 0.5}) == (
        0.4,
        0.5,
        "the same network, untrained",
        0.0,
    )
