"""What all parts of a recipe share."""

import math
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

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
        if first > last:
            raise PydanticCustomError(
                "order", "runs backwards: use [{last}, {first}]", {"first": f"{first:g}", "last": f"{last:g}"}
            )
        if first < low or last > high or (above and first == low):
            raise PydanticCustomError("ends", "both ends must be {bounds}", {"bounds": bounds})
        return pair

    return AfterValidator(check)


Odd = Annotated[int, Field(ge=1), AfterValidator(_odd)]
Range = Annotated[tuple[float, float], _within(0, math.inf)]
PositiveRange = Annotated[tuple[float, float], _within(0, math.inf, above=True)]
ShareRange = Annotated[tuple[float, float], _within(0, 1)]
PositiveShareRange = Annotated[tuple[float, float], _within(0, 1, above=True)]


class Section(BaseModel):
    """What all parts of a recipe share: no unknown keys, no silent conversions, no changes afterwards."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
