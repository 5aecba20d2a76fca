from functools import partial

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from simclr.augment.checks import number
from simclr.losses.batch import Argument, place_in_class, require_pairs, whole_batch

X = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
Y = torch.tensor([0, 0, 1, 1])


def test_one_process_has_its_own_rows_in_float32_at_least():
    x = X.to(torch.bfloat16).requires_grad_()
    batch = whole_batch(x, Y.to(torch.int16))
    assert batch.embeddings.dtype == torch.float32
    assert batch.labels.dtype == torch.int64
    assert torch.equal(batch.embeddings, x.float())
    assert whole_batch(X.double(), Y).embeddings.dtype == torch.float64
    batch.embeddings.sum().backward()
    assert torch.equal(x.grad, torch.ones_like(x))


def test_the_place_of_a_row_within_its_class():
    labels = torch.tensor([5, 0, 5, 2, 0, 5, 0, 2])
    seen: dict[int, int] = {}
    expected = []
    for label in labels.tolist():
        expected.append(seen.get(label, 0))
        seen[label] = expected[-1] + 1
    assert place_in_class(labels).tolist() == expected
    assert place_in_class(labels[:0]).tolist() == []


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (None, Y, "embeddings are no float tensor"),
        (np.zeros((4, 3)), Y, "embeddings are no float tensor"),
        (X.long(), Y, "embeddings are no float tensor"),
        (X.to_sparse(), Y, "embeddings are sparse"),
        (X.to("meta"), Y, "embeddings are on the meta device"),
        (X[0], Y, r"embeddings have shape \(3,\), but must be \(batch, dim\)"),
        (X[:0], Y[:0], r"embeddings have shape \(0, 3\)"),
        (X, Y[:3], r"labels have the shape \(3,\), but embeddings have 4 rows"),
        (X, Y.float(), "labels are .* but must be integers"),
        (X, Y[:, None], "must be integers"),
        (X, [0, 0, 1, 1], r"labels are a list, but must be a tensor: torch.as_tensor\(labels\) makes one"),
        (X, Y.to("meta"), "labels are on meta, but embeddings are on cpu"),
        (X, Y - 1, "labels hold -1: leave out samples without a class"),
        (X * torch.nan, Y, "embeddings hold NaN or infinity: the encoder has diverged"),
        (X / 0, Y, "NaN or infinity"),
        (X, torch.arange(4), "no two samples of one class, and so no positives: draw batches of P classes"),
        (X, Y * 0, "a single class, and so has no negatives"),
    ],
)
def test_bad_batches_are_named(x, y, message):
    with pytest.raises(ValueError, match=message):
        whole_batch(x, y)


def test_rows_that_are_not_of_length_1_are_named():
    unit = normalize(X, dim=1)
    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
        whole_batch(normalize(unit.to(dtype), dim=1), Y, unit=True)
    bad = torch.stack([unit[0], 2 * unit[1], 0.5 * unit[2], unit[3]])
    with pytest.raises(ValueError, match=r"rows of length 0\.5 to 2, but must be of length 1"):
        whole_batch(bad, Y, unit=True)
    whole_batch(bad, Y)


def test_arguments_come_first_and_labels_have_a_bound():
    with pytest.raises(ValueError, match=r"^margin is -1, but must be a number of at least 0\.0$"):
        whole_batch(X, Y * 0, [Argument("margin", -1, partial(number, low=0.0))])
    with pytest.raises(ValueError, match="labels hold 1, but there are 1 classes"):
        whole_batch(X, Y, classes=1)


def test_without_checks_nothing_is_looked_at():
    assert whole_batch(X * torch.nan, Y * 0, unit=True, check=False).embeddings.isnan().all()


def test_what_pairs_need():
    require_pairs(torch.tensor([3, 3, 9]))
    with pytest.raises(ValueError, match="no positives"):
        require_pairs(torch.tensor([3, 4, 9]))
    with pytest.raises(ValueError, match="no negatives"):
        require_pairs(torch.tensor([3, 3]))
