"""Run by test_divide.py in each process: what a divided embedding gives of batches that the processes share."""

import sys

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from simclr.data.class_order import ClassOrder
from simclr.losses.objectives import build_objective
from simclr.train.divide import DivideAndConquer
from simclr.train.tuned import Learned

N, CLASSES, WIDTH = 96, 6, 8
TERMS = {"margin": {"per_class": True}, "softmax": {}, "center": {"weight": 0.1}}


class Net(nn.Sequential):
    feature_dim, normalize = WIDTH, True

    def __init__(self) -> None:
        super().__init__(nn.Linear(7, 16), nn.Tanh(), nn.Linear(16, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.normalize(super().forward(x), dim=1)


def system() -> DivideAndConquer:
    torch.manual_seed(1)

    def objective_of(width: int):
        return build_objective(TERMS, feature_dim=width, classes=CLASSES)

    options = {"learners": 2, "every": 1, "joined": 0.3}
    return DivideAndConquer(Net(), objective_of(WIDTH), samples=N, seed=0, objective_of=objective_of, **options)


def data() -> tuple[Tensor, Tensor]:
    """Two heaps of samples, each of all classes."""
    generator = torch.Generator().manual_seed(0)
    heap = torch.arange(N) % 2
    return torch.randn(N, 7, generator=generator) / 2 + 4 * heap[:, None] - 2, torch.arange(N) // 2 % CLASSES


def walk(rank: int = 0, world_size: int = 1) -> list[dict[str, Tensor]]:
    """Three epochs, the last one joined: of each step the loss, all gradients and what is remembered."""
    x, y = data()
    order, model, found = ClassOrder(y, 4, 3, 0, rank, world_size), system(), []
    wrapped = DistributedDataParallel(model) if world_size > 1 else model
    # Each process sees it a little differently.
    learned = Learned(torch.arange(N), y, lambda ids: x[ids] + 0.5 * rank, epochs=3)
    for epoch in range(3):
        model.begin_epoch(epoch, learned)
        taken = model.order_of(order)
        for step in range(epoch * order.steps_per_epoch, (epoch + 1) * order.steps_per_epoch)[:4]:
            ids = taken.at(step)
            value = wrapped(x[ids], y[ids], ids)[1]
            value.total.backward()
            found.append(
                {
                    "loss": value.total.detach(),
                    "gradients": torch.cat([p.grad.flatten() for p in model.parameters()]),
                    "buffers": torch.cat([b.flatten().float() for b in model.buffers()]),
                }
            )
            model.zero_grad()  # and no step, which would carry roundings on
    return found


if __name__ == "__main__":
    dist.init_process_group("gloo")
    mine = walk(dist.get_rank(), dist.get_world_size())
    everyone: list = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, mine)
    if dist.get_rank() == 0:
        torch.save(everyone, sys.argv[1])
    dist.destroy_process_group()
