"""A labelled source and its test part as one list of samples, the way splits number them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from simclr.data.source import Source
from simclr.errors import InputError


class LabelledData:
    """Samples 0..N-1 of a source, followed by those of its test part where it has one.

    Args:
        source: labelled samples.
        test_source: the test part, with the same classes or some of them.

    Attributes:
        source, test_source: as given.
        class_names: of the labels.

    Raises:
        InputError: if a part has no labelled sample, the classes of the two differ, or there is only one class.
    """

    def __init__(self, source: Source, test_source: Source | None = None) -> None:
        if test_source is not None and set(test_source.class_names) < set(source.class_names):
            test_source = test_source.with_classes(source.class_names)
        self.source, self.test_source = source, test_source
        self._unknown = torch.empty(0, dtype=torch.int64)
        self.class_names: Sequence[str] = source.class_names
        for part, name in ((source, source.name), (test_source, f"the test part of {source.name}")):
            if part is not None and not len(part.labelled_ids()):
                raise InputError(
                    f"{name} has no labelled sample: evaluation needs labels (class folders, ground truth)."
                )
        if test_source is not None and tuple(test_source.class_names) != tuple(source.class_names):
            raise InputError(
                f"the training part has the classes {', '.join(source.class_names[:5])}, …, the test part "
                f"{', '.join(test_source.class_names[:5])}, …: both need the same classes in the same order."
            )
        if len(self.labels[self.known()].unique()) < 2:
            raise InputError(f"{source.name} has one class only: a probe needs two classes or more.")

    @property
    def labels(self) -> Tensor:
        """Class of each sample, (N,) int64, -1 = unlabelled; a damaged image has lost its label once it was met."""
        found = torch.cat([part.labels for part in self.parts() if part.labels is not None])
        return found.where(~torch.isin(found, self._unknown), -1)

    def without(self, unknown: Sequence[int]) -> LabelledData:
        """The same samples, those of some classes (by their labels) without a label.

        Raises:
            InputError: if fewer than two classes stay known.
        """
        known = copy.copy(self)
        known._unknown = torch.tensor(list(unknown), dtype=torch.int64)
        if len(known.labels[known.known()].unique()) < 2:
            raise InputError("fewer than 2 classes stay known: name fewer unknown classes.")
        return known

    def labels_called(self, numbers: Sequence[int]) -> list[int]:
        """Labels of the classes whose names are these numbers.

        Raises:
            InputError: if there is no such class.
        """
        names = list(self.class_names)
        for number in numbers:
            if str(number) not in names:
                known = ", ".join(names[:8])
                raise InputError(f"the unknown class {number} has no sample in {self.source.name}: it has {known}.")
        return [names.index(str(number)) for number in numbers]

    @property
    def damaged(self) -> list[str]:
        """Names of the samples that could not be read."""
        return [name for part in self.parts() for name in part.damaged]

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts())

    def known(self) -> Tensor:
        """Ids of the labelled samples, ascending, (M,) int64."""
        return torch.nonzero(self.labels >= 0).flatten()

    def gather(self, ids: Tensor, function: Callable[[Source, Tensor], Tensor]) -> Tensor:
        """``function(part, ids of that part)`` for the parts that the ids lie in, in one tensor, (n, ...).

        Args:
            ids: ascending, (n,) int64.
            function: gives one row for each id.
        """
        found, first = [], 0
        for part in self.parts():
            mine = ids[(ids >= first) & (ids < first + len(part))] - first
            if len(mine):
                found.append(function(part, mine))
            first += len(part)
        return torch.cat(found)

    def parts(self) -> list[Source]:
        """The source, and its test part where it has one."""
        return [part for part in (self.source, self.test_source) if part is not None]
