from itertools import permutations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simclr.train.match_clusters import match_clusters

COUNTS = st.integers(1, 5)


@settings(max_examples=30)
@given(st.integers(2, 12).flatmap(lambda k: st.tuples(st.permutations(range(k)), st.integers(0, 99))))
def test_clusters_that_only_changed_their_numbers_get_them_back(drawn):
    names, seed = drawn
    former = torch.randint(len(names), (100,), generator=torch.Generator().manual_seed(seed))
    # A few samples do change.
    moved = former.clone()
    moved[: len(names) // 4] = 0
    assert torch.equal(match_clusters(torch.tensor(names)[former], former, len(names)), former)
    few = match_clusters(torch.tensor(names)[moved], former, len(names))
    assert int((few != former).sum()) <= int((moved != former).sum())


@settings(max_examples=30)
@given(COUNTS.flatmap(lambda k: st.tuples(st.just(k), st.lists(st.tuples(*[st.integers(0, k - 1)] * 2), min_size=1))))
def test_no_other_names_keep_more_samples(drawn):
    count, rows = drawn
    found, former = torch.tensor(rows).T
    kept = max(int((torch.tensor(names)[found] == former).sum()) for names in permutations(range(count)))
    matched = match_clusters(found, former, count)
    assert int((matched == former).sum()) == kept
    assert len({(int(a), int(b)) for a, b in zip(found, matched)}) == len(found.unique()) == len(matched.unique())
