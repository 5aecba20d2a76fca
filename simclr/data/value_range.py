"""Whether a batch holds values as an encoder was pretrained on; others are rescaled where there is one way."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from simclr.errors import InputError

BYTE, WORD = 255, 65535
# Integers of these types fill their range; those of others hold whatever was put into them.
_OWN_MAX = {torch.uint8: BYTE, torch.uint16: WORD}


class ValueRange(NamedTuple):
    """What is recorded of the raw values that an encoder was pretrained on.

    Attributes:
        unit: whether they become 0..1 of their range (else they are taken in their own units).
        value_max: end of their range, None for floats and wide integers.
        seen: the lowest and the highest of them, None where that was not recorded.
    """

    unit: bool
    value_max: int | None
    seen: tuple[float, float] | None

    @property
    def fractions(self) -> bool:
        """Whether they are numbers from 0 to 1."""
        return self.value_max is None and self.seen is not None and self.seen[0] >= 0 and 0 < self.seen[1] <= 1

    @property
    def full_word(self) -> bool:
        """Whether they fill 16 bits, as 16-bit pictures do; the numbers of a sensor may be of 12."""
        return self.value_max == WORD and self.seen is not None and self.seen[1] > WORD / 2

    def top(self, x: Tensor, value_max: int | None = None) -> int | None:
        """The value of a batch that stands for the end of the recorded range; None where both are in the same units.

        Args:
            x: the batch, any real dtype.
            value_max: end of the range of its source; None = as its dtype says, if that does.

        Raises:
            InputError: if its values are in other units, and their relation is not known.
        """
        if x.is_complex() or x.dtype is torch.bool:
            raise InputError(f"the batch is {_dtype(x)}: give integers or floats.")
        if x.is_floating_point():
            return 1 if self.unit else None
        known = _known(x, value_max)
        if self.value_max is None:
            return self._top_for_fractions(x, known) if self.unit or (self.fractions and known is not None) else None
        if known == BYTE != self.value_max:
            return self._top_of_bytes()
        return WORD if (self.value_max, known) == (BYTE, WORD) else self.value_max

    def check(self, x: Tensor, value_max: int | None = None) -> None:
        """Looks at the values of a batch, where dtype and source do not tell their units.

        Raises:
            InputError: if they are in other units than the recorded ones, or may be.
        """
        known = _known(x, value_max)
        if x.is_complex() or not x.numel() or x.is_meta or known == BYTE:
            return
        if known is not None and known == self.value_max:
            self._check_size(x)
            return
        low, high = _extremes(x)
        if not (math.isfinite(low) and math.isfinite(high)):
            raise InputError("the batch holds NaN or infinity: replace such values before.")
        if x.is_floating_point() and self.unit and not (low >= 0.0 and high <= 1.0):
            raise InputError(
                f"this encoder takes integer pixels, or floats from 0 to 1, but the batch has floats from "
                f"{low:.4g} to {high:.4g}: divide them by the largest possible value."
            )
        if self.fractions and known is None and high > 10:
            raise InputError(
                f"the batch is {_dtype(x)} up to {high:,.6g}, but this encoder was pretrained on {self._said()}: "
                f"divide it by the largest possible value."
            )
        if x.is_floating_point():
            if not self.unit and self._divided(x, low, high):
                raise InputError(
                    f"the batch has floats from {low:.4g} to {high:.4g}, but this encoder was pretrained on "
                    f"{self._said()}: give such values, not divided."
                )
        elif self.value_max is not None or known == WORD:
            self._check_integers(x, known, low, high)
        if known == self.value_max:
            self._check_size(x)

    def _check_size(self, x: Tensor) -> None:
        """Raises InputError where values are on average twice the largest that was seen, which no other light makes."""
        reach = 0.0 if self.seen is None else max(abs(value) for value in self.seen)
        values = x.detach().to(torch.int32) if x.dtype is torch.uint16 else x.detach()
        others = [axis for axis in range(x.ndim) if axis != x.ndim - 3]
        # The median over the bands, some of which may be bad and hold anything.
        typical = float(values.abs().mean(others, dtype=torch.float64).median()) if reach else 0.0
        if typical > 2 * reach and typical > 1:
            raise InputError(
                f"the batch is {_dtype(x)}, of {typical:,.4g} on average, but this encoder was pretrained on "
                f"{self._said()}: give values in the same units."
            )

    def _top_for_fractions(self, x: Tensor, known: int | None) -> int:
        if known == BYTE or (known == WORD and self.unit):
            return known
        raise InputError(
            f"this encoder takes values from 0 to 1, but the batch is {_dtype(x)}, which has no natural end: "
            f"give uint8{' or uint16' if self.unit else ''} pixels, or floats from 0 to 1."
        )

    def _top_of_bytes(self) -> int | None:
        """Of 8-bit pixels, where wider ones were seen."""
        if self.seen is None and self.unit:
            return BYTE
        if self.seen is not None and self.seen[1] <= BYTE:
            return self.value_max
        if self.full_word:
            return BYTE
        raise InputError(
            f"the batch holds 8-bit pixels, but this encoder was pretrained on {self._said()}, and how the two relate "
            f"is not known: give values in the units of the pretraining data."
        )

    def _divided(self, x: Tensor, low: float, high: float) -> bool:
        """Whether floats are fractions of the integers that were seen."""
        integers = self.value_max is not None and (self.seen is None or self.seen[1] > 10)
        return integers and low >= 0 and 0 < high <= 1 and not bool((x == x.round()).all())

    def _check_integers(self, x: Tensor, known: int | None, low: float, high: float) -> None:
        rescaled = known == WORD and (self.value_max == BYTE or (self.value_max is None and self.unit))
        if (self.unit or self.value_max == BYTE) and not rescaled and (low < 0 or high > (self.value_max or 1)):
            raise InputError(
                f"the batch is {_dtype(x)} from {low:,.0f} to {high:,.0f}, but this encoder was pretrained on "
                f"{self._said()}: give such values, or pixels as uint8 or uint16, which say what they are."
            )
        if (rescaled or self.full_word) and 0 < high <= BYTE:
            raise InputError(
                f"the batch is {_dtype(x)}, but its values, up to {high:.0f}, look like 8-bit pixels: give those as "
                f"uint8."
            )

    def _said(self) -> str:
        """The recorded values, in words."""
        if self.seen is None:
            return f"integers up to {self.value_max:,}"
        return f"values from {self.seen[0]:,.6g} to {self.seen[1]:,.6g}"


def _known(x: Tensor, value_max: int | None) -> int | None:
    """End of the range of a batch's integers, where source or dtype say it."""
    return None if x.is_floating_point() else _OWN_MAX.get(x.dtype) if value_max is None else value_max


def _extremes(x: Tensor) -> tuple[float, float]:
    x = x.detach()
    low, high = torch.aminmax(x.to(torch.int32) if x.dtype is torch.uint16 else x)
    return float(low), float(high)


def _dtype(x: Tensor) -> str:
    return str(x.dtype).removeprefix("torch.")
