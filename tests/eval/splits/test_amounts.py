import pytest
import torch

from simclr.data.source import TensorSource
from simclr.errors import InputError
from simclr.eval.splits.amounts import check_amounts
from simclr.eval.splits.labelled import LabelledData
from simclr.eval.splits.split import given

NONE = torch.empty(0, dtype=torch.int64)


def data(*sizes):
    labels = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    names = [f"class {c}" for c in range(len(sizes))]
    return LabelledData(TensorSource(torch.zeros(len(labels), 1, 1, 1), labels, class_names=names))


@pytest.mark.parametrize(
    ("shots", "shares", "message"),
    [
        ((6,), (), "the largest, class 1, has 11: give 5 or fewer"),
        ((0,), (), "shots is 0"),
        ((2, 2), (), "shots names 2 more than once"),
        ((), (0.1, 0.1), "labels names 0.1 more than once"),
        ((), (1.0,), "100 % of the labels leaves none"),
        ((), (-0.5,), "-0.5 is no share"),
    ],
)
def test_amounts_that_make_no_sense_are_refused(shots, shares, message):
    with pytest.raises(InputError, match=message) as error:
        check_amounts(data(4, 11), ("random",), shots, shares, NONE)
    assert "\n" not in str(error.value)


def test_what_some_class_can_give_is_taken():
    check_amounts(data(4, 11), ("random", "block"), (1, 5), (0.1,), NONE)
    # A file knows by itself what it holds, and so does a split.
    check_amounts(data(4, 11), ("mine.json", given([0], [4])), (100,), (), NONE)


def test_excluded_samples_do_not_count():
    with pytest.raises(InputError, match="class 1, has 7: give 3 or fewer"):
        check_amounts(data(4, 11), ("random",), (4,), (), torch.tensor([4, 5, 6, 7]))


def test_no_amount_is_advised_where_none_is_possible():
    with pytest.raises(InputError, match=r"class 0, has 1: label more samples\.$"):
        check_amounts(data(1, 1), ("random",), (1,), (), NONE)
