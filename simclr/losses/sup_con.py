"""SupCon, the supervised contrastive loss: `nt_xent` of a single view with labels."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from simclr.augment.checks import number
from simclr.losses.batch import Argument, all_labels, part_lengths, require_pairs
from simclr.losses.ntxent import LEAST_TEMPERATURE, MOST_TEMPERATURE, nt_xent
from simclr.losses.term import Term


def sup_con(embeddings: Tensor, labels: Tensor, *, temperature: float = 0.1, check: bool = True) -> Tensor:
    """`simclr.losses.ntxent.nt_xent` of embeddings whose positives are the others of their class.

    A sample that is alone in its class is a negative of the others and no query.

    Args:
        embeddings: (batch, dim), any float type; rows are normalised here.
        labels: (batch,) integers ≥ 0.
        temperature: divides the cosine similarities.
        check: as of `simclr.losses.batch.whole_batch`.

    Raises:
        ValueError: as `simclr.losses.batch.whole_batch` and `nt_xent`.

    Source: Khosla et al., "Supervised contrastive learning", NeurIPS 2020, eq. 2.
    """
    bounds = partial(number, low=LEAST_TEMPERATURE, high=MOST_TEMPERATURE)
    lengths = part_lengths(embeddings, labels, [Argument("temperature", temperature, bounds)], check=check)
    if check:
        require_pairs(all_labels(labels, lengths))
    return nt_xent(embeddings.unsqueeze(0), temperature, labels=labels, check=check)


SUP_CON = Term("SupCon", sup_con)
