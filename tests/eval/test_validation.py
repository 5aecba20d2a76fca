import torch
from hypothesis import given
from hypothesis import strategies as st

from eval.validation import validation_part


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.sampled_from([0.1, 0.2, 0.5]), st.integers(0, 99))
def test_a_share_of_every_class_is_held_out_and_nothing_is_lost(y, share, seed):
    fit, held_out = validation_part(torch.tensor(y), share, seed)
    assert sorted([*fit.tolist(), *held_out.tolist()]) == list(range(len(y)))
    for c in set(y):
        n = y.count(c)
        assert sum(y[i] == c for i in held_out.tolist()) == min(round(share * n), n - 1)


def test_the_seed_draws_the_part():
    y = torch.zeros(50, dtype=torch.int64)
    first, again, other = (validation_part(y, seed=s)[1].tolist() for s in (0, 0, 1))
    assert first == again != other
