import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from simclr.errors import InputError
from simclr.eval.splits.validation import SPLITS_OWN, columns_of, parts_of, validation_part


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.sampled_from([0.0, 0.1, 0.2, 0.5]), st.integers(0, 99))
def test_a_share_of_every_class_is_held_out_and_nothing_is_lost(y, share, seed):
    fit, held_out = validation_part(torch.tensor(y), share, seed)
    assert sorted([*fit.tolist(), *held_out.tolist()]) == list(range(len(y)))
    for c in set(y):
        n = y.count(c)
        expected = 0 if n < 4 or share == 0 else max(1, round(share * n))
        assert sum(y[i] == c for i in held_out.tolist()) == expected


def test_one_sample_of_a_class_stays_to_fit_on():
    fit, held_out = validation_part(torch.zeros(4, dtype=torch.int64), 0.9)
    assert (len(fit), len(held_out)) == (1, 3)


def test_the_seed_draws_the_part():
    y = torch.zeros(50, dtype=torch.int64)
    first, again, other = (validation_part(y, seed=s)[1].tolist() for s in (0, 0, 1))
    assert first == again != other


def test_the_splits_own_part_goes_before():
    y = torch.tensor([0, 1, 0, 1, 1])
    parts = parts_of(y, torch.tensor([1, 2]))
    assert (parts.fit.tolist(), parts.held_out.tolist(), parts.selected_on) == ([0, 3, 4], [1, 2], SPLITS_OWN)
    assert parts_of(y, None).selected_on == "20 % of the training samples of each class, held out"


def test_a_class_that_is_not_there_has_no_column():
    assert columns_of(torch.tensor([2, 5, 9]), torch.tensor([9, 2, 4, 11, 5])).tolist() == [2, 0, -1, -1, 1]


def test_bad_input_is_one_line():
    with pytest.raises(InputError, match=r"validation share is 1\.0"):
        validation_part(torch.zeros(9, dtype=torch.int64), 1.0)
    with pytest.raises(InputError, match="fewer than 2 classes are left"):
        parts_of(torch.tensor([0, 1, 1]), torch.tensor([0]))
    with pytest.raises(InputError, match="no sample of the validation part is of a class"):
        parts_of(torch.tensor([0, 1, 2]), torch.tensor([2]))
