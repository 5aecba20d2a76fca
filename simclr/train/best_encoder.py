"""The encoder with the best verdict so far, kept aside while training goes on."""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from simclr.train.verdict import Verdict


class BestEncoder:
    """Keeps the weights of the best look, and says when it is time to stop.

    Args:
        patience: looks without a better one after which to stop; None never stops.
        state: of a run that goes on, as of ``state``; None of a new one.

    Attributes:
        verdict, step: of the best look, None and 0 before the first; steps are counted as done.
        latest: value of the last verdict.
    """

    def __init__(self, patience: int | None = None, state: dict[str, Any] | None = None) -> None:
        self.patience = patience
        state = state or {"verdict": None, "step": 0, "looks": 0, "weights": {}}
        self.verdict: Verdict | None = None if state["verdict"] is None else Verdict(*state["verdict"])
        self.step: int = state["step"]
        self._looks: int = state["looks"]
        self._weights: dict[str, Any] = state["weights"]
        self.latest = math.nan

    @property
    def state(self) -> dict[str, Any]:
        """For a run state: what makes it again."""
        verdict = None if self.verdict is None else list(self.verdict)
        return {"verdict": verdict, "step": self.step, "looks": self._looks, "weights": self._weights}

    def look(self, verdict: Verdict, step: int, encoder: nn.Module) -> None:
        """Takes the encoder's weights if none before were as good; of equals, the later ones."""
        self._looks += 1
        self.latest = verdict.value
        if self.verdict is None or verdict.value >= self.verdict.value or not math.isfinite(self.verdict.value):
            self.verdict, self.step, self._looks = verdict, step, 0
            self._weights = {name: value.detach().cpu().clone() for name, value in encoder.state_dict().items()}

    @property
    def is_time_to_stop(self) -> bool:
        """Whether so many looks have passed without a better one."""
        return self.patience is not None and self._looks >= self.patience

    def restore(self, encoder: nn.Module) -> None:
        """The best weights put back."""
        if self._weights:
            encoder.load_state_dict(self._weights)
