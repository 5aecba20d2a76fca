"""Batches of P classes and K samples of each: a pure function of (seed, global step)."""

from __future__ import annotations

import torch
from torch import Tensor

from simclr.augment.addressed import Address
from simclr.errors import InputError


class ClassOrder:
    """The order of samples for objectives that compare samples of a class, counted in global steps.

    Classes are shuffled in rounds: a round of C classes has C // P steps, and the classes left over at its end are not
    shown in that round. A class that is shown takes the next K of its own samples, which are shuffled anew when fewer
    than K are left. Of a class with fewer than K samples some stand in a batch more than once. Over many rounds classes
    are shown equally often, and so are the samples of a class.

    A batch is sorted by class; a process takes its contiguous slice of it.

    Args:
        labels: classes of all samples, (n,) integers; samples with a negative one are left out.
        classes_per_batch: P, over all processes, 2 or more.
        samples_per_class: K, 2 or more.
        seed: the run's seed.
        rank: this process, 0..world_size-1.
        world_size: number of processes.
        ids: of the samples to learn from, (m,) int64; all when None.

    Attributes:
        steps_per_epoch: steps that take as many samples as there are, at least 1.
        labels: as given, on the CPU.
        repeated: samples of each class that has fewer than K, by class.
        note: a line about these, None where there is none.

    Raises:
        InputError: fewer classes than P, P or K below 2, or a batch that the processes cannot share evenly.
    """

    def __init__(
        self,
        labels: Tensor,
        classes_per_batch: int,
        samples_per_class: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        ids: Tensor | None = None,
    ) -> None:
        ids = torch.arange(len(labels)) if ids is None else ids.cpu()
        self.labels = labels.cpu()
        of_ids = self.labels[ids]
        ids, of_ids = ids[of_ids >= 0], of_ids[of_ids >= 0]
        classes, counts = of_ids.unique(return_counts=True)
        for name, value in (("classes_per_batch", classes_per_batch), ("samples_per_class", samples_per_class)):
            if value < 2:
                raise InputError(
                    f"{name} is {value}: set it to 2 or more, so that a batch has positives and negatives."
                )
        if classes_per_batch > len(classes):
            there = f"{len(classes)} class{'' if len(classes) == 1 else 'es'}"
            advice = f"set it to {len(classes)} or less" if len(classes) > 1 else "there is nothing to tell apart"
            raise InputError(f"classes_per_batch is {classes_per_batch}, but the labels have {there}: {advice}.")
        batch_size = classes_per_batch * samples_per_class
        if batch_size % world_size:
            raise InputError(
                f"a batch of {classes_per_batch} classes with {samples_per_class} samples cannot be shared evenly by "
                f"{world_size} processes: set one of the two to a multiple of {world_size}."
            )
        if not 0 <= rank < world_size:
            raise ValueError(f"rank is {rank}, but world_size is {world_size}: ranks are 0..{world_size - 1}")
        self.classes_per_batch, self.samples_per_class = classes_per_batch, samples_per_class
        self.seed, self.rank, self.world_size, self.batch_size = seed, rank, world_size, batch_size
        self.steps_per_epoch = max(1, len(ids) // batch_size)
        self.repeated = {int(c): int(n) for c, n in zip(classes, counts) if n < samples_per_class}
        self._members = ids[of_ids.argsort(stable=True)].split(counts.tolist())
        self._shuffled: dict[int, tuple[int, Tensor]] = {}

    @property
    def note(self) -> str | None:
        if not self.repeated:
            return None
        few = ", ".join(f"{c} ({n})" for c, n in list(self.repeated.items())[:5])
        more = f" and {len(self.repeated) - 5} more" if len(self.repeated) > 5 else ""
        which = "1 class has" if len(self.repeated) == 1 else f"{len(self.repeated)} classes have"
        return f"{which} fewer than {self.samples_per_class} samples, which are repeated in a batch: {few}{more}"

    def epoch(self, step: int) -> int:
        """The epoch that global step ``step`` belongs to, from 0."""
        return step // self.steps_per_epoch

    def at(self, step: int) -> Tensor:
        """Ids that this process takes at global step ``step``: (P·K / world_size,) int64 on the CPU."""
        return self._share(self._batch(step))

    def occurrence(self, step: int) -> Tensor:
        """How often each of these ids stands earlier in the global batch, of the shape of ``at(step)``.

        As the view in the address of an augmentation, it makes repeated samples differ.
        """
        batch = self._batch(step)
        earlier = (batch[:, None] == batch).tril(-1).sum(1)
        return self._share(earlier)

    def _share(self, batch: Tensor) -> Tensor:
        share = self.batch_size // self.world_size
        return batch[self.rank * share : (self.rank + 1) * share]

    def _batch(self, step: int) -> Tensor:
        round_, i = divmod(step, len(self._members) // self.classes_per_batch)
        order = _shuffle(torch.arange(len(self._members)), self.seed, round_, "order of classes")
        taken = order[i * self.classes_per_batch : (i + 1) * self.classes_per_batch].sort().values
        return torch.cat([self._samples(int(place), round_) for place in taken])

    def _samples(self, place: int, round_: int) -> Tensor:
        """Those of a class in a round, (K,)."""
        members, k = self._members[place], self.samples_per_class
        cycle, part = divmod(round_, max(1, len(members) // k))
        if self._shuffled.get(place, (-1, members))[0] != cycle:
            self._shuffled[place] = cycle, _shuffle(members, self.seed, cycle, "order within classes")
        shuffled = self._shuffled[place][1].repeat(-(-k // len(members)))
        return shuffled[part * k : (part + 1) * k]


def _shuffle(ids: Tensor, seed: int, epoch: int, operation: str) -> Tensor:
    """``ids`` in an order that is a pure function of the arguments, and of each id alone."""
    words = Address(seed, epoch, ids, torch.zeros_like(ids)).words({operation: 2})
    return ids[torch.argsort((words[:, 0] << 30) | (words[:, 1] >> 2), stable=True)]
