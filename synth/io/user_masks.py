"""Masks that a user hands in: where defects may lie, and outlines to draw defects under."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from synth.errors import GeneratorError, SourceError
from synth.io.images import SUFFIXES, read_mask
from synth.io.names import same_name
from synth.suggest import closest

_STRETCH = 1.25
"""Largest change of a mask's proportions, height to width, by which it still fits an image."""


def read_region(path: Path) -> np.ndarray:
    """The legal region as bool (h, w). GeneratorError where it is missing or allows nothing."""
    if not path.is_file():
        raise GeneratorError(f"generator.legal_region: there is no file {path}; give an image, white where allowed")
    region = _read("generator.legal_region", path)
    if not region.any():
        raise GeneratorError(f"generator.legal_region: {path} is black everywhere; paint white where defects may lie")
    return region


def list_masks(folder: Path, defect: str) -> list[Path]:
    """The mask files for one defect type, sorted: folder/<defect>/*. GeneratorError where there is none."""
    if not folder.is_dir():
        raise GeneratorError(f"generator.masks: there is no folder {folder}; give one with a sub-folder a defect type")
    named = [place for place in sorted(folder.iterdir()) if place.is_dir()]
    place = next((place for place in named if same_name(place.name, defect)), folder / defect)
    found = sorted(p for p in place.glob("*") if p.suffix.lower() in SUFFIXES) if place.is_dir() else []
    if not found:
        near = closest(defect, (other.name for other in named if other != place))
        raise GeneratorError(
            f"generator.masks: no mask in {place}; put images there, white where a defect shall be"
            + (f", or rename {near}" if near else "")
        )
    return found


def read_wanted(path: Path) -> np.ndarray:
    """A mask to draw a defect under, bool (h, w). GeneratorError where it cannot be read or marks nothing."""
    mask = _read("generator.masks", path)
    if not mask.any():
        raise GeneratorError(f"generator.masks: {path} is black everywhere; paint white where a defect shall be")
    return mask


def check_shape(what: str, shape: tuple[int, ...], images: Iterable[tuple[int, ...]]) -> None:
    """GeneratorError where a mask of this shape (h, w) has the proportions of none of the images, each (H, W, ...): it
    is stretched to them. what: the mask, for the message."""
    ratios = {image[:2]: image[0] / image[1] / (shape[0] / shape[1]) for image in images}
    if ratios and all(max(ratio, 1 / ratio) > _STRETCH for ratio in ratios.values()):
        height, width = min(ratios, key=lambda size: max(ratios[size], 1 / ratios[size]))
        raise GeneratorError(
            f"{what} is {shape[0]} x {shape[1]} (height x width), the good images are {height} x {width}; it is "
            "stretched to each, so give it their proportions"
        )


def check_room(what: str, mask: np.ndarray, wheres: Iterable[np.ndarray]) -> None:
    """GeneratorError where a mask, stretched, leaves no pixel of any of these regions (H, W) bool."""
    if not any((stretch(mask, (where.shape[0], where.shape[1])) & where).any() for where in wheres):
        raise GeneratorError(f"{what} allows no pixel on the product in any good image; paint it where the product is")


def _read(field: str, path: Path) -> np.ndarray:
    try:
        return read_mask(path)
    except SourceError as problem:
        raise GeneratorError(f"{field}: {problem}") from problem


def stretch(mask: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A mask (h, w) bool resized to (H, W); a pixel is True when any of the mask's pixels under it is."""
    height, width = shape
    if mask.shape == shape:
        return mask
    soft = Image.fromarray(mask.astype(np.float32)).resize((width, height), Image.Resampling.BOX)
    return np.asarray(soft) > 0
