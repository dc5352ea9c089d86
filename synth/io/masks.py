"""Masks from disk as bool (H, W), True on the defect, whatever a labelling tool writes: one value or one colour on
black, colour on white, on a transparent layer, by a palette's index, with soft edges. What is not sure is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from synth.errors import SourceError
from synth.io.decoding import decode
from synth.io.depths import to_eight_bits
from synth.io.orientation import upright

MASK_REMEDY = "a mask is black (0) with the defect white (255 or 1), one file for each defect type"

Value = int | str
"""What a mask stores on a defect: a grey value or a palette's index, or a colour such as "#ff0000"."""

_PLAIN = (1, 255, 65535)
"""Values of the defect, on 0, that need no word."""
_FEW = 32
"""Levels up to which a mask is taken to store exactly what was meant, instead of the noise of a JPEG."""
_WHITE = 192
"""Brightest pixel from which a mask with soft edges was meant to reach 255."""
_DARK, _NEAR = 0.06, 0.9
"""Shares of the brightest pixel up to which a pixel is background, and from which it is the defect itself."""
_SPECKS, _SHARE = 8, 0.1
"""Pixels, and with noise also the share of all marked ones, from which another value is a class of its own."""
_FLAT = 4
"""Grey levels that a JPEG adds to an area of one value, within 3 x 3 pixels."""
_BLOCK = 17
"""Side in px of the square around a pixel in which a JPEG may have left noise from it."""
_INK = 64
"""Levels below white from which there is something on white paper."""


class Marks(NamedTuple):
    """A mask as it is read: bool (H, W), the EXIF tag of its file, and what was inferred of the values on the defect,
    as the end of a sentence "<file> ...", None where nothing had to be."""

    mask: np.ndarray
    orientation: int
    told: str | None


class _Unclear(Exception):
    """What a mask holds, where it does not say what it means."""


class _NoMask(_Unclear):
    """What a file holds that is no mask at all."""


Found = tuple[np.ndarray, str | None]
"""The mask, and what is to be told of it."""


