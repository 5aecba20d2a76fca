"""What a report will do, and about how long that takes: features of some samples, their t-SNE, and figures."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from simclr.data.source import Source
from simclr.encoder_file import FrozenEncoder
from simclr.eval.report.embedding import tsne
from simclr.eval.subject.feature_cache import Look
from simclr.eval.subject.features import seconds_of_batch, timed_samples
from simclr.eval.subject.representations import FEATURES
from simclr.eval.work.forecast import Forecast, duration

TSNE = "t-SNE"
"""The kind of work, in samples."""
TRIED = 150
SAID_FROM = 5.0
"""Seconds: a report that takes less says nothing beforehand."""


class Outlook(NamedTuple):
    """What is long in a report.

    Attributes:
        forecast: told of it.
        say: told lines of what is to be done, before it begins.
    """

    forecast: Forecast
    say: Callable[[str], None]

    def begin(self, encoder: FrozenEncoder, source: Source, samples: int, look: Look) -> Look:
        """Before features are extracted: tries a small batch and a small t-SNE, and says how long all of it takes.

        Args:
            encoder, source: of the features.
            samples: that the t-SNE shows.
            look: what of them is on disk.
        """
        forecast = self.forecast
        if look.extracted and timed_samples(source) > 0:
            forecast.expect(FEATURES, look.extracted)
            forecast.tried(FEATURES, timed_samples(source), seconds_of_batch(encoder, source))
        forecast.expect(TSNE, samples)
        if samples > TRIED:
            began = time.perf_counter()
            tsne(torch.randn(TRIED, encoder.feature_dim, generator=torch.Generator().manual_seed(0)))
            forecast.tried(TSNE, TRIED, time.perf_counter() - began)
        if forecast.left() >= SAID_FROM:
            parts = [f"{TSNE} of {samples:,} samples ({duration(forecast.left(TSNE))})", "figures"]
            if look.extracted:
                seconds = duration(forecast.left(FEATURES))
                parts.insert(0, f"features of {look.extracted:,} samples ({seconds})")
            self.say(f"to do: {'; '.join(parts)}")
            self.say(f"it takes about {duration(forecast.left())}")
        return look

    def paced(self) -> Callable[[int, int], None]:
        """What is told of every batch of features."""
        return self.forecast.paced(FEATURES)

    def tsne(self, features: Tensor) -> np.ndarray:
        """As :func:`simclr.eval.report.embedding.tsne`."""
        with self.forecast.running(TSNE, len(features)):
            return tsne(features)
