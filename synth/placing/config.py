"""The fields by which a recipe says where defects may go; shared by the `generator:` blocks that place shots'
defects."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

Trust = Literal["context", "own", "anywhere"]
"""How far surroundings decide where a defect goes."""

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
