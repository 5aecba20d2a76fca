import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simclr.eval.probes.choice import ENOUGH, best_of

FITS = st.lists(st.tuples(st.integers(0, 3), st.floats(0, 0.1)), min_size=1, max_size=12)


def chosen(fits):
    """By sorting: most right, least loss above what is enough, first."""
    return min(range(len(fits)), key=lambda i: (-fits[i][0], max(fits[i][1], ENOUGH), i))


def best(fits):
    right, loss = zip(*fits)
    return best_of(torch.tensor(right), torch.tensor(loss, dtype=torch.float64))


@settings(max_examples=40, deadline=None)
@given(FITS)
def test_the_choice_is_by_accuracy_then_by_loss_then_by_place(fits):
    assert best(fits) == chosen(fits)


@settings(max_examples=40, deadline=None)
@given(FITS, FITS)
def test_nothing_that_follows_beats_what_misses_nothing_at_a_loss_that_is_enough(fits, more):
    right, loss = fits[best(fits)]
    if right == 3 and loss <= ENOUGH:
        assert best(fits + more) == best(fits)


def test_a_loss_that_is_no_number_is_the_worst():
    assert best([(2, float("nan")), (2, 5.0), (1, 0.0)]) == 1
    assert best([(1, 0.0), (2, float("nan"))]) == 1
