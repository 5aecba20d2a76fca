"""How well a fine-tuning does on labels that it does not learn from, while it goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from simclr.data.chosen_labels import ChosenLabels
from simclr.views.embedded import embed
from simclr.views.inputs import Inputs

HeldOutProbe = Callable[[Tensor, Tensor, Tensor, Tensor], dict[str, float]]
"""(embeddings (n, dim) that are learned from, their classes (n,), those held out (m, dim), theirs (m,)) → numbers."""

MOST = 1_000
"""Samples of either kind that are looked at."""


@dataclass(frozen=True)
class HeldOutWatch:
    """What is looked at, and by whom; ``ids`` and ``classes`` are of ``learned`` samples, then of those held out."""

    probe: HeldOutProbe
    inputs: Inputs
    ids: Tensor
    classes: Tensor
    learned: int
    device: torch.device

    def look(self, encoder: nn.Module) -> dict[str, float]:
        """The probe's numbers for the encoder as it is, none of embeddings that are not finite; it stays in training
        mode."""
        e, source = embed(encoder, self.inputs, self.ids, self.device), self.inputs.raw
        if not e.isfinite().all():
            return {}
        assert source.labels is not None
        learned = torch.arange(len(self.ids)) < self.learned
        readable = source.labels[self.ids] >= 0  # what turned out to be damaged has lost its label
        one, other = learned & readable, ~learned & readable
        return self.probe(e[one], self.classes[one], e[other], self.classes[other]) if other.any() else {}


def watch_held_out(
    probe: HeldOutProbe | None, inputs: Inputs, chosen: ChosenLabels, device: torch.device
) -> HeldOutWatch | None:
    """A watch on the labels that are held out, of many on some; None where there are none, or nobody to judge."""
    if probe is None or not len(chosen.held_out):
        return None
    learned = (chosen.targets >= 0).nonzero()[:, 0]
    some = [part[torch.linspace(0, len(part) - 1, min(MOST, len(part))).long()] for part in (learned, chosen.held_out)]
    places = torch.searchsorted(chosen.held_out, some[1])
    classes = torch.cat([chosen.targets[some[0]], chosen.held_out_targets[places]])
    return HeldOutWatch(probe, inputs, torch.cat(some), classes, len(some[0]), device)
