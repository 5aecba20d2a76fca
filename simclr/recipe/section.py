"""What all parts of a recipe share."""

import math
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

# Bounds that no real run comes near: beyond them a slip of the keyboard asks for terabytes, or for years.
MOST_PIXELS = 8192
"""Side of an image: one of three channels takes 800 MB as float32."""
MOST_EPOCHS = 1 << 24
"""Those that the addresses of random numbers can tell apart (augment.addressed.MAX_EPOCHS)."""
MOST_STEPS = 10**9
"""A step a second for thirty years."""
MOST_IMAGES = 1 << 20
"""Of a step: thirty times the largest batches that have been of use."""
MOST_CHANNELS = 1 << 14
"""Of a layer, or bands: one that connects as many to as many takes 1 GB."""

ClassNumber = Annotated[int, Field(ge=-(2**63), lt=2**64)]
"""What a file of 64-bit integers may hold."""
Probability = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise PydanticCustomError(
            "odd", "has to have a centre: use {less} or {more}", {"less": max(1, value - 1), "more": value + 1}
        )
    return value


def _within(low: float, high: float, above: bool = False) -> AfterValidator:
    """[from, to] that ascends and lies in low..high; with ``above``, not at ``low`` itself."""
    bounds = f"above {low:g}" if above else f"at least {low:g}"
    bounds += "" if math.isinf(high) else f" and at most {high:g}"

    def check(pair: tuple[float, float]) -> tuple[float, float]:
        first, last = pair
        if min(pair) < low or max(pair) > high or (above and min(pair) == low):
            raise PydanticCustomError("ends", "both ends must be {bounds}", {"bounds": bounds})
        if first > last:
            raise PydanticCustomError(
                "order", "runs backwards: use [{last}, {first}]", {"first": f"{first:g}", "last": f"{last:g}"}
            )
        return pair

    return AfterValidator(check)


Odd = Annotated[int, Field(ge=1, le=MOST_PIXELS - 1), AfterValidator(_odd)]
Side = Annotated[int, Field(ge=1, le=MOST_PIXELS)]
Steps = Annotated[int, Field(ge=1, le=MOST_STEPS)]
Range = Annotated[tuple[float, float], _within(0, math.inf)]
PositiveRange = Annotated[tuple[float, float], _within(0, math.inf, above=True)]
ShareRange = Annotated[tuple[float, float], _within(0, 1)]
PositiveShareRange = Annotated[tuple[float, float], _within(0, 1, above=True)]


class Section(BaseModel):
    """What all parts of a recipe share: no unknown keys, no silent conversions, no changes afterwards."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
