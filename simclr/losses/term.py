"""What an objective says of itself: how it is called, computed, which batches it wants, and what else it looks at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from torch import Tensor, nn

from simclr.losses.batch import Measured

Need = Literal["inputs", "unlabelled", "target"]


class Watched(NamedTuple):
    """Which layers inside the encoder a term looks at.

    Attributes:
        last: so many of the last stages before the embedding.
        modules: names of modules in the encoder, in place of these.
    """

    last: int = 0
    modules: tuple[str, ...] = ()


class Layer(NamedTuple):
    """What a layer of the network gave in one pass, of samples of two domains.

    Attributes:
        name: of a module in the encoder; ``embedding``; ``logits``.
        source: of the inputs, (b, dim).
        target: of the inputs without labels, (u, dim).
    """

    name: str
    source: Tensor
    target: Tensor


@dataclass(frozen=True)
class Seen:
    """What a term may look at beside embeddings and labels of this process's part of a batch.

    Attributes:
        inputs: what the encoder took, (b, C, H, W).
        encoder: what gave the embeddings.
        unlabelled: inputs without labels, (u, C, H, W), of the target if the recipe has one, else of the data itself;
            None where no term needs any.
        layers: for a term that needs ``target``: what layers gave, in the order of the network.
    """

    inputs: Tensor
    encoder: nn.Module
    unlabelled: Tensor | None = None
    layers: tuple[Layer, ...] = ()


@dataclass(frozen=True)
class Term:
    """An objective, alone or a term of a sum.

    Attributes:
        title: in tables.
        function: of embeddings (batch, dim) and labels (batch,), with arguments by keyword; or a class of modules whose
            ``forward`` is one, for what has a state: its first arguments are ``feature_dim`` and ``classes``; an
            argument ``seed`` is set to that of the run, and ``input_shape`` to (C, H, W) of the encoder's inputs.
        batches: what it has to find in a batch: ``any``; ``pairs``, two samples of some class and two classes.
        unit: whether embeddings have to have the length 1.
        needs: beside embeddings and labels: ``inputs`` gives it a `Seen` by the keyword ``seen``, ``unlabelled`` one
            that holds inputs without labels, too; ``target`` one with the layers of both, of a recipe that has a
            target: inputs and those without labels then go through the encoder together. A module's attribute
            ``watched``, a `Watched`, says which layers beside embedding and logits.
        alone: whether it tells classes apart by itself. One that does not is least where all embeddings are one point,
            and needs another that does beside it.
    """

    title: str
    function: Callable[..., Tensor | Measured] | type[nn.Module]
    batches: Literal["any", "pairs"] = "pairs"
    unit: bool = False
    needs: frozenset[Need] = frozenset()
    alone: bool = True
