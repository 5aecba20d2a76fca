"""What a verdict says: pays, does not, or that it cannot be told."""

import pytest
import scipy.stats
import torch

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
    h, worse, better = torch.tensor([0.2, 0.6]), torch.tensor([0.3, 0.3]), torch.tensor([0.4, 0.6])
    verdict = compared(h, {"pixels": worse, "the same network, untrained": better})
    assert verdict[:3] == (pytest.approx(0.4), pytest.approx(0.5), "the same network, untrained")
    # The differences are -0.2 and 0: a spread of 0.1 * sqrt(2), over sqrt(2).
    assert verdict.error == pytest.approx(0.1)


def test_samples_of_a_group_count_as_one():
    generator = torch.Generator().manual_seed(0)
    of_group = torch.rand(50, generator=generator)
    h = of_group.repeat_interleave(7)
    alone = compared(of_group, {"pixels": torch.zeros(50)})
    together = compared(h, {"pixels": torch.zeros(350)}, torch.arange(350) // 7)
    assert (together.h, together.best) == pytest.approx((alone.h, alone.best))
    assert together.error == pytest.approx(alone.error, rel=1e-5)
    assert alone.error == pytest.approx(scipy.stats.sem(of_group.numpy()), rel=1e-5)
    assert compared(h, {"pixels": torch.zeros(350)}).error < 0.4 * alone.error
