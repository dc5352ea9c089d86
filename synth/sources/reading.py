"""The image and the mask behind an entry, read as the recipe says, with what had to be inferred."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np

from synth.errors import SourceError
from synth.io.images import Photo, read_photo
from synth.io.masks import Marks, Value, read_marks, size_differs
from synth.io.orientation import WORDS, as_stored
from synth.sources.notes import Note

Orientation = Literal["auto", "exif", "stored"]
InvertedMasks = Literal["refuse", "accept", "invert"]

UNSURE = (
    "say which values mark the defect in source.mask_values, or which types they are in source.classes, or save black "
    "(0) with the defect white (255 or 1), one file for each defect type"
)
_FIELDS = {"white level": "source.white_level"}
_CLEARLY = 1.0
"""By how much more a mask has to differ from its surroundings where an image is laid the right way."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a recipe says about image files; the fields of `synth.sources.config`, None where it leaves them open."""

    white: int | None = None
    orientation: Orientation = "auto"
    mask_values: tuple[Value, ...] | None = None
    inverted_masks: InvertedMasks = "refuse"


class Pair(NamedTuple):
    """uint8 (H, W, 3), bool (H, W), the value of white, and what was inferred. fits: how the image has to be laid for
    the mask to be on something, where their files say different turns and it can be seen."""

    image: np.ndarray
    mask: np.ndarray
    white: int | None
    notes: tuple[Note, ...]
    fits: Literal["exif", "stored"] | None = None


def read_pair(image: Path, mask: Path | None, reading: Reading) -> Pair:
    """An image and its mask, all-False without one. Raises SourceError where one cannot be read or their sizes differ."""
    turned = reading.orientation != "stored"
    photo = read_photo(image, reading.white, turned)
    notes = [Note(topic, text, _FIELDS.get(topic)) for topic, text in photo.told.items()]
    size = photo.image.shape[:2]
    if mask is None:
        notes.extend(_turns(photo, None, reading))
        return Pair(photo.image, np.broadcast_to(np.False_, size), photo.white, tuple(notes))
    marks = read_marks(mask, reading.mask_values, turned, UNSURE)
    if marks.mask.shape != size:
        raise SourceError(_sizes_differ(mask, photo, marks, turned))
    marked = ~marks.mask if reading.inverted_masks == "invert" else marks.mask
    if marks.told is not None:
        notes.append(Note("mask values", f"has a mask that {marks.told}", "source.mask_values"))
    notes.extend(_turns(photo, marks, reading))
    unsure = reading.orientation == "auto" and photo.orientation != marks.orientation and marked.any()
    fits = _fit(photo, marked, marks.orientation) if unsure else None
    return Pair(photo.image, marked, photo.white, tuple(notes), fits)


def _turns(photo: Photo, marks: Marks | None, reading: Reading) -> Iterator[Note]:
    """What the orientation tags of an image and its mask led to, where one has such a tag."""
    if reading.orientation == "stored":
        return
    own = WORDS.get(photo.orientation)
    other = own if marks is None else WORDS.get(marks.orientation)
    if own != other:
        of_image, of_mask = (f"is {word}" if word else "is not turned" for word in (own, other))
        if reading.orientation == "auto":
            text = f"{of_image} by its EXIF tag, and its mask {of_mask}: check that they agree"
            yield Note("orientation", text, "source.orientation", warning=True)
    elif own:
        yield Note("orientation", f"is {own} as its EXIF tag says", "source.orientation")


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
    around = (cv2.dilate(inside, np.ones((reach, reach), np.uint8)) > gap)
    if not around.any():
        return 0.0
    marked, other = grey[mask], grey[around]
    spread, own = float(other.std()) + 1, float(marked.std()) + 1
    return abs(float(marked.mean()) - float(other.mean())) / spread + abs(float(np.log(own / spread)))
