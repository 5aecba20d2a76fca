"""Sources: how classes are numbered and called."""

import pytest
import torch

from simclr.data.source import TensorSource, number_classes
from simclr.errors import InputError


def images(n: int) -> torch.Tensor:
    return torch.zeros(n, 1, 2, 2)


def test_classes_without_names_are_called_by_their_numbers():
    source = TensorSource(images(5), torch.tensor([4, 20240101, -1, 4, 10**12]))
    assert source.class_names == ("4", "20240101", str(10**12))
    assert source.labels.tolist() == [0, 1, -1, 0, 2]
    dense = TensorSource(images(3), torch.tensor([2, 0, 1]))
    assert (dense.labels.tolist(), dense.class_names) == ([2, 0, 1], ("0", "1", "2"))
    named = TensorSource(images(3), torch.tensor([2, 0, -1]), class_names=["a", "b", "c"])
    assert (named.labels.tolist(), named.class_names) == ([2, 0, -1], ("a", "b", "c"))


def test_nothing_is_labelled():
    assert TensorSource(images(2), torch.tensor([-1, -1])).class_names == ()
    labels, names = number_classes(torch.empty(0, dtype=torch.int64))
    assert (labels.tolist(), names) == ([], ())


def test_labels_of_a_wrong_number_are_still_refused():
    with pytest.raises(InputError, match=r"3 samples, but labels of shape \(2,\)"):
        TensorSource(images(3), torch.tensor([5, 900]))
    with pytest.raises(InputError, match=r"labels from -2 to 1"):
        TensorSource(images(3), torch.tensor([-2, 7, 900]))


def test_a_part_with_fewer_classes_takes_the_numbers_of_the_whole():
    part = TensorSource(images(4), torch.tensor([70, -1, 30, 70]))
    whole = part.with_classes(["10", "30", "50", "70"])
    assert (whole.labels.tolist(), whole.class_names) == ([3, -1, 1, 3], ("10", "30", "50", "70"))
    assert part.labels.tolist() == [1, -1, 0, 1]
    with pytest.raises(InputError, match="has the class 30, which is not among 10, 70"):
        part.with_classes(["10", "70"])


def test_as_many_classes_as_samples():
    """A number for each sample, such as its file's, is a strange label, and must not take minutes to be counted."""
    n = 100_000
    whole = TensorSource(torch.zeros(n, 1, 1, 1), torch.arange(n) * 3 + 7)
    assert whole.labels.equal(torch.arange(n))
    part = TensorSource(torch.zeros(2, 1, 1, 1), torch.tensor([7, 3 * (n - 1) + 7]))
    assert part.with_classes(whole.class_names).labels.tolist() == [0, n - 1]
    with pytest.raises(InputError, match="two classes that are called b"):
        TensorSource(torch.zeros(2, 1, 1, 1), torch.tensor([0, 1]), class_names=["a", "b", "b"])
