"""Run by test_grad_cache.py in each process: gradient caching over gloo against one process without it."""

import copy
import os

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
from torch.nn.parallel import DistributedDataParallel

from simclr.losses.ntxent import nt_xent
from simclr.train.batchnorm import convert_batchnorm
from simclr.train.grad_cache import backward_again, project_without_graph

dist.init_process_group("gloo")
rank, world_size = dist.get_rank(), dist.get_world_size()
views, batch, temperature, sizes = 2, 16, 0.2, [3, 3, 2]
share = batch // world_size
torch.manual_seed(0)
x = torch.randn(views, batch, 3, 8, 8, dtype=torch.float64)


def textbook_loss(z):
    """Cross entropy over all rows but a row itself."""
    z = nn.functional.normalize(z.flatten(0, 1), dim=1)
    logits = (z @ z.T / temperature).masked_fill(torch.eye(len(z), dtype=torch.bool), -torch.inf)
    return nn.functional.cross_entropy(logits, (torch.arange(len(z)) + batch) % len(z))


def compare(norm):
    alone = nn.Sequential(nn.Conv2d(3, 8, 3), norm, nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 16)).double()
    together = copy.deepcopy(alone)

    # One process: micro batch i of all processes is normalised together; one graph over everything, one backward.
    groups = [torch.cat([p.split(sizes)[i] for p in torch.arange(batch).split(share)]) for i in range(len(sizes))]
    z = torch.empty(views, batch, 16, dtype=torch.float64)
    for group in groups:
        z[:, group] = alone(x[:, group].flatten(0, 1)).unflatten(0, (views, len(group)))
    expected = textbook_loss(z)
    expected.backward()

    convert_batchnorm(together, torch.device("cpu"), world_size)
    distributed = DistributedDataParallel(together, gradient_as_bucket_view=True)
    reduced = []
    distributed.register_comm_hook(None, lambda state, bucket: reduced.append(1) or allreduce_hook(state, bucket))

    def project(part):
        z = distributed(part.flatten(0, 1)).unflatten(0, part.shape[:2])
        return z, z

    mine = x[:, rank * share : (rank + 1) * share].split(sizes, dim=1)
    for step in range(2):  # the second step begins from buckets that DDP has rebuilt
        distributed.zero_grad()
        buffers = [buffer.clone() for buffer in together.buffers()]
        _, z = project_without_graph(project, mine, together)
        loss = nt_xent(z, temperature)
        loss.backward()
        assert all(torch.equal(*pair) for pair in zip(buffers, together.buffers()))
        reduced.clear()
        backward_again(project, mine, z, distributed.no_sync)
        assert len(reduced) == 1, reduced
        torch.testing.assert_close(loss.detach(), expected.detach(), rtol=1e-12, atol=0)
        whole = torch.cat([p.grad.flatten() for p in alone.parameters()]).norm()
        for (name, ours), theirs in zip(together.named_parameters(), alone.parameters()):
            assert (ours.grad - theirs.grad).norm() < 1e-12 * whole, (name, step)
        if step == 0:
            for (name, ours), theirs in zip(together.named_buffers(), alone.named_buffers()):
                torch.testing.assert_close(ours, theirs[1], rtol=1e-10, atol=1e-12, msg=name)


compare(nn.GroupNorm(2, 8))
compare(nn.BatchNorm2d(8))
print("equal", flush=True)
dist.barrier()
os._exit(0)  # gloo's threads sometimes abort a process that ends in the ordinary way
