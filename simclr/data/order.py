"""Which samples a training step takes: a pure function of (seed, global step)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from simclr.augment.addressed import permutation
from simclr.augment.checks import counted
from simclr.errors import InputError


class SampleOrder:
    """The order of samples, counted in global steps.

    Global step t of epoch e takes ``perm_e[i*B:(i+1)*B]`` with i the step within the epoch; a process takes its
    contiguous slice of it, or of each micro batch where it is cut into several. The samples left over at the end of an
    epoch's permutation are not shown in that epoch.

    Args:
        n: samples to learn from.
        batch_size: samples of a step over all processes, B.
        seed: the run's seed.
        rank: this process, 0..world_size-1.
        world_size: number of processes.
        ids: of these samples, (n,) int64; 0..n-1 when None.

    Raises:
        InputError: if the batch is larger than the source, or cannot be shared evenly by the processes.
    """

    def __init__(
        self,
        n: int,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        ids: Tensor | None = None,
    ) -> None:
        if batch_size < 1:
            raise InputError(f"train.batch_size is {batch_size}: set it to 1 or more.")
        too_few = "give more samples" + (", or start fewer processes" if world_size > 1 < n else "")
        if batch_size > n:
            power, most = 1 << max(0, n.bit_length() - 1), n // world_size * world_size
            power = most if power % world_size else power
            advice = f"set train.batch_size={power}" + (f", or at most {most}" if most > power else "")
            raise InputError(
                f"train.batch_size is {batch_size}, but the source has {counted(n, 'sample')}: "
                f"{advice if most > 1 else too_few}."
            )
        if batch_size % world_size:
            nearest = max(world_size, batch_size // world_size * world_size)
            advice = f"set a multiple of {world_size}, such as train.batch_size={nearest}"
            raise InputError(
                f"train.batch_size is {batch_size}, which {world_size} processes cannot share evenly: "
                f"{advice if nearest <= n else too_few}."
            )
        if not 0 <= rank < world_size:
            raise ValueError(f"rank is {rank}, but world_size is {world_size}: ranks are 0..{world_size - 1}")
        self.n = n
        self.ids = ids
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.steps_per_epoch = n // batch_size
        self._micro_batches = [batch_size // world_size]
        self._permutations: dict[int, Tensor] = {}

    def cut(self, micro_batches: list[int]) -> SampleOrder:
        """The same order, whose batches go through the network in parts: a process has its slice of each.

        What is normalised together is then the same for any number of processes.

        Args:
            micro_batches: images of this process in each, which add up to its share of a batch.
        """
        found = copy.copy(self)
        found._micro_batches = micro_batches
        return found

    def epoch(self, step: int) -> int:
        """The epoch that global step ``step`` belongs to, from 0."""
        return step // self.steps_per_epoch

    def at(self, step: int) -> Tensor:
        """Ids that this process takes at global step ``step``: (batch_size / world_size,) int64 on the CPU."""
        epoch, i = divmod(step, self.steps_per_epoch)
        batch = self._permutation(epoch)[i * self.batch_size : (i + 1) * self.batch_size]
        parts = batch.split([size * self.world_size for size in self._micro_batches])
        own = [part[self.rank * size : (self.rank + 1) * size] for part, size in zip(parts, self._micro_batches)]
        return own[0] if len(own) == 1 else torch.cat(own)

    def _permutation(self, epoch: int) -> Tensor:
        if epoch not in self._permutations:
            # Two epochs are kept: a prefetching feed asks for the next one before the last one is used up.
            while len(self._permutations) > 1:
                del self._permutations[min(self._permutations)]
            order = permutation(self.seed, epoch, self.n, torch.device("cpu"))
            self._permutations[epoch] = order if self.ids is None else self.ids[order]
        return self._permutations[epoch]
