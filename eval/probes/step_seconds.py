"""How long one step of training end to end takes: a few are made and timed."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

import torch

from simclr.data.source import Source
from simclr.encoder_file import FrozenEncoder
from simclr.eval.probes.tuned_classifier import FineTuning, train_classifier
from simclr.eval.splits.split import Split

LONG_STEPS = 10.0
"""Seconds: where two steps take so long, no third one is made."""


class _EnoughError(Exception):
    """Steps were seen."""


class StepSeconds(NamedTuple):
    """Of one step of training: as people wait for it, and as if nothing else ran on the machine."""

    waited: float
    alone: float


def seconds_of_step(
    encoder: FrozenEncoder, source: Source, split: Split, settings: FineTuning, device: torch.device | str = "cpu"
) -> StepSeconds:
    """How long one step of training takes here: the third or, where two take long, the second.

    Args:
        encoder: to start from; it stays as it is.
        source: labelled samples.
        split: whose training part is trained on.
        settings: how.
        device: where training runs.
    """
    times = [(time.perf_counter(), time.process_time())]

    def stepped() -> None:
        times.append((time.perf_counter(), time.process_time()))
        if len(times) > 3 or (len(times) > 2 and times[-1][0] - times[0][0] > LONG_STEPS):
            raise _EnoughError

    with suppress(_EnoughError):
        train = split.learned()
        train_classifier(encoder, source, train, train[:0], replace(settings, steps=4), device=device, stepped=stepped)
    waited, busy = (last - before for last, before in zip(times[-1], times[-2]))
    return StepSeconds(waited, min(waited, busy))
