"""The fields by which a recipe says where defects may go; shared by the `generator:` blocks that place shots'
defects."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

Trust = Literal["context", "own", "anywhere"]
"""How far surroundings decide where a defect goes."""


def _degrees(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"turn is {str(value).lower()}, wanted degrees to either side: 180 for any angle, 0 for none")
    return value


Turn = Annotated[float | None, BeforeValidator(_degrees)]
"""Degrees to either side; None = measured."""

Range = tuple[float, float]
"""The least and the largest value."""
SEVEREST = (0.3, 2.0)
"""The least and the largest severity that can be asked for."""


def _severity(value: Range) -> Range:
    if not SEVEREST[0] <= value[0] <= value[1] <= SEVEREST[1]:
        raise ValueError(
            f"severity is [{value[0]:g}, {value[1]:g}], wanted two numbers of {SEVEREST[0]:g} to {SEVEREST[1]:g}, the "
            "smaller one first; 1 = as severe as the shots"
        )
    return value


Severity = Annotated[Range, AfterValidator(_severity)]
"""Multiples of the shots' own severity, drawn evenly in their logarithm."""

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
SEVERITY: Any = Field(
    (1.0, 1.0),
    description="How severe defects are, 0.3 to 2: their contrast is multiplied by it, and their size by its square "
    "root.",
    json_schema_extra={"unit": "multiple of the shots' own"},
)
