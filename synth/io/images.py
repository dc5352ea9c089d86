"""Images and masks from and to disk, and the two hashes that tell images apart.

Whatever a camera or a labelling tool writes becomes uint8 RGB (H, W, 3) or bool (H, W), upright, or a SourceError that
names the file, what is wrong with it and what to do.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from scipy.ndimage import maximum_filter, minimum_filter

from synth.errors import SourceError
from synth.io.atomic import replacing

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm", ".jp2")
"""File names that are taken for images, in lower case."""

HASH_SIDE = 32
_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)
"""What the decoders of Pillow raise for broken files."""
MASK_REMEDY = "a mask is black (0) with the defect white (255 or 1), one file for each defect type"


def read_image(path: str | Path) -> np.ndarray:
    """RGB uint8 (H, W, 3) of any still image: grey, colour, palette, CMYK, with alpha (dropped: the colours count as
    stored), turned upright by its EXIF tag. Deeper grey is scaled as in `to_eight_bits`."""
    return read_levels(path)[0]


def read_levels(path: str | Path, white: int | None = None) -> tuple[np.ndarray, int | None]:
    """What `read_image` gives, with `white` as the value of white in deeper grey; and the value that was white, None
    for an image of 8 bits."""
    with _opened(Path(path)) as image:
        if image.mode == "F":
            raise SourceError(f"{path} holds floating point numbers; export it with 8 or 16 bits")
        if _is_deep(image):
            values = np.asarray(image)
            white = white or white_of(values)
            return np.repeat(to_eight_bits(values, path, white)[..., None], 3, axis=-1), white
        return np.array(image.convert("RGB")), None


def read_mask(path: str | Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """Bool (H, W), True on the defect: above 127 of 8 bits in any channel, or 1 where the file holds only 0 and 1.
    16 bits and soft edges are fine; transparent pixels are no defect. `size` is the (H, W) of the image it marks.

    Raises SourceError for another size, for several classes in one file (colours, or flat grey levels of which some
    lie below the threshold) and for a photograph."""
    with _opened(Path(path)) as image:
        values = _mask_channels(image, path)
    if size is not None and values.shape[:2] != tuple(size):
        raise SourceError(_size_differs(path, values.shape[:2], size))
    brightest = values.max(axis=-1)
    if brightest.max(initial=0) == 1:
        return brightest == 1
    _refuse_photograph(path, brightest)
    _refuse_classes(path, values, brightest)
    return brightest > 127


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


def perceptual_hash(image: np.ndarray) -> np.ndarray:
    """A 32 x 32 uint8 grey thumbnail of `image` (H, W, 3): close for re-encoded or resized copies, and turned or
    mirrored like them. Compare with `hash_distances`; `synth.checks.ledger` says how close is one image."""
    grey = Image.fromarray(image).convert("L")
    return np.array(grey.resize((HASH_SIDE, HASH_SIDE), Image.Resampling.HAMMING))


def turns(thumbnail: np.ndarray) -> np.ndarray:
    """The eight ways to lay a square image: (8, side, side); the first is `thumbnail` itself."""
    return np.stack([np.rot90(way, quarter) for way in (thumbnail, thumbnail.T) for quarter in range(4)])


def hash_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Root mean square difference in grey levels of every thumbnail in `first` (N, s, s) and `second`
    (M, s, s), at the best of the eight ways to lay one on the other: (N, M) float32, 0 = alike."""
    rows = first.reshape(len(first), -1).astype(np.float32) - 128
    ways = np.stack([turns(thumbnail) for thumbnail in second], axis=1).astype(np.float32) - 128
    columns = ways.reshape(8 * len(second), -1)
    products = (rows @ columns.T).reshape(len(first), 8, len(second)).max(axis=1)
    own = np.square(columns[: len(second)]).sum(1)
    squares = np.square(rows).sum(1)[:, None] + own[None, :] - 2 * products
    return np.sqrt(np.maximum(squares, 0) / rows.shape[1])


def to_eight_bits(values: np.ndarray, path: str | Path = "the array", white: int | None = None) -> np.ndarray:
    """Integers of up to 16 bits as uint8: `white`, by default `white_of(values)`, and all beyond it become 255."""
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    if low < 0 or high > 65535:
        raise SourceError(f"{path} holds values from {low} to {high}; export it with 8 or 16 bits")
    white = white or white_of(values)
    return np.round(np.minimum(values, white) * (255 / white)).astype(np.uint8)


