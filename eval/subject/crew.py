"""The processes of a launch as they extract features together: the main one asks, all take batches by turns."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn

from simclr.data.source import Source
from simclr.data.stream import StreamSource
from simclr.errors import InputError
from simclr.eval.subject.features import feature_batches


class _Task(NamedTuple):
    """Weights and buffers of the encoder by their names, the place of the source, and the ids of each batch."""

    state: dict[str, Tensor]
    source: int
    batches: Sequence[Tensor]


class _Share(NamedTuple):
    """What a process has of one round.

    Attributes:
        h: features of its batch; None where there is none left.
        damaged: names of unreadable samples that it has met.
        error: what went wrong.
        is_mistake: whether that is a mistake of the user.
    """

    h: Tensor | None
    damaged: Sequence[str] = ()
    error: str | None = None
    is_mistake: bool = False


class Crew:
    """Extraction over all processes: batch b goes to process b modulo their number, and comes back in order.

    So the batches, and their features, are those of one process. What one process meets (an error, a damaged sample)
    all of them know at the end of the round.

    Args:
        encoder: any of the architecture that will be asked for; it stays as it is.
        sources: where samples are, the same in the same order in every process.
        rank, size: of this process, and of the launch.
        device: where this process computes.
    """

    def __init__(
        self, encoder: nn.Module, sources: Sequence[Source], rank: int, size: int, device: torch.device | str
    ) -> None:
        self._encoder, self._sources, self._device = encoder, sources, device
        self._rank, self._size = rank, size
        self._in_round = False

    def extract(
        self, encoder: nn.Module, source: Source, batches: Sequence[Tensor], device: torch.device | str = "cpu"
    ) -> Iterator[Tensor]:
        """On the main process: as :func:`simclr.eval.subject.features.feature_batches`, over all of them."""
        places = [i for i, known in enumerate(self._sources) if known is source]
        if not places or len(batches) < 2:  # nothing to share
            yield from feature_batches(encoder, source, batches, device)
            return
        self._tell(_Task({name: value.cpu() for name, value in _state(encoder)}, places[0], batches))
        self._in_round = True
        yield from self._rounds(encoder, source, batches)
        self._in_round = False

    def serve(self) -> None:
        """On the others: takes part until the main process lets go.

        Raises:
            InputError, RuntimeError: something went wrong in any process.
        """
        encoder = copy.deepcopy(self._encoder)
        while (task := self._tell(None)) is not None:
            with torch.no_grad():
                for name, value in _state(encoder):
                    value.copy_(task.state[name])
            for _ in self._rounds(encoder, self._sources[task.source], task.batches):
                pass

    def let_go(self) -> None:
        """On the main process, at its end. In the middle of a round, the others learn of that end by themselves."""
        if not self._in_round:
            self._tell(None)

    def _tell(self, task: _Task | None) -> _Task | None:
        """The main process's task, in every process."""
        told = [task]
        dist.broadcast_object_list(told, src=0)
        return told[0]

    def _rounds(self, encoder: nn.Module, source: Source, batches: Sequence[Tensor]) -> Iterator[Tensor]:
        mine = feature_batches(encoder, source, batches[self._rank :: self._size], self._device)
        for first in range(0, len(batches), self._size):
            shares: list[_Share] = [_Share(None)] * self._size
            dist.all_gather_object(shares, _share(mine, source, is_last=first + self._size >= len(batches)))
            for share in shares:
                if share.error is not None:
                    raise InputError(share.error) if share.is_mistake else RuntimeError(share.error)
            _note_damaged(source, [name for share in shares for name in share.damaged])
            yield from (share.h for share in shares if share.h is not None)


def _state(encoder: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from encoder.named_parameters()
    yield from encoder.named_buffers()


def _share(mine: Iterator[Tensor], source: Source, is_last: bool) -> _Share:
    try:
        h = next(mine, None)
        if is_last:  # for the look at the encoder behind the last batch
            next(mine, None)
    except InputError as error:
        return _Share(None, error=str(error), is_mistake=True)
    except Exception as error:
        return _Share(None, error=f"{type(error).__name__}: {' '.join(str(error).split())}")
    return _Share(h, tuple(source.damaged))


def _note_damaged(source: Source, names: Sequence[str]) -> None:
    unknown = set(names) - set(source.damaged)
    if unknown and isinstance(source, StreamSource):
        source.note_damaged([i for i in range(len(source)) if source.sample_name(i) in unknown])
