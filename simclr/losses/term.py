"""What an objective says of itself: how it is called, computed, and which batches it wants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from simclr.losses.batch import Measured


@dataclass(frozen=True)
class Term:
    """An objective, alone or a term of a sum.

    Attributes:
        title: in tables.
        function: of embeddings (batch, dim) and labels (batch,), with arguments by keyword; or a class of modules whose
            ``forward`` is one, for what has a state: its first arguments are ``feature_dim`` and ``classes``.
        batches: what it has to find in a batch: ``any``; ``pairs``, two samples of some class and two classes.
        unit: whether embeddings have to have the length 1.
        alone: whether it tells classes apart by itself. One that does not is least where all embeddings are one point,
            and needs another that does beside it.
    """

    title: str
    function: Callable[..., Tensor | Measured] | type[nn.Module]
    batches: Literal["any", "pairs"] = "pairs"
    unit: bool = False
    alone: bool = True
