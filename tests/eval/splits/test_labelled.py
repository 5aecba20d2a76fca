import pytest
import torch

from simclr.data import TensorSource
from simclr.errors import InputError
from simclr.eval.splits.labelled import LabelledData


def source(labels, first=0, names=("a", "b")):
    n = len(labels)
    images = (torch.arange(n) + first).view(n, 1, 1, 1).expand(n, 1, 2, 2).to(torch.uint8)
    return TensorSource(images, torch.tensor(labels), class_names=names)


def test_a_test_part_follows_the_training_part():
    data = LabelledData(source([0, -1, 1]), source([1, 0], first=100))
    assert data.labels.tolist() == [0, -1, 1, 1, 0]
    assert data.known().tolist() == [0, 2, 3, 4]
    assert len(data) == 5
    for ids, values in (([0, 2, 4], [0, 2, 101]), ([1], [1]), ([3, 4], [100, 101])):
        found = data.gather(torch.tensor(ids), lambda part, these: part[these][:, 0, 0, 0])
        assert found.tolist() == values


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((source([-1, -1]),), "no labelled sample"),
        ((source([0, 1]), source([-1])), "test part of tensor has no labelled"),
        ((source([0, 1]), source([0, 1], names=("b", "a"))), "same classes in the same order"),
        ((source([1, 1]),), "one class only"),
    ],
)
def test_bad_input_is_one_line(parts, message):
    with pytest.raises(InputError, match=message) as error:
        LabelledData(*parts)
    assert "\n" not in str(error.value)


def test_a_test_part_that_lacks_classes_is_numbered_as_the_training_part():
    data = LabelledData(
        TensorSource(torch.zeros(4, 1, 1, 1), torch.tensor([10, 30, 500, 30])),
        TensorSource(torch.zeros(3, 1, 1, 1), torch.tensor([500, -1, 10])),
    )
    assert data.labels.tolist() == [0, 1, 2, 1, 2, -1, 0]
    assert tuple(data.class_names) == ("10", "30", "500")
