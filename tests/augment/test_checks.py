"""What is advised is allowed."""

import re

import pytest

from augment.checks import interval


@pytest.mark.parametrize("pair", [(2.0, 1.0), (0.5, 0.1), (0.5, -1.0), (3.0, 0.0), (0.5, 0.0), (9.0, -9.0)])
def test_a_pair_that_runs_backwards_is_advised_the_other_way_round_only_where_that_is_allowed(pair):
    with pytest.raises(ValueError, match=r"^scale is") as caught:
        interval("scale", pair, 0.0, 1.0, open_low=True)
    advised = re.search(r"use \[(.*), (.*)\]", str(caught.value))
    assert bool(advised) == (min(pair) > 0 and max(pair) <= 1)
    if advised:
        assert interval("scale", [float(end) for end in advised.groups()], 0.0, 1.0, open_low=True) == pair[::-1]
