"""Angular loss: the angle at the negative, in the triangle of a triplet, has to stay below a bound."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

from simclr.augment.checks import number
from simclr.losses.batch import Argument, whole_batch
from simclr.losses.distances import products
from simclr.losses.term import Term

MOST_DEGREES = 75.0  # exp(10·tan²) stays a float64


def angular(embeddings: Tensor, labels: Tensor, *, degrees: float = 40.0, check: bool = True) -> Tensor:
    """Mean over all pairs (a, p) of one class of log(1 + Σ_n exp(4t²·(a + p)·n − 2(1 + t²)·a·p)), t = tan(degrees).

    The sum is over all samples n of other classes. With exp(4t²·a·n) as a matrix E, it is a product of E with itself:
    the triplets are never built.

    Args:
        embeddings: (batch, dim) of length 1, any float type; computed in float64 where a device has it.
        labels: (batch,) integers ≥ 0.
        degrees: the bound on the angle, above 0 and at most 75.
        check: as of `simclr.losses.batch.whole_batch`.

    Raises:
        ValueError: as `simclr.losses.batch.whole_batch`; rows that are not of length 1.

    Source: Wang et al., "Deep metric learning with angular loss", ICCV 2017, section 3, over all pairs in place
        of one of each class.
    """
    arguments = [Argument("degrees", degrees, partial(number, low=1.0, high=MOST_DEGREES))]
    x, y = whole_batch(embeddings, labels, arguments, unit=True, check=check)
    t2 = math.tan(math.radians(degrees)) ** 2
    cosine = products(x, x)
    same = y[:, None] == y
    with torch.autocast(x.device.type, enabled=False):
        to_negatives = (4 * t2 * cosine).exp().masked_fill(same, 0.0)
        total = to_negatives @ to_negatives.T  # of two of one class: over the negatives of both
        losses = (total * (-2 * (1 + t2) * cosine).exp()).log1p()
    pairs = same & ~torch.eye(len(x), dtype=torch.bool, device=x.device)
    return ((losses * pairs).sum() / pairs.sum().clamp_min(1)).to(x.dtype)


ANGULAR = Term("angular", angular, unit=True)