def read_mask(path: str | Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """The mask in a file, turned upright by its EXIF tag. `size` is the (H, W) of the image it marks.

    Raises SourceError for another size, for several classes in one file (colours, or grey levels that are no soft
    edge), for one without background, and for a photograph."""
    mask = read_marks(path).mask
    if size is not None and mask.shape != tuple(size):
        raise SourceError(size_differs(path, mask.shape, size))
    return mask


def class_values(path: str | Path) -> np.ndarray:
    """The numbers in a mask whose values are classes, (H, W), upright: the index of a palette, or the grey value.
    SourceError for colours."""
    found = decode(path)
    values = _stored(found.pixels)
    if values.ndim == 3:
        raise SourceError(f"{path} holds colours, wanted a number for each class; save it in grey or by a palette")
    return upright(values, found.orientation)


def types_in(path: str | Path, classes: Mapping[str, Sequence[Value]]) -> tuple[list[str], bool]:
    """Which of some types, each with its values, a mask shows; and whether it is black."""
    pixels = decode(path).pixels
    try:
        return [kind for kind, values in classes.items() if _holding(pixels, values).any()], not _stored(pixels).any()
    except _Unclear as problem:
        raise SourceError(f"{path} {problem}; {MASK_REMEDY}") from problem


def read_marks(
    path: str | Path,
    values: Sequence[Value] | None = None,
    turned: bool = True,
    remedy: str = MASK_REMEDY,
) -> Marks:
    """The mask in a file, with what was inferred. values: what marks the defect, None = to be inferred; turned: upright
    by its EXIF tag; remedy: what an error ends in where the meaning is not sure."""
    found = decode(path)
    try:
        mask, told = _meaning(found.pixels) if values is None else (_chosen(found.pixels, values), None)
    except _Unclear as problem:
        remedy = MASK_REMEDY if isinstance(problem, _NoMask) else remedy
        raise SourceError(f"{path} {problem}; {remedy}") from problem
    return Marks(upright(mask, found.orientation) if turned else mask, found.orientation, told)


def size_differs(path: str | Path, mask: tuple[int, ...], size: tuple[int, int]) -> str:
    """The sentence of the error for a mask of another (H, W) than its image."""
    wanted, found = (f"{h} x {w} (height x width)" for h, w in (size, mask))
    turned = "turn the mask by 90 degrees like its image" if tuple(mask) == tuple(size[::-1]) else ""
    return f"{path} is {found}, its image {wanted}; {turned or 'export the mask at the size of the image'}"


def _meaning(pixels: Image.Image | np.ndarray) -> Found:
    if isinstance(pixels, np.ndarray):
        return _from_deep(pixels)
    if pixels.mode in ("1", "L") and not pixels.has_transparency_data:
        return _from_grey(np.asarray(pixels).astype(np.uint8, copy=False))
    if pixels.has_transparency_data:
        return _from_layer(np.array(pixels.convert("RGBA")))
    return _from_palette(pixels) if pixels.mode == "P" else _from_rgb(np.array(pixels.convert("RGB")))


def _from_deep(values: np.ndarray) -> Found:
    if values.dtype.kind == "f":
        if not np.isin(values, (0, 1)).all():
            raise _NoMask("holds floating point numbers, not a mask")
        values = values.astype(np.uint8)
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    if low < 0 or high > 65535:
        raise _NoMask(f"holds values from {low} to {high}, not a mask")
    return _from_grey(values) if values.ndim == 2 else _from_rgb(to_eight_bits(values[..., :3]))


def _from_layer(rgba: np.ndarray) -> Found:
    """What is painted on a transparent layer, be it in white or in black."""
    colours, alpha = rgba[..., :3], rgba[..., 3]
    if alpha.min(initial=255) > 127:
        return _from_rgb(colours)
    if alpha.max() == 0 and (colours != colours[0, 0]).any():
        raise _Unclear("is transparent everywhere and holds colours all the same")
    visible = colours * (alpha > alpha.max() // 2)[..., None]
    if visible.any():
        return _from_rgb(visible)
    mask, told = _from_grey(alpha)
    return mask, told or ("is transparent but for what is taken for the defect" if mask.any() else None)


def _from_palette(pixels: Image.Image) -> Found:
    """By colour where black is among those used; else index 0 is the background, as in all sets of class numbers."""
    indices = np.asarray(pixels)
    used = np.flatnonzero(np.bincount(indices.ravel(), minlength=1))
    table = np.zeros((256, 3), np.uint8)
    stored = np.array(pixels.getpalette("RGB"), np.uint8).reshape(-1, 3)
    table[: len(stored)] = stored
    black = [index for index in used if not table[index].any()]
    if len(used) == 2 and (len(black) == 1 or used[0] == 0):
        (defect,) = used[used != (black[0] if len(black) == 1 else 0)]
        plain = defect == 1 or (table[defect] == 255).all()
        return indices == defect, None if plain and black else f"has a palette: index {defect} is taken for the defect"
    if len(used) == 1 and used[0] == 0 and not (table[0] == 255).all():
        return np.zeros(indices.shape, bool), None
    if not black and len(used) > 1:
        raise _Unclear(f"uses the indices {_listed(used)} of its palette, none of them black")
    try:
        return _from_rgb(table[indices])
    except _Unclear as problem:
        raise _Unclear(f"{problem}, by the indices {_listed(used)} of its palette") from problem


def _from_rgb(colours: np.ndarray) -> Found:
    """One colour on black or on white, edges soft or not. uint8 (H, W, 3)."""
    if (colours == colours[..., :1]).all():
        return _from_grey(colours[..., 0])
    kinds, painted = _kinds(colours), colours
    paper = ""
    if colours.max(axis=-1).min() > _DARK * 255 and kinds > 1:
        ink = 255 - colours
        if ink.min() > 0 or ink.max() < _INK or (ink.max(axis=-1) == 0).mean() < 0.25:
            raise _Unclear(f"is painted in {_named(colours)}, none of them black")
        colours, paper = ink, " on white"
    brightest = colours.max(axis=-1)
    lit = brightest > _cut(int(brightest.max()))
    foreign = _foreign_pixels(colours[lit])
    if foreign > (_SPECKS if kinds <= _FEW else max(_SPECKS, 0.01 * np.count_nonzero(lit))):
        shown = f": {_named(painted)}" if kinds <= _FEW else ""
        raise _Unclear(f"marks several classes in different colours{shown}")
    mask, told = _from_grey(brightest)
    painted = colours[lit][np.argmax(brightest[lit])]
    colour = "#{:02x}{:02x}{:02x}".format(*(255 - painted if paper else painted))
    said = f"is painted in a colour{paper}: {colour} is taken for the defect"
    return mask, said if told is None or kinds <= 2 else f"{told}, which is {colour}{paper}"


def _from_grey(values: np.ndarray) -> Found:
    """One value on 0, or from there up to white with soft edges. Integers (H, W) of up to 16 bits."""
    levels = np.flatnonzero(np.bincount(values.ravel(), minlength=1))
    top = int(levels[-1])
    if top == 0:
        return np.zeros(values.shape, bool), None
    if len(levels) == 1:
        return np.ones(values.shape, bool), f"is {top} everywhere, which is taken for the defect"
    if len(levels) == 2 and levels[0] == 0:
        return values == top, None if top in _PLAIN else f"holds values 0, {top}: {top} is taken for the defect"
    grey = values if values.dtype == np.uint8 else to_eight_bits(values)
    _refuse_photograph(grey)
    if _DARK * top < levels[0] < _NEAR * top:
        raise _Unclear(f"holds values {_listed(levels)}, none of them black")
    top = int(grey.max())
    lit = grey > _cut(top)
    if classes := _classes_below(grey, top, len(levels) <= _FEW):
        raise _Unclear(f"holds areas of value {_listed([*classes, top])}, which look like class numbers")
    return lit, f"has soft edges: above {_cut(top)} of {top} is taken for the defect"


def _cut(top: int) -> int:
    """The value that the defect exceeds where its edges are soft."""
    return 127 if top >= _WHITE else top // 2


def _classes_below(grey: np.ndarray, top: int, exact: bool) -> list[int]:
    """Values between background and defect that are more than a soft edge: flat areas (3 x 3 and up) and, in a file
    that is `exact`, thin lines apart from the defect. uint8 (H, W)."""
    between = (grey > (0 if exact else _DARK * top)) & (grey < _NEAR * top)
    limit = _SPECKS if exact else max(_SPECKS, _SHARE * np.count_nonzero(grey))
    if np.count_nonzero(between) <= limit:
        return []
    square = np.ones((3, 3), np.uint8)
    spread = cv2.subtract(cv2.dilate(grey, square), cv2.erode(grey, square))
    flat = between & (spread <= (0 if exact else _FLAT))
    if exact:
        near = cv2.dilate((grey >= _NEAR * top).astype(np.uint8), np.ones((_BLOCK, _BLOCK), np.uint8)).astype(bool)
        apart = between & ~near
        flat |= apart & (np.bincount(grey[apart], minlength=256) > limit)[grey]
    if np.count_nonzero(flat) <= limit:
        return []
    return np.flatnonzero(np.bincount(grey[flat], minlength=1)).tolist()


def _refuse_photograph(grey: np.ndarray) -> None:
    share = float(((grey >= 32) & (grey <= 223)).mean()) if grey.size else 0.0
    if share <= 0.5:
        return
    square = np.ones((3, 3), np.uint8)
    if (cv2.dilate(grey, square) == cv2.erode(grey, square)).mean() < 0.5:
        raise _NoMask(
            f"does not look like a mask ({share:.0%} of it is neither black nor white): are the names of the image "
            "and its mask swapped?"
        )


def _kinds(colours: np.ndarray) -> int:
    """How many different colours are in (H, W, 3) uint8."""
    packed = cv2.merge([colours, np.zeros(colours.shape[:2], np.uint8)]).view(np.uint32)
    return len(np.unique(packed))


def _foreign_pixels(lit: np.ndarray) -> int:
    """How many of the pixels (N, 3) uint8, none of them black, are of another hue than most."""
    packed = lit[:, 0].astype(np.uint32) << 16
    packed |= lit[:, 1].astype(np.uint32) << 8
    packed |= lit[:, 2]
    colours, count = np.unique(packed, return_counts=True)
    channels = np.stack([colours >> shift & 255 for shift in (16, 8, 0)])
    foreign = np.zeros(len(colours), bool)
    for hue in channels / channels.max(axis=0):
        order = np.argsort(hue)
        so_far = np.cumsum(count[order])
        median = hue[order[np.searchsorted(so_far, so_far[-1] / 2)]]
        foreign |= np.abs(hue - median) > 0.35
    return int(count[foreign].sum())


def _chosen(pixels: Image.Image | np.ndarray, chosen: Sequence[Value]) -> np.ndarray:
    """Where a file stores one of these values; _Unclear where it stores others only."""
    mask, stored = _holding(pixels, chosen), _stored(pixels)
    if not mask.any() and stored.any():
        held = _named(stored) if stored.ndim == 3 else f"values {_listed(np.unique(stored))}"
        raise _Unclear(f"holds {held} and none of source.mask_values, {_listed(chosen)}")
    return mask


def _holding(pixels: Image.Image | np.ndarray, chosen: Sequence[Value]) -> np.ndarray:
    """Where a file stores one of these values, bool (H, W)."""
    stored = _stored(pixels)
    values = [value for value in chosen if isinstance(value, int)]
    mask = np.zeros(stored.shape[:2], bool) if stored.ndim == 3 else np.isin(stored, values)
    colours = [value for value in chosen if isinstance(value, str)]
    if colours:
        if isinstance(pixels, np.ndarray):
            raise _Unclear("holds more than 8 bits, for which source.mask_values takes numbers alone")
        rgb = np.array(pixels.convert("RGB"))
        for colour in colours:
            mask |= (rgb == np.frombuffer(bytes.fromhex(colour[1:]), np.uint8)).all(axis=-1)
    return mask


def _stored(pixels: Image.Image | np.ndarray) -> np.ndarray:
    """Numbers (H, W) as a file stores them, or (H, W, 3) where they are colours."""
    if isinstance(pixels, np.ndarray):
        return pixels
    if pixels.mode in ("1", "L", "P"):
        return np.asarray(pixels).astype(np.uint8, copy=False)
    colours = np.array(pixels.convert("RGB"))
    return colours[..., 0] if (colours == colours[..., :1]).all() else colours


def _named(colours: np.ndarray) -> str:
    """The colours that most pixels (H, W, 3) have."""
    found, count = np.unique(colours.reshape(-1, 3), axis=0, return_counts=True)
    most = np.argsort(-count, kind="stable")
    return _listed(["#{:02x}{:02x}{:02x}".format(*found[place]) for place in most])


def _listed(values: Sequence[object] | np.ndarray) -> str:
    shown = ", ".join(map(str, values[:6]))
    return f"{shown} and {len(values) - 6} more" if len(values) > 6 else shown
