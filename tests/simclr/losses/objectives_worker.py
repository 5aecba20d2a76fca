"""Run by test_objectives_processes.py in each process: what objectives give of a batch that the processes share."""

import sys

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from simclr.losses.contrastive import contrastive_pairs
from simclr.losses.mmd import FACTORS, kernel_weights, mmd
from simclr.losses.objectives import build_objective
from simclr.losses.prototype_costs import cluster_cost, separation_cost
from simclr.losses.term import Seen
from simclr.losses.triplet import triplets_given
from simclr.models.skip_generator import SkipGenerator
from simclr.train.tuned import Tuned, look_at_both

OBJECTIVES = {
    "softmax": {},
    "hinge": {"squared": True},
    "center": {},
    "contrastive": {},
    "triplet": {"margin": 0.5},
    "triplet hard": {"mining": "hard", "soft": True},
    "triplet semi-hard": {"mining": "semi-hard", "squared": True},
    "n-pair": {"l2": 0.01},
    "angular": {},
    "ranked-list": {},
    "margin": {"per_class": True, "nu": 0.01},
    "prototypical": {"shots": 2},
    "sup-con": {"temperature": 0.2},
}
CLASSES, DIM = 6, 5
PARTS = {1: {"even": [24], "uneven": [24]}, 2: {"even": [12, 12], "uneven": [15, 9]}}
PARTS[4] = {"even": [6, 6, 6, 6], "uneven": [9, 3, 7, 5]}
Found = dict[str, dict[str, Tensor]]


class Trained(nn.Module):
    """A network and an objective on top."""

    def __init__(self, name: str, options: dict) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(7, 16), nn.Tanh(), nn.Linear(16, DIM))
        self.objective = build_objective({name.split()[0]: options}, feature_dim=DIM, classes=CLASSES, seed=3)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.objective(self.net(x), y).total


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(24, 7, generator=generator), torch.randint(CLASSES, (24,), generator=generator)


def gradients(rank: int = 0, world_size: int = 1) -> Found:
    """Of each objective and division of the batch: its value, the gradients of all parameters, and its buffers."""
    x, y = batch()
    found: Found = {}
    for name, options in OBJECTIVES.items():
        for division, lengths in PARTS[world_size].items():
            torch.manual_seed(1)
            model = Trained(name, options)
            wrapped = DistributedDataParallel(model) if world_size > 1 else model
            loss = wrapped(x.split(lengths)[rank], y.split(lengths)[rank])
            loss.backward()
            found[f"{name}, {division}"] = {
                "loss": loss.detach(),
                "gradient of the network": torch.cat([p.grad.flatten() for p in model.net.parameters()]),
                "gradient of the objective": torch.cat(
                    [torch.zeros(1), *(p.grad.flatten() for p in model.objective.parameters())]
                ),
                "buffers": torch.cat([torch.zeros(1), *(b.flatten().float() for b in model.objective.buffers())]),
            }
    for name in LOOKING:
        for division, lengths in PARTS[world_size].items():
            torch.manual_seed(1)
            model = Looking(name)
            wrapped = DistributedDataParallel(model, find_unused_parameters=True) if world_size > 1 else model
            pictures = x[..., None, None] * torch.linspace(-1, 1, 9).unflatten(0, (3, 3))
            loss, numbers = wrapped(*(part.split(lengths)[rank] for part in (pictures, pictures.flip(0) + 0.1, y)))
            loss.backward()
            found[f"{name}, {division}"] = {
                "loss": loss.detach(),
                "numbers": numbers,
                "gradient of the network": torch.cat(
                    [p.grad.flatten() for p in model.net.parameters() if p.grad is not None]
                ),
                "gradient of the objective": torch.cat([p.grad.flatten() for p in model.objective.parameters()]),
            }
    for name in BESIDE:
        for division, lengths in PARTS[world_size].items():
            torch.manual_seed(1)
            model = Beside(name)
            wrapped = DistributedDataParallel(model) if world_size > 1 else model
            apart = name not in ("given pairs", "given triplets")  # the second set is divided otherwise
            others = (x + 0.5).tensor_split(world_size)[rank] if apart else (x + 0.5).split(lengths)[rank]
            loss = wrapped(x.split(lengths)[rank], others, y.split(lengths)[rank])
            loss.backward()
            gradient = torch.cat([p.grad.flatten() for p in model.net.parameters()])
            found[f"{name}, {division}"] = {"loss": loss.detach(), "gradient of the network": gradient}
    return found


