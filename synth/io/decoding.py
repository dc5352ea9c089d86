"""A file of a still image as its file stores it: in its own depth, and not turned yet."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageFile
from PIL.Image import Transpose

from synth.errors import SourceError
from synth.io.memory import MOST_PIXELS, machine_memory
from synth.io.orientation import TAG
from synth.io.regular import quiet, regular_file
from synth.io.tiff import read_tiff
from synth.io.unreadable import unreadable

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF", "PPM", "JPEG2000")
"""What Pillow may take a file of a user for, whatever its name. Among its other formats are some that start another
program, as Encapsulated PostScript does."""

BYTES_A_PIXEL = 32
"""Memory that reading, hashing and inspecting an image of 8 bits and its mask takes at the most, measured."""

_FIRST_SIDEWAYS = 5
"""The least EXIF tag that means a turn by 90 degrees."""
_DEEP = ("I", "F", "I;16", "I;16B", "I;16L")
_GREY = ("1", "L", "P", *_DEEP)
_COLOURS = ("RGB", "RGBA", "LA", "PA", "RGBX", "CMYK", "YCbCr", "HSV")
"""Modes of Pillow that keep more than 8 bits, those of one channel, and others that have a meaning in RGB."""
_BITS, _COMPRESSION, _PHOTOMETRIC, _PLANAR, _FORMAT, _DNG = 258, 259, 262, 284, 339, 50706
"""Tags of TIFF."""
_WHITE_IS_ZERO, _SIGNED = 0, 2
"""A photometric interpretation of TIFF, and a sample format."""
_UNPACKED = (1, 8, 32946)
"""Compressions of TIFF that `read_tiff` unpacks: none and deflate."""
_RAW = (32803, 34892)
"""What the values of a raw TIFF (DNG) mean: a colour filter's pattern, or a sensor's own colours."""

_UNDONE = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_90,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_270,
}
"""What lays an image that was turned by its tag as it is stored."""
_SIZES, _FIRST_DEPTH, _HEAD = b"\xff\x4f\xff\x51", 38, 2**20
"""How the code stream of JPEG 2000 begins, where behind that a channel's bits stand, and bytes to look in."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """pixels: of up to 8 bits a channel as Pillow has them, in any of its modes, else an array (H, W), (H, W, 3) or
    (H, W, 4) of integers or floating point numbers. orientation: the EXIF tag that says how they are to be turned.
    white: the value of white where the file gives it."""

    pixels: Image.Image | np.ndarray
    orientation: int = 1
    white: int | None = None


def image_size(path: str | Path, turned: bool = True) -> tuple[int, int]:
    """(H, W) of an image, from the file's header alone; `turned` = upright by its EXIF tag. SourceError where it has
    none that can be read."""
    path = regular_file(path)
    try:
        with quiet("PIL"), warnings.catch_warnings(), _of_any_size():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=FORMATS) as image:
                lies = turned and image.getexif().get(TAG, 1) >= _FIRST_SIDEWAYS
                return (image.width, image.height) if lies else (image.height, image.width)
    except Exception as problem:  # each decoder fails in its own ways; the file is what the user can mend
        raise SourceError(unreadable(path, problem)) from problem


def decode(path: str | Path) -> Decoded:
    """A still image with its pixels in memory. Raises SourceError where the file is no regular one, of none of FORMATS,
    of several pages or frames, too large for the machine's memory, or broken in any way."""
    path = regular_file(path)
    try:
        with quiet("PIL"), warnings.catch_warnings(), _of_any_size():
            warnings.simplefilter("ignore")  # of what is odd in a file that can be read all the same
            return _decode(path)
    except SourceError:
        raise
    except Exception as problem:  # each decoder fails in its own ways; the file is what the user can mend
        raise SourceError(unreadable(path, problem)) from problem


def _decode(path: Path) -> Decoded:
    # By its name, Pillow would map a TIFF that is turned by 90 degrees into the memory as if it were not.
    with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
        _check_pixels(path, image.size)
        if image.format != "MPO" and getattr(image, "is_animated", False):
            raise SourceError(f"{path} holds several images (pages or frames); save the one you mean as PNG")
        if image.format == "TIFF":
            with _silent():
                return _decode_tiff(path, image)
        bits, white = _depth(path, image)
        image.load()
        orientation = image.getexif().get(TAG, 1)
    if bits > 8 and (image.mode not in _GREY or white is not None):
        return Decoded(_deep(path), orientation, white)
    return Decoded(_own_depth(path, image), orientation, white)


