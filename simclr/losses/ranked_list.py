"""Ranked list loss: all positives of a query inside a ball, all negatives outside of a larger one."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from simclr.augment.checks import number, probability
from simclr.losses.batch import Argument, whole_batch
from simclr.losses.distances import distances
from simclr.losses.term import Term


def ranked_list(
    embeddings: Tensor,
    labels: Tensor,
    *,
    boundary: float = 1.2,
    margin: float = 0.4,
    negative_temperature: float = 10.0,
    positive_temperature: float = 0.0,
    balance: float = 0.5,
    check: bool = True,
) -> Tensor:
    """Mean over queries of (1 − balance)·L_P + balance·L_N.

    L_P is the weighted mean of d − (boundary − margin) over positives beyond that distance, with weights
    exp(positive_temperature · [d − (boundary − margin)]); L_N is that of boundary − d over negatives nearer than the
    boundary, with weights exp(negative_temperature · [boundary − d]). Weights are constants: no gradient passes them.

    Args:
        embeddings: (batch, dim) of length 1, any float type; computed in float32 at least.
        labels: (batch,) integers ≥ 0.
        boundary: distance that negatives are to keep, 0 to 2.
        margin: between the two balls, 0 to ``boundary``.
        negative_temperature: the larger, the more the nearest negatives count; 0 counts them alike.
        positive_temperature: likewise for the farthest positives.
        balance: weight of negatives, 0 to 1.
        check: as of `simclr.losses.batch.whole_batch`.

    Raises:
        ValueError: as `simclr.losses.batch.whole_batch`; rows that are not of length 1.

    Source: Wang et al., "Ranked list loss for deep metric learning", CVPR 2019, section 3; weights of positives: its
        longer version, TPAMI 2021.
    """
    arguments = [
        Argument("boundary", boundary, partial(number, low=0.0, high=2.0)),
        Argument("margin", margin, partial(number, low=0.0, high=boundary)),
        Argument("negative_temperature", negative_temperature, partial(number, low=0.0)),
        Argument("positive_temperature", positive_temperature, partial(number, low=0.0)),
        Argument("balance", balance, probability),
    ]
    x, y = whole_batch(embeddings, labels, arguments, unit=True, check=check)
    d = distances(x, x)
    same = y[:, None] == y
    positive = same & ~torch.eye(len(x), dtype=torch.bool, device=x.device)
    of_positives = _weighted_mean(d - (boundary - margin), positive, positive_temperature)
    of_negatives = _weighted_mean(boundary - d, ~same, negative_temperature)
    return ((1 - balance) * of_positives + balance * of_negatives).mean()


def _weighted_mean(losses: Tensor, among: Tensor, temperature: float) -> Tensor:
    """Σ w·loss / Σ w of each row over those above 0 that are ``among``, w = exp(temperature · loss); 0 of none."""
    with torch.no_grad():
        # Relative to the row's largest, which leaves the weighted mean as it is and cannot overflow.
        scaled = (temperature * losses).masked_fill(~(among & (losses > 0)), -torch.inf)
        weights = scaled.softmax(1).nan_to_num(0.0)
    return (weights * losses).sum(1)


RANKED_LIST = Term("ranked list", ranked_list, unit=True)
