"""What fine-tuning trains: an encoder, with its embedding layer if it has one, and an objective on top."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from simclr.data.cluster_order import Orders
from simclr.errors import InputError
from simclr.losses.objectives import Objective, ObjectiveValue
from simclr.losses.term import Layer, Need, Seen
from simclr.train.stages import run_watched


class Learned(NamedTuple):
    """The samples that a fine-tuning learns from, for what looks at all of them between epochs.

    Attributes:
        ids: of those with a label that counts, (n,) int64.
        targets: classes of all samples, (N,) int64; -1 where a label does not count.
        inputs: ids → inputs of the encoder without augmentation, on the device.
        epochs: of the run.
    """

    ids: Tensor
    targets: Tensor
    inputs: Callable[[Tensor], Tensor]
    epochs: int = 1


class Tuned(nn.Module):
    """x (b, C, H, W) and labels (b,) → embeddings (b, dim), and the objective of the global batch.

    One module, so that the gradients of both are averaged over processes and one run state holds them. A system of
    another kind (`simclr.train.systems`) is a class of its own on this one: it has another ``forward``, or acts between
    epochs. What it remembers are parameters and buffers.
    """

    acts_between_epochs = False
    """Whether ``begin_epoch`` and ``order_of`` have to be called."""

    def __init__(self, encoder: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.encoder = encoder
        self.objective = objective

    @property
    def needs(self) -> frozenset[Need]:
        """Beside labelled inputs, as of `simclr.losses.term.Term`."""
        return self.objective.needs

    def forward(
        self, x: Tensor, labels: Tensor, ids: Tensor | None = None, unlabelled: Tensor | None = None
    ) -> tuple[Tensor, ObjectiveValue]:
        """Embeddings and objective.

        Args:
            x: inputs of the encoder, (b, C, H, W).
            labels: their classes, (b,).
            ids: which samples they are, (b,).
            unlabelled: inputs without labels, (u, C, H, W), if it ``needs`` any.
        """
        e, layers = look_at_both(self, x, unlabelled) if "target" in self.objective.needs else (self.encoder(x), ())
        # Distances in half precision would be zero where it matters.
        with torch.autocast(x.device.type, enabled=False):
            rows = e.to(torch.promote_types(e.dtype, torch.float32))
            return e, self.objective(rows, labels, seen=Seen(x, self.encoder, unlabelled, layers), check=False)

    @property
    def architecture(self) -> dict[str, Any]:
        """What `simclr.models.encoder.build_encoder` takes for its encoder, beside what the recipe says of it."""
        return {}

    def begin_epoch(self, epoch: int, learned: Learned) -> None:
        """What happens before the first step of an epoch: in every process the same, of (state, epoch, data) alone."""

    def order_of(self, order: Orders) -> Orders:
        """Which samples the steps of this epoch take, given the usual order: as many steps, of batches of that size."""
        return order

    def notes(self) -> list[str]:
        """Lines for the user on what has happened between epochs, each given once; asked for after ``order_of``."""
        return []

    def resting(self) -> Iterable[nn.Parameter]:
        """Parameters that do not move in this step: asked for after ``backward``."""
        return ()

    def finish(self, learned: Learned) -> None:
        """What happens after the last step, before the encoder file is written; as `begin_epoch`."""

    def entries(self, classes: Sequence[str]) -> dict[str, Any]:
        """What the encoder file says of it beside the usual, as JSON; ``classes`` are names of the targets."""
        return {}


def look_at_both(model: Tuned, x: Tensor, unlabelled: Tensor | None) -> tuple[Tensor, tuple[Layer, ...]]:
    """Embeddings of labelled inputs, and what layers give of these and of the target's, in one pass.

    In one, so that batch normalisation has the statistics of both domains, as it will have after training.

    Args:
        model: its objective says which layers.
        x: of the source, (b, C, H, W).
        unlabelled: of the target, (u, C, H, W).

    Raises:
        ValueError: a layer that the encoder does not have, or that does not tell samples apart.
    """
    assert unlabelled is not None
    e, given = run_watched(model.encoder, model.objective.watched, torch.cat([x, unlabelled]))
    classifier = model.objective.classifier
    with torch.autocast(x.device.type, enabled=False):
        given["embedding"] = e.to(torch.promote_types(e.dtype, torch.float32))
        if classifier is not None:
            given["logits"] = classifier.logits(given["embedding"])
    sizes = [len(x), len(unlabelled)]
    return e[: len(x)], tuple(Layer(name, *rows.split(sizes)) for name, rows in given.items())


def try_objective(
    model: Tuned, labels: Tensor, input_shape: tuple[int, int, int], unlabelled: int | None = None
) -> None:
    """Whether its objective can be computed of batches as they will come: asked before a run begins.

    Args:
        model: it stays as it is.
        labels: of a first batch, (b,) int64; every process gives its part.
        input_shape: (C, H, W) of the encoder's inputs.
        unlabelled: how many inputs without labels this process has; as many as labels if None.

    Raises:
        InputError: an argument does not fit such batches.
    """
    width: int = model.encoder.feature_dim  # type: ignore[assignment]
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(len(labels), width, generator=generator).to(labels.device)
    x = torch.randn(len(labels), *input_shape, generator=generator).to(labels.device)
    u = x.roll(1, 0)[:unlabelled]
    tried = copy.deepcopy(model).eval()
    try:
        with torch.no_grad():
            layers = look_at_both(tried, x, u)[1] if "target" in model.objective.needs else ()
            tried.objective(rows, labels, seen=Seen(x, tried.encoder, u, layers))
    except ValueError as error:
        raise InputError(str(error)) from error