def white_of(values: np.ndarray) -> int:
    """The value of white that the brightest pixel suggests: 255, 4095 (a 12-bit camera) or 65535. Images of one
    camera may suggest different ones, which `synth.sources.listing` refuses."""
    high = int(values.max(initial=0))
    return 255 if high <= 255 else 4095 if high <= 4095 else 65535


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The decoded image, upright. Every way in which a decoder can fail becomes a SourceError."""
    if not path.is_file():
        raise SourceError(f"{path} is not a file; check the name")
    if path.stat().st_size == 0:
        raise SourceError(f"{path} is empty (0 bytes); copy or export it again")
    try:
        with Image.open(path) as image:
            images = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
            if images > 1:
                raise SourceError(f"{path} holds {images} images (pages or frames); save the one you mean as PNG")
            image.load()
            yield ImageOps.exif_transpose(image)
    except _UNREADABLE as problem:
        why = "its format is unknown" if isinstance(problem, UnidentifiedImageError) else problem
        raise SourceError(f"{path} cannot be read as an image ({why}); copy it again or export it as PNG") from problem


def _is_deep(image: Image.Image) -> bool:
    return image.mode == "I" or image.mode.startswith("I;16")


def _mask_channels(image: Image.Image, path: str | Path) -> np.ndarray:
    """uint8 (H, W, C) with C = 1 or 3, black where transparent."""
    if image.mode == "F":
        raise SourceError(f"{path} holds floating point numbers, not a mask; {MASK_REMEDY}")
    if _is_deep(image):
        return to_eight_bits(np.asarray(image), path)[..., None]
    if image.mode in ("1", "L"):
        return np.array(image.convert("L"))[..., None]
    rgba = np.array(image.convert("RGBA"))
    colours, alpha = rgba[..., :3], rgba[..., 3:]
    if alpha.min() > 127:
        return colours
    # A mask painted on a transparent layer, be it in white or in black.
    visible = colours * (alpha > 127)
    return visible if visible.any() else alpha


def _size_differs(path: str | Path, mask: tuple[int, ...], size: tuple[int, int]) -> str:
    wanted, found = (f"{h} x {w} (height x width)" for h, w in (size, mask))
    turned = "turn the mask by 90 degrees like its image" if tuple(mask) == tuple(size[::-1]) else ""
    return f"{path} is {found}, its image {wanted}; {turned or 'export the mask at the size of the image'}"


def _refuse_photograph(path: str | Path, grey: np.ndarray) -> None:
    share = float(((grey >= 32) & (grey <= 223)).mean()) if grey.size else 0.0
    flat = maximum_filter(grey, 3) == minimum_filter(grey, 3)
    if share > 0.5 and flat.mean() < 0.5:
        raise SourceError(
            f"{path} does not look like a mask ({share:.0%} of it is neither black nor white): are the names of the "
            f"image and its mask swapped? {MASK_REMEDY}"
        )


def _refuse_classes(path: str | Path, values: np.ndarray, brightest: np.ndarray) -> None:
    """Several classes in one file: lit pixels of different hue, or flat areas (3 x 3 and up) below the threshold."""
    lit = brightest > 127
    if values.shape[-1] == 3 and lit.any():
        hue = values[lit] / brightest[lit][:, None]
        foreign = np.abs(hue - np.median(hue, axis=0)).max(axis=-1) > 0.35
        if foreign.sum() > max(8, 0.01 * len(hue)):
            raise SourceError(f"{path} marks several classes in different colours; {MASK_REMEDY}")
    levels = np.unique(brightest[brightest > 0])
    if len(levels) > 32:
        return
    flat = maximum_filter(brightest, 3) == minimum_filter(brightest, 3)
    dim = flat & (brightest > 0) & ~lit
    if dim.sum() > max(8, 0.1 * np.count_nonzero(brightest)):
        named = ", ".join(map(str, np.unique(brightest[dim])[:4]))
        raise SourceError(f"{path} has flat areas of value {named}, which look like class numbers; {MASK_REMEDY}")