def _decode_tiff(path: Path, image: Image.Image) -> Decoded:
    tags = dict(image.tag_v2)  # type: ignore[attr-defined]
    if _DNG in tags or tags.get(_PHOTOMETRIC) in _RAW:
        raise SourceError(f"{path} is a raw file of a camera; develop it and export it as 16-bit TIFF or PNG")
    orientation, bits, planar = tags.get(TAG, 1), max(tags.get(_BITS, (1,))), tags.get(_PLANAR) == 2
    white = 2**bits - 1 if 8 < bits < 16 else None
    if (bits > 8 and tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO) or (bits == 8 and _SIGNED in tags.get(_FORMAT, ())):
        what = "8 bits with a sign" if bits == 8 else f"{bits} bits of which 0 is white"
        raise SourceError(f"{path} holds {what}, which are not read; export it with 8 or 16 bits, black as 0")
    image.load()
    if bits <= 8 or image.mode in _GREY:
        turn = _UNDONE.get(orientation)  # Pillow turns this format alone while it loads
        return Decoded(_own_depth(path, image if turn is None else image.transpose(turn)), orientation, white)
    if tags.get(_COMPRESSION, 1) in _UNPACKED:
        return Decoded(read_tiff(path), orientation, white)
    if planar or orientation in _UNDONE:
        what = "compressed colours of more than 8 bits, in planes or turned"
        raise SourceError(f"{path} holds {what}, which are not read; save it without compression, or as 16-bit PNG")
    return Decoded(_deep(path), 1, white)


def _depth(path: Path, image: ImageFile.ImageFile) -> tuple[int, int | None]:
    """Bits a channel of a file that is open and not loaded; and what is white in it, None where it does not say so."""
    kind = image.tile[0].args if image.tile else ""
    match image.format, kind:
        case "PPM", (str(), int(most)) if most > 255:
            return 16, None if most == 65535 else most
        case "PNG", _:
            return (16 if "16" in str(kind) else 8), None
        case "JPEG2000", _:
            with path.open("rb") as file:
                _, _, sizes = file.read(_HEAD).partition(_SIZES)
            return ((sizes[_FIRST_DEPTH] & 127) + 1 if len(sizes) > _FIRST_DEPTH else 8), None
    return 8, None


def _deep(path: Path) -> np.ndarray:
    """uint16 (H, W), (H, W, 3) or, with alpha, (H, W, 4) of a file that Pillow decoded to its end before, but not in
    its own depth."""
    with _silent():
        # One more byte: a text (PPM) may end in its last number, which OpenCV then takes for cut off.
        content = np.frombuffer(path.read_bytes() + b"\n", np.uint8)
        values = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16 or values.shape[2:] not in ((), (3,), (4,)):
        raise SourceError(f"{path} holds more than 8 bits in a way that is not read; save it as 16-bit PNG")
    return values if values.ndim == 2 else values[..., [2, 1, 0, 3][: values.shape[-1]]]


def _own_depth(path: Path, image: Image.Image) -> Image.Image | np.ndarray:
    if image.mode not in (*_GREY, *_COLOURS):
        raise SourceError(f"{path} holds colours of kind {image.mode}, which are not read; save it as RGB")
    return np.asarray(image) if image.mode in _DEEP else image


def _check_pixels(path: Path, size: tuple[int, int]) -> None:
    pixels = size[0] * size[1]
    memory = machine_memory()
    most = MOST_PIXELS if memory is None else memory // 2 // BYTES_A_PIXEL
    if pixels > most:
        found = f"is {size[1]} x {size[0]} (height x width), {_millions(pixels)} pixels"
        limit = f"{_millions(most)}, which take half of the memory"
        raise SourceError(f"{path} {found}, read are up to {limit}; cut it into tiles or scale it down")


def _millions(pixels: int) -> str:
    return f"{pixels / 10**6:,.0f} million" if pixels >= 10**7 else f"{pixels:,}"


@contextmanager
def _of_any_size() -> Iterator[None]:
    """Pillow's own limit of pixels, which knows nothing of the memory, out of force."""
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


@contextmanager
def _silent() -> Iterator[None]:
    """Keep what C libraries print of a file from the terminal: what matters of it, an error says."""
    try:
        kept = os.dup(2)
    except OSError:  # no stderr at all
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
