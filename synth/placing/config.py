"""The fields by which a recipe says where defects may go; shared by the `generator:` blocks that place shots'
defects."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

Trust = Literal["context", "own", "anywhere"]
"""How far surroundings decide where a defect goes."""


def _degrees(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"turn is {str(value).lower()}, wanted degrees to either side: 180 for any angle, 0 for none")
    return value


Turn = Annotated[float | None, BeforeValidator(_degrees)]
"""Degrees to either side; None = measured."""

PLACEMENT: Any = Field(
    "context",
    description="Where a defect goes: wherever its surroundings fit (context), only near the place that it has in its "
    "own shot (own), or anywhere on the product (anywhere).",
)
TURN: Any = Field(
    None,
    description="How far a defect may be turned to either side; none = as far as the good parts are turned against "
    "each other, measured.",
    json_schema_extra={"unit": "degrees"},
    ge=0,
    le=180,
)
