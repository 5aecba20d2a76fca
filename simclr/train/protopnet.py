"""ProtoPNet: a class is told by what looks like places of training images of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from simclr.augment.addressed import permutation
from simclr.augment.checks import counted, integer, number
from simclr.errors import InputError
from simclr.losses.objectives import Objective, ObjectiveValue
from simclr.losses.prototype_costs import cluster_cost, separation_cost
from simclr.models.prototypes import Prototyped, similarity
from simclr.train.last_layer import solve_last_layer
from simclr.train.tuned import Learned, Tuned

_AT_ONCE = 256
_SCATTER = 2**21  # as an epoch, of a draw: one for each class


class ProtoPNet(Tuned):
    """A network of prototypes, in phases: new layers alone, then all, and every few epochs a push.

    A push replaces each prototype by the nearest place of a training image of its class, without augmentation; then
    the last layer, which gradients leave alone, is solved for (`simclr.train.last_layer`). Both happen once more after
    the last step, so that each prototype of the encoder file is a place of an image; the file gives similarities.

    Args:
        encoder: with a map, see `simclr.models.prototypes.Prototyped`.
        objective: ``softmax`` alone; its classifier is the last layer.
        classes: how many.
        per_class: prototypes of a class.
        dim: of a prototype.
        level: which of the encoder's maps, counted from the last.
        rest: epochs in which the encoder rests, and only what is new learns.
        push: epochs from one push to the next; there is none while the encoder rests.
        cluster, separation: weights of the two costs.

    Raises:
        ValueError: an argument out of its range.
        InputError: an encoder without a map, or another objective.

    Source: Chen et al., "This looks like that: deep learning for interpretable image recognition", NeurIPS 2019.
    """

    acts_between_epochs = True
    encoder: Prototyped
    epoch: Tensor
    seed: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        objective: Objective,
        *,
        classes: int,
        per_class: int = 10,
        dim: int = 64,
        level: int = 1,
        rest: int = 2,
        push: int = 5,
        cluster: float = 0.8,
        separation: float = 0.08,
    ) -> None:
        self.rest, self.push = integer("rest", rest, 0), integer("push", push, 1)
        self.costs = {"cluster": number("cluster", cluster, 0), "separation": number("separation", separation, 0)}
        classifier = objective.classifier
        if list(objective.weights) != ["softmax"] or classifier is None:
            given = " + ".join(objective.weights)
            raise InputError(
                f"system.name is protopnet, which has costs of its own, but objective is {given}: softmax alone"
            )
        try:
            prototyped = Prototyped(encoder, classes, per_class, dim, level)
        except InputError as error:  # by the names that a recipe has for them
            raise InputError(str(error).replace("prototypes: ", "system.options.", 1)) from error
        super().__init__(prototyped, objective)
        classifier.linear = prototyped.last
        self.register_buffer("epoch", torch.zeros((), dtype=torch.int64))
        self.register_buffer("seed", torch.randint(2**31, ()))
        self._notes: list[str] = []

    @property
    def architecture(self) -> dict[str, Any]:
        return {"prototypes": self.encoder.config}

    def forward(
        self, x: Tensor, labels: Tensor, ids: Tensor | None = None, unlabelled: Tensor | None = None
    ) -> tuple[Tensor, ObjectiveValue]:
        """Similarities (b, P), and cross entropy + cluster cost + separation cost."""
        squared = self.encoder.nearest(x)
        with torch.autocast(x.device.type, enabled=False):
            similarities = similarity(squared)
            entropy = self.objective(similarities, labels, check=False)
            costs = {
                "cluster": cluster_cost(squared, labels, self.encoder.class_of, check=False),
                "separation": separation_cost(squared, labels, self.encoder.class_of, check=False),
            }
            total = torch.stack([entropy.total, *(self.costs[name] * cost for name, cost in costs.items())]).sum()
        terms = entropy.terms | {name: cost.detach() for name, cost in costs.items()}
        return similarities, ObjectiveValue(total, terms, entropy.metrics)

    def begin_epoch(self, epoch: int, learned: Learned) -> None:
        self.epoch.fill_(epoch)
        if epoch == 0:
            with _at_rest(self.encoder):
                scatter(self.encoder, learned, int(self.seed))
                self._share()
            costs = " + ".join(f"{weight:g} {name}" for name, weight in self.costs.items())
            each = counted(self.encoder.config["per_class"], "prototype")
            phases = f"the encoder rests for {counted(self.rest, 'epoch')}, a push every {counted(self.push, 'epoch')}"
            self._notes.append(f"protopnet: {each} of each class, + {costs}; {phases}")
        if epoch > self.rest and epoch % self.push == 0:
            self._settle(epoch, learned)

    def finish(self, learned: Learned) -> None:
        self._settle(int(self.epoch) + 1, learned)

    def notes(self) -> list[str]:
        said, self._notes = self._notes, []
        return said

    def _settle(self, epochs: int, learned: Learned) -> None:
        """Push, and solve for the last layer; in every process what the first one found."""
        layer = self.encoder
        with _at_rest(layer), torch.no_grad():
            moved = push(layer, learned)
            similarities = torch.cat([layer(learned.inputs(ids)) for ids in learned.ids.split(_AT_ONCE)])
            labels = learned.targets[learned.ids]
            solved = solve_last_layer(similarities, labels, layer.own())
            layer.last.weight.copy_(solved.weight)
            self._share()
            right = (layer.logits(similarities).argmax(1) == labels).double().mean().item()
            others = layer.last.weight[~layer.own()]
        ended = "" if solved.converged else ", which the solver did not bring to its end"
        self._notes.append(
            f"after {counted(epochs, 'epoch')}, {layer.feature_dim} prototypes pushed by {moved:.3g} (mean squared "
            f"distance); last layer: {int((others != 0).sum())} of {others.numel()} weights for other classes, "
            f"{100 * right:.1f} % of the training images right{ended}"
        )

    def _share(self) -> None:
        """What the first process has found, in all of them."""
        layer = self.encoder
        if dist.is_available() and dist.is_initialized():
            for held in (layer.prototypes.data, layer.sample, layer.place, layer.last.weight.data):
                dist.broadcast(held, 0)

    def resting(self) -> Iterable[nn.Parameter]:
        return self.encoder.encoder.parameters() if int(self.epoch) < self.rest else ()

    def entries(self, classes: Sequence[str]) -> dict[str, Any]:
        """``prototypes``: of each one the class, the training image's id, and row and column in the map."""
        layer = self.encoder
        found = zip(layer.class_of.tolist(), layer.sample.tolist(), layer.place.tolist())
        return {"prototypes": [{"class": classes[c], "sample": i, "place": place} for c, i, place in found]}


