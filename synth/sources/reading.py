"""The image and the mask behind an entry, read as the recipe says, with what had to be inferred."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np

from synth.errors import SourceError
from synth.io.images import Photo, read_photo
from synth.io.masks import Marks, Value, read_marks, size_differs
from synth.io.orientation import WORDS, as_stored
from synth.sources.notes import Note

UNSURE = (
    "say which values mark the defect in source.mask_values, or which types they are in source.classes, or save black "
    "(0) with the defect white (255 or 1), one file for each defect type"
)
IMAGE_FIELDS = ("white_level", "orientation", "mask_values", "inverted_masks")
"""Fields of a `source:` block that say how image files are read."""
_FIELDS = {"white level": "source.white_level"}
_CLEARLY = 1.0
"""By how much more a mask has to differ from its surroundings where an image is laid the right way."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How image files are read; `synth.sources.config` describes the fields. mask_values: None = auto."""

    white: int | None = None
    orientation: Literal["auto", "exif", "stored"] = "auto"
    mask_values: tuple[Value, ...] | None = None
    inverted_masks: Literal["refuse", "accept", "invert"] = "refuse"


UNSAID = Reading()


def reading_of(said: Mapping[str, Any]) -> Reading:
    """What those of IMAGE_FIELDS that are given say."""
    values = said.get("mask_values", "auto")
    rest = {name: said[name] for name in ("orientation", "inverted_masks") if name in said}
    return Reading(said.get("white_level"), mask_values=None if values == "auto" else tuple(values), **rest)


class Pair(NamedTuple):
    """uint8 (H, W, 3), bool (H, W), the value of white, and what was inferred. fits: how the image has to be laid for
    the mask to be on something, where their files say different turns and it can be seen."""

    image: np.ndarray
    mask: np.ndarray
    white: int | None
    notes: tuple[Note, ...]
    fits: Literal["exif", "stored"] | None = None


def read_pair(image: Path, mask: Path | None, reading: Reading, alone: bool = True) -> Pair:
    """An image and its mask, all-False without one. alone: no organised cloud belongs to them. Raises SourceError where
    a file cannot be read, or their sizes differ."""
    turned = reading.orientation != "stored"
    photo = read_photo(image, reading.white, turned)
    notes = [Note(topic, text, _FIELDS.get(topic)) for topic, text in photo.told.items()]
    if not alone:
        notes.extend(_turns(photo.orientation, 1, "cloud", reading))
    if mask is None:
        notes.extend(_turns(photo.orientation, photo.orientation, "mask", reading) if alone else ())
        nothing = np.broadcast_to(np.False_, photo.image.shape[:2])
        return Pair(photo.image, nothing, photo.white, tuple(notes))
    marks = read_marks(mask, reading.mask_values, turned, UNSURE)
    if marks.mask.shape != photo.image.shape[:2]:
        raise SourceError(_sizes_differ(mask, photo, marks, turned))
    if marks.told is not None:
        notes.append(Note("mask values", f"has a mask that {marks.told}", "source.mask_values"))
    notes.extend(_turns(photo.orientation, marks.orientation, "mask", reading))
    marked = marks.mask
    if reading.inverted_masks == "invert":
        marked = ~marked
        notes.append(Note("mask values", "has a mask whose black and white are swapped", "source.inverted_masks"))
    unsure = reading.orientation == "auto" and photo.orientation != marks.orientation and marked.any()
    fits = _fit(photo, marked, marks.orientation) if unsure else None
    return Pair(photo.image, marked, photo.white, tuple(notes), fits)


def _turns(of_image: int, of_other: int, other: str, reading: Reading) -> Iterator[Note]:
    """What the EXIF tags of an image and of its mask, or of its cloud, which has none, led to."""
    if reading.orientation == "stored" or (of_image not in WORDS and of_other not in WORDS):
        return
    image, laid = (WORDS.get(tag, "not turned") for tag in (of_image, of_other))
    if image == laid:
        yield Note("orientation", f"is {image} as its EXIF tag says", "source.orientation")
    elif reading.orientation == "auto":
        text = f"is {image} by its EXIF tag, but its {other} is {laid}, so that they may not agree"
        yield Note("orientation", text, "source.orientation", warning=True)


def _sizes_differ(file: Path, photo: Photo, marks: Marks, turned: bool) -> str:
    text = size_differs(file, marks.mask.shape, photo.image.shape[:2])
    stored = as_stored(photo.image[..., 0], photo.orientation), as_stored(marks.mask, marks.orientation)
    if turned and stored[0].shape == stored[1].shape:
        return f"{text}, or say source.orientation: stored where the mask was drawn on the image as it is stored"
    return text


def _fit(photo: Photo, mask: np.ndarray, mask_orientation: int) -> Literal["exif", "stored"] | None:
    """Whether an image under its mask shows more of a difference to the surroundings upright or as both are stored,
    None where neither does clearly."""
    image, laid = as_stored(photo.image, photo.orientation), as_stored(mask, mask_orientation)
    if image.shape[:2] != laid.shape:
        return None
    upright, stored = _contrast(photo.image, mask), _contrast(image, laid)
    if abs(upright - stored) < _CLEARLY:
        return None
    return "exif" if upright > stored else "stored"


def _contrast(image: np.ndarray, mask: np.ndarray) -> float:
    """How much the pixels in a mask differ from those around it: their means by the standard deviation around it, and
    the logarithm of their standard deviations' ratio."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    inside = mask.astype(np.uint8)
    reach = 2 * max(3, round(float(np.sqrt(mask.sum())) / 2)) + 1
    gap = cv2.dilate(inside, np.ones((3, 3), np.uint8))
    around = cv2.dilate(inside, np.ones((reach, reach), np.uint8)) > gap
    if not around.any():
        return 0.0
    marked, other = grey[mask], grey[around]
    spread, own = float(other.std()) + 1, float(marked.std()) + 1
    return abs(float(marked.mean()) - float(other.mean())) / spread + abs(float(np.log(own / spread)))