LOOKING: dict[str, dict] = {"reconstruction": {"width": 8}, "adversarial": {"share": 1, "width": 8}}


class Looking(nn.Module):
    """A network that draws, and an objective that looks at inputs; the statistics of its layers stay."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.net = SkipGenerator(7, width=8).eval()
        width = self.net.feature_dim
        self.objective = build_objective(
            {name: LOOKING[name]}, feature_dim=width, classes=CLASSES, input_shape=(7, 3, 3)
        )

    def forward(self, x: Tensor, others: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        value = self.objective(self.net(x), y, seen=Seen(x, self.net, others))
        return value.total, torch.stack([torch.zeros(()), *value.metrics.values()])


BESIDE = ("mmd", "ddc", "dan", "given pairs", "given triplets", "costs of prototypes")


class Beside(nn.Module):
    """A network and what is computed of two or three sets of its embeddings."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.net = nn.Sequential(nn.Linear(7, 16), nn.Tanh(), nn.Linear(16, DIM))
        terms = {"softmax": {}, name: {}} if name in ("ddc", "dan") else {"center": {}}
        self.objective = build_objective(terms, feature_dim=DIM, classes=CLASSES, seed=3)

    def forward(self, x: Tensor, others: Tensor, y: Tensor) -> Tensor:
        if self.name in ("ddc", "dan"):
            e, layers = look_at_both(Tuned(self.net, self.objective), x, others)
            return self.objective(e, y, seen=Seen(x, self.net, others, layers)).total
        a, b = self.net(x), self.net(others)
        if self.name == "mmd":
            return mmd(a, b, factors=FACTORS, weights=kernel_weights(a, b))
        if self.name == "costs of prototypes":
            class_of = torch.arange(DIM) % CLASSES
            return cluster_cost(a.square(), y % DIM, class_of) + separation_cost((a + 0.3).square(), y % DIM, class_of)
        if self.name == "given pairs":
            return contrastive_pairs(a, b, y > 2)
        return triplets_given(a, b, self.net(-x), margin=1.0).loss


def refusals(rank: int) -> dict[str, str]:
    """What a process hears when one of them, or all of them together, give what cannot be."""
    x = torch.randn(4, DIM, generator=torch.Generator().manual_seed(rank))
    nan = x.clone()
    nan[0, 0] = torch.nan
    pairs = torch.tensor([0, 0, 1, 1])
    cases = {
        "NaN in the last": (nan if rank == dist.get_world_size() - 1 else x, pairs, {}),
        "no positives": (x, torch.arange(4) + 4 * rank, {}),
        "no negatives": (x, torch.zeros(4, dtype=torch.int64), {}),
        "another dim": (x[:, : DIM - rank], pairs, {}),
        "another margin": (x, pairs, {"margin": 0.5 + rank}),
        "positives in other processes alone": (x, torch.arange(4), {}),
    }
    heard = {}
    for case, (rows, labels, options) in cases.items():
        objective = build_objective({"triplet": options}, feature_dim=DIM, classes=100)
        try:
            objective(rows, labels)
            heard[case] = "fine"
        except ValueError as error:
            heard[case] = str(error)
    return heard


if __name__ == "__main__":
    dist.init_process_group("gloo")
    rank, world_size = dist.get_rank(), dist.get_world_size()
    mine = {"found": gradients(rank, world_size), "refused": refusals(rank)}
    everyone: list = [None] * world_size
    dist.all_gather_object(everyone, mine)
    if rank == 0:
        torch.save(everyone, sys.argv[1])
    dist.destroy_process_group()
