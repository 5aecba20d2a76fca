"""Batches with equal points for the tests of objectives, and how a value is held against that of plain loops."""

import pytest
import torch
from hypothesis import assume
from hypothesis import strategies as st
from torch.nn.functional import normalize


@st.composite
def any_batch(draw, unit=False, pairs=1):
    """Embeddings (n, 3) in float64 that want a gradient, of length 1 where ``unit``, and labels (n,) of two classes at
    least, of which so many have a ``pair``."""
    n = draw(st.integers(3, 9))
    points = draw(st.lists(st.lists(st.integers(-2, 2), min_size=3, max_size=3), min_size=n, max_size=n))
    y = torch.tensor(draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    counts = y.bincount()
    assume((counts > 0).sum() > 1 and (counts > 1).sum() >= pairs)
    x = torch.tensor(points, dtype=torch.float64)
    if unit:
        x = normalize(x + torch.tensor([0.0, 0.0, 2.5]), dim=1)
    return x.requires_grad_(), y


def assert_same(found, expected, x):
    """Both values, and both gradients by ``x``."""
    assert found.item() == pytest.approx(expected.item(), rel=1e-9, abs=1e-12)
    (gradient,), (of_loops,) = torch.autograd.grad(found, x), torch.autograd.grad(expected, x)
    torch.testing.assert_close(gradient, of_loops, rtol=1e-8, atol=1e-10)
