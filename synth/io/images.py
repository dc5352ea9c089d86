"""Images from and to disk. Whatever a camera writes becomes uint8 RGB (H, W, 3), upright, or a SourceError that names
the file, what is wrong with it and what to do; `synth.io.masks` does the same for masks.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from synth.io.atomic import replacing
from synth.io.decoding import FORMATS, Decoded, decode
from synth.io.depths import as_eight_bits, to_eight_bits, white_of
from synth.io.hashes import HASH_SIDE, hash_distances, perceptual_hash, turns
from synth.io.masks import MASK_REMEDY, read_mask
from synth.io.memory import MOST_PIXELS
from synth.io.orientation import upright

__all__ = [
    "FORMATS",
    "HASH_SIDE",
    "MASK_REMEDY",
    "MOST_PIXELS",
    "SUFFIXES",
    "Photo",
    "content_hash",
    "hash_distances",
    "perceptual_hash",
    "read_image",
    "read_levels",
    "read_mask",
    "read_photo",
    "to_eight_bits",
    "turns",
    "white_of",
    "write_png",
]

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm", ".jp2")
"""File names that are taken for images, in lower case."""


class Photo(NamedTuple):
    """An image as it is read. image: uint8 RGB (H, W, 3). white: the value of white in more than 8 bits, None in 8.
    orientation: its EXIF tag. told: what was inferred, topic -> the end of a sentence "<file> ..."."""

    image: np.ndarray
    white: int | None
    orientation: int
    told: dict[str, str]


def read_image(path: str | Path) -> np.ndarray:
    """RGB uint8 (H, W, 3) of any still image: grey, colour, palette, CMYK, with alpha (dropped: the colours count as
    stored), turned upright by its EXIF tag. Deeper images are scaled as in `as_eight_bits`."""
    return read_photo(path).image


def read_levels(path: str | Path, white: int | None = None) -> tuple[np.ndarray, int | None]:
    """What `read_image` gives, with `white` as the value of white in deeper images; and the value that was white, None
    for an image of 8 bits."""
    return read_photo(path, white)[:2]


def read_photo(path: str | Path, white: int | None = None, turned: bool = True) -> Photo:
    """An image with all that was inferred; `turned` = upright by its EXIF tag, not as it is stored."""
    found = decode(path)
    if isinstance(found.pixels, Image.Image):
        rgb = found.pixels if found.pixels.mode == "RGB" else found.pixels.convert("RGB")
        image, white, told = np.array(rgb), None, _told(found.pixels)
    else:
        image, white, told = _scaled(found, found.pixels, path, white)
    return Photo(upright(image, found.orientation) if turned else image, white, found.orientation, told)


def write_png(path: str | Path, array: np.ndarray) -> None:
    """Lossless and whole or not at all: uint8 (H, W, 3) RGB, uint8 (H, W) grey, or bool (H, W) as 0 and 255."""
    pixels = array.astype(np.uint8) * 255 if array.dtype == np.bool_ else array
    with replacing(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG", compress_level=4)


def content_hash(image: np.ndarray | str | Path) -> str:
    """sha256 of shape and pixels: equal for two files that decode to the same image, whatever their format."""
    pixels = image if isinstance(image, np.ndarray) else read_image(image)
    digest = hashlib.sha256(f"{pixels.dtype.str}{pixels.shape}".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def _told(pixels: Image.Image) -> dict[str, str]:
    told = {}
    if pixels.mode == "CMYK":
        told["colour"] = "is CMYK and read as RGB without its colour profile"
    if pixels.mode in ("RGBA", "LA", "PA") and np.asarray(pixels.getchannel("A")).min() < 255:
        told["alpha"] = "has transparent pixels, which are read in the colours that are stored below"
    return told


def _scaled(
    found: Decoded, values: np.ndarray, path: str | Path, white: int | None
) -> tuple[np.ndarray, int, dict[str, str]]:
    """uint8 RGB of more than 8 bits, what was white in it, and what is to be told of that."""
    colours = values[..., :3] if values.ndim == 3 else values[..., None]
    scaled, used = as_eight_bits(colours, path, white or found.white)
    told = {}
    if values.dtype.kind == "f" and values.max() <= 1:
        told["white level"] = "holds floating point numbers and is read with 1 as white"
    elif white is None and found.white is None:
        told["white level"] = f"is read with {used} as white, as its brightest pixel suggests"
    if values.shape[2:] == (4,) and int(values[..., 3].min()) < 65535:
        told["alpha"] = "has transparent pixels, which are read in the colours that are stored below"
    return (np.repeat(scaled, 3, axis=-1) if values.ndim == 2 else scaled), used, told
