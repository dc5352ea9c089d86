"""Drawing again where a draw came to nothing: the one loop of the synthesizer, the schemes and the generator."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from synth.errors import GeneratorError
from synth.generators import BECAUSE

Result = TypeVar("Result")

ATTEMPTS = 20
"""Draws of one defect, each from streams of its own, before a good sample counts as having no room for it."""


def first_success(attempts: int, attempt: Callable[[int], Result], wanted: str) -> Result:
    """attempt(0), or attempt(1) where that raises GeneratorError, and so on. GeneratorError with the last reason where
    none of `attempts` succeeds; `wanted` begins its sentence, such as "plate: no dent"."""
    reason = "no attempt was made"
    for k in range(attempts):
        try:
            return attempt(k)
        except GeneratorError as refusal:
            reason = str(refusal)
    raise GeneratorError(f"{wanted} in {attempts} attempts{BECAUSE}{reason}")
