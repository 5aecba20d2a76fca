import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from simclr.errors import InputError
from simclr.eval.probes.registry import PROBES
from simclr.eval.probes.score import score
from simclr.eval.results.outcomes import outcomes, pack, unpack
from simclr.eval.splits.split import k_shot


@given(st.lists(st.booleans(), min_size=1, max_size=70))
def test_packed_and_unpacked_again(correct):
    assert unpack(pack(torch.tensor(correct)), len(correct)).tolist() == correct


def test_the_bits_are_those_that_the_docstring_says():
    assert pack(torch.tensor([True, False, False, False, False, False, False, True, True])) == "gYA="  # 0x81 0x80


@pytest.mark.parametrize("text", ["no base64!", "gYA", None, "gYA=gYA="])
def test_a_damaged_text_is_named(text):
    with pytest.raises(InputError, match="evaluate again"):
        unpack(text, 9)


def test_counts_over_the_seeds_and_each_seeds_right_samples():
    g = torch.Generator().manual_seed(3)
    labels = torch.randint(0, 4, (200,), generator=g)
    features = torch.randn(200, 8, generator=g) + torch.nn.functional.one_hot(labels, 8)
    splits = [k_shot(labels, k, seed) for k in (3, 6) for seed in (0, 1)]
    table = outcomes("pretrained", score(features, labels, splits, ["ridge"]), 6)
    assert [entry.shots for entry in table] == [3, 6]
    for entry in table:
        expected = np.zeros((6, 6), dtype=int)
        mine = [s for s in splits if s.shots == entry.shots]
        for split, text in zip(mine, entry.correct, strict=True):
            found = PROBES["ridge"].fit(features[split.train], labels[split.train], features[split.test]).classes
            expected += confusion_matrix(labels[split.test], found, labels=range(6))
            assert unpack(text, len(split.test)).tolist() == (found == labels[split.test]).tolist()
        assert np.array(entry.counts).tolist() == expected.tolist()


def test_too_many_classes_are_not_counted():
    labels = torch.tensor([0, 0, 1, 1])
    found = score(torch.eye(4), labels, [k_shot(labels, 1, 0)], ["knn"])
    assert outcomes("pretrained", found, 257)[0].counts is None
