"""What placement takes for granted about a product, as sentences for people: nothing is inferred in silence."""

from __future__ import annotations

from collections.abc import Sequence

from synth.placing.surroundings import SURVEYED, Surroundings
from synth.placing.turning import ANY
from synth.sample import Sample


def turning_notes(good_images: Sequence[Sample], turn: float | None = None) -> tuple[str, ...]:
    """How far the defects of each product among the good images will be turned, one sentence a product; `turn` as in a
    recipe's generator.turn."""
    notes = []
    for product in sorted({str(good.product) for good in good_images}):
        own = [good for good in good_images if good.product == product]
        known = Surroundings([], own[:: max(1, len(own) // SURVEYED)], turn)
        notes.append(f"{product}: {_sentence(known.turn_limit, turn is not None, len(own))}")
    return tuple(notes)


def _sentence(limit: float, asked: bool, good_images: int) -> str:
    how = "by any angle" if limit >= ANY else f"by up to {limit:.0f} degrees"
    if asked:
        return f"defects are turned {how}, as generator.turn says"
    why = "good parts lie, or look alike, at any angle" if limit >= ANY else "good parts are turned no further"
    if good_images < 2:
        why = "one good image does not show how far parts are turned"
    return f"defects are turned {how}: {why}; set generator.turn to change it"