@torch.no_grad()
def scatter(layer: Prototyped, learned: Learned, seed: int) -> None:
    """Put each prototype on a place of a training image of its class, at random; the paper begins with random vectors.

    What is far from all places learns slowly: on Fashion-MNIST, a frozen encoder, five epochs, this is worth 1 to 2
    points of accuracy.

    Args:
        layer: in eval mode; changed in place.
        learned: the training images.
        seed: of the draw.
    """
    for c in range(layer.config["classes"]):
        ids = learned.ids[learned.targets[learned.ids] == c]
        mine = (layer.class_of == c).nonzero()[:, 0]
        drawn = permutation(seed, _SCATTER + c, len(ids))[torch.arange(len(mine)) % len(ids)]
        places = layer.places(learned.inputs(ids[drawn.to(ids.device)])).flatten(2)
        at = permutation(seed, _SCATTER + c, places.shape[2])[torch.arange(len(mine)) % places.shape[2]]
        layer.prototypes[mine] = places[torch.arange(len(mine)), :, at].to(layer.prototypes.dtype)


@torch.no_grad()
def push(layer: Prototyped, learned: Learned) -> float:
    """Put each prototype on the nearest place of a training image of its class: of equally near ones, the first.

    Args:
        layer: in eval mode; changed in place, as is what it says of where its prototypes are from.
        learned: the training images.

    Returns:
        Mean squared distance by which prototypes were moved.
    """
    device = layer.prototypes.device
    best = torch.full((layer.feature_dim,), torch.inf, device=device)
    vectors = layer.prototypes.detach().clone()
    for ids in learned.ids.split(_AT_ONCE):
        places = layer.places(learned.inputs(ids))
        squared = layer.distances(places)
        other = learned.targets[ids][:, None] != layer.class_of
        near, at = squared.masked_fill(other[..., None, None], torch.inf).transpose(0, 1).flatten(1).min(1)
        better = near < best
        image, row, column = torch.unravel_index(at, (len(ids), *places.shape[2:]))
        best = torch.where(better, near, best)
        vectors = torch.where(better[:, None], places[image, :, row, column].to(vectors.dtype), vectors)
        layer.sample.copy_(torch.where(better, ids.to(device)[image], layer.sample))
        layer.place.copy_(torch.where(better[:, None], torch.stack([row, column], 1), layer.place))
    layer.prototypes.copy_(vectors)
    return best.mean().item()


@contextmanager
def _at_rest(module: nn.Module) -> Iterator[None]:
    """In eval mode for a while."""
    training = module.training
    try:
        yield module.train(False)  # type: ignore[misc]
    finally:
        module.train(training)
