"""Run by test_distributed.py in each process: DDP over gloo against one process that holds the whole batch."""

import copy

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from simclr.ntxent import nt_xent
from simclr.sync_batchnorm import convert_sync_batchnorm

dist.init_process_group("gloo")
rank, world_size = dist.get_rank(), dist.get_world_size()
torch.manual_seed(0)
views, batch, temperature = 2, 24, 0.2
alone = nn.Sequential(
    nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 16), nn.BatchNorm1d(16)
).double()
together = copy.deepcopy(alone)
x = torch.randn(views, batch, 3, 8, 8, dtype=torch.float64)

# One process: the textbook loss, a cross entropy over all rows but a row itself.
z = nn.functional.normalize(alone(x.flatten(0, 1)), dim=1)
logits = z @ z.T / temperature
logits = logits.masked_fill(torch.eye(len(z), dtype=torch.bool), -torch.inf)
expected = nn.functional.cross_entropy(logits, (torch.arange(len(z)) + batch) % len(z))
expected.backward()

convert_sync_batchnorm(together, torch.device("cpu"))
distributed = DistributedDataParallel(together)
share = batch // world_size
mine = x[:, rank * share : (rank + 1) * share]
loss = nt_xent(distributed(mine.flatten(0, 1)).unflatten(0, (views, share)), temperature)
loss.backward()

torch.testing.assert_close(loss, expected, rtol=1e-12, atol=0)
# A bias before BatchNorm has no gradient but noise, so errors are measured against the whole gradient.
whole = torch.cat([p.grad.flatten() for p in alone.parameters()]).norm()
for (name, ours), theirs in zip(together.named_parameters(), alone.parameters()):
    assert (ours.grad - theirs.grad).norm() < 1e-12 * whole, name
for (name, ours), theirs in zip(together.named_buffers(), alone.buffers()):
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12, msg=name)
print("equal", flush=True)
dist.destroy_process_group()
