"""The names of output formats in a recipe: those of `synth.writers.WRITERS`, whatever is in it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticKnownError

from synth.writers import WRITERS


def _known(name: str) -> str:
    if name not in WRITERS:
        *most, last = map(repr, WRITERS)
        raise PydanticKnownError("literal_error", {"expected": f"{', '.join(most)} or {last}"})
    return name


def _name_all(schema: dict[str, Any]) -> None:
    schema["enum"] = list(WRITERS)


FormatName = Annotated[str, AfterValidator(_known), Field(json_schema_extra=_name_all)]
"""A name in the registry; in the JSON schema an enum."""


def describe_formats() -> str:
    """Every format with what it is, for people."""
    known = ", ".join(f"{name} ({format.summary})" for name, format in WRITERS.items())
    return f"One format or a list of them: {known}."
