"""Accept or reject: the verdict every check returns.

A reject names a fixed reason word, for counting, and a detail, for people:

| reason         | the candidate                                                               |
|----------------|-----------------------------------------------------------------------------|
| not_finite     | carries a score or a coordinate that is NaN or infinite                     |
| no_place       | was not drawn: no place was found where its surroundings fit                |
| blank_mask     | has no mask, or a mask without a single pixel                               |
| tiny_mask      | has a mask smaller than `min_area`                                          |
| large_mask     | has a mask larger than `max_area`                                           |
| off_product    | has a mask that lies beside the product                                     |
| out_of_place   | lies where nothing around it looks as around the shots of its type          |
| invisible      | looks inside its mask as the good image it started from                     |
| misplaced      | changed more outside its mask than inside                                   |
| loose_mask     | changed in a small part of its mask only                                    |
| wide_mask      | has a mask whose rim, or a piece of which, did not change                   |
| low_confidence | has a mask that the mask head itself doubts                                 |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Reason = Literal[
    "not_finite",
    "no_place",
    "blank_mask",
    "tiny_mask",
    "large_mask",
    "off_product",
    "out_of_place",
    "invisible",
    "misplaced",
    "loose_mask",
    "wide_mask",
    "low_confidence",
]


REMEDIES: dict[str, str] = {
    "not_finite": "look for NaN in the source's geometry",
    "no_place": "ask for smaller defects, allow more of the part, or give good images with room for them",
    "blank_mask": "give clearer shots or, where the generator trains, train longer",
    "tiny_mask": "ask for larger defects, or lower checks.min_area",
    "large_mask": "ask for smaller defects, or raise checks.max_area",
    "off_product": "correct source.foreground, or lower checks.min_on_product",
    "out_of_place": "give good images that look like the shots, or raise checks.max_misfit",
    "invisible": "ask for stronger defects, or lower checks.min_contrast",
    "misplaced": "look whether the masks of the shots are right, or lower checks.min_agreement",
    "loose_mask": "look whether the masks of the shots are right, or lower checks.min_covered",
    "wide_mask": "draw the masks of the shots closer, or lower checks.min_tight",
    "low_confidence": "train longer, or lower checks.min_confidence",
}
"""What to do where most candidates are rejected for one reason."""


@dataclass(frozen=True, slots=True)
class Accept:
    """The candidate may enter the dataset."""


@dataclass(frozen=True, slots=True)
class Reject:
    """The candidate is kept aside: a fixed reason word and what was measured against what was wanted."""

    reason: Reason
    detail: str


Verdict = Accept | Reject
ACCEPT = Accept()
