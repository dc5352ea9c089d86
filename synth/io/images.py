"""Images and masks from and to disk, and the two hashes by which images are compared.

Whatever a camera or a labelling tool writes becomes uint8 RGB (H, W, 3) or bool (H, W), upright, or a SourceError that
names the file, what is wrong with it and what to do.
"""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from scipy.ndimage import maximum_filter, minimum_filter

from synth.errors import SourceError
from synth.io.atomic import replacing
from synth.io.memory import machine_memory
from synth.io.regular import quiet, reason, regular_file

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm", ".jp2")
"""File names that are taken for images, in lower case."""

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF", "PPM", "JPEG2000")
"""What Pillow may take a file of a user for, whatever its name. Among its other formats are some that start another
program, as Encapsulated PostScript does."""

MOST_PIXELS = 89_478_485
"""Pixels of the largest image that is read, where Pillow begins to warn."""
BYTES_A_PIXEL = 30
"""Memory that reading, hashing and inspecting an image of 8 bits and its mask takes at the most, measured."""

HASH_SIDE = 32
MASK_REMEDY = "a mask is black (0) with the defect white (255 or 1), one file for each defect type"


def read_image(path: str | Path) -> np.ndarray:
    """RGB uint8 (H, W, 3) of any still image: grey, colour, palette, CMYK, with alpha (dropped: the colours count as
    stored), turned upright by its EXIF tag. Deeper grey is scaled as in `to_eight_bits`."""
    return read_levels(path)[0]


def read_levels(path: str | Path, white: int | None = None) -> tuple[np.ndarray, int | None]:
    """What `read_image` gives, with `white` as the value of white in deeper grey; and the value that was white, None
    for an image of 8 bits."""
    image = decoded(path)
    if image.mode == "F":
        raise SourceError(f"{path} holds floating point numbers; export it with 8 or 16 bits")
    if _is_deep(image):
        values = np.asarray(image)
        white = white or white_of(values)
        return np.repeat(to_eight_bits(values, path, white)[..., None], 3, axis=-1), white
    return np.array(_in_mode(image, "RGB")), None


def read_mask(path: str | Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """Bool (H, W), True on the defect: above 127 of 8 bits in any channel, or 1 where the file holds only 0 and 1.
    16 bits and soft edges are fine; transparent pixels are no defect. `size` is the (H, W) of the image it marks.

    Raises SourceError for another size, for several classes in one file (colours, or flat grey levels of which some
    lie below the threshold) and for a photograph."""
    values = _mask_channels(decoded(path), path)
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
    mirrored like them. Compare with `hash_distances`; `synth.checks.duplicates` says how close is one image."""
    grey = Image.fromarray(image).convert("L")
    return np.array(grey.resize((HASH_SIDE, HASH_SIDE), Image.Resampling.HAMMING))


def turns(thumbnail: np.ndarray) -> np.ndarray:
    """The eight ways to lay a square image: (8, side, side); the first is `thumbnail` itself."""
    return np.stack([turned(thumbnail, way) for way in range(8)])


def turned(image: np.ndarray, way: int) -> np.ndarray:
    """An image (H, W) laid in one of the eight ways, in the order of `turns`."""
    return np.rot90(image if way < 4 else image.T, way % 4)


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
    scaled = np.round(np.minimum(np.arange(high + 1), white) * (255 / white)).astype(np.uint8)
    return scaled[values]


def white_of(values: np.ndarray) -> int:
    """The value of white that the brightest pixel suggests: 255, 4095 (a 12-bit camera) or 65535. Images of one
    camera may suggest different ones, which `synth.sources.listing` refuses."""
    high = int(values.max(initial=0))
    return 255 if high <= 255 else 4095 if high <= 4095 else 65535


def decoded(path: str | Path) -> Image.Image:
    """A still image with its pixels in memory, upright. Raises SourceError where the file is no regular one, of none of
    FORMATS, of several pages or frames, beyond MOST_PIXELS or the machine's memory, or broken in any way."""
    path = regular_file(path)
    try:
        with quiet("PIL"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is odd in a file that can be read all the same
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return _upright(path)
    except SourceError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as problem:
        raise SourceError(f"{path} has more than {_LARGEST}") from problem
    except Exception as problem:  # each decoder fails in its own ways; the file is what the user can mend
        why = "its format is unknown" if isinstance(problem, UnidentifiedImageError) else reason(problem)
        raise SourceError(f"{path} cannot be read as an image ({why}); copy it again or export it as PNG") from problem


def _upright(path: Path) -> Image.Image:
    with Image.open(path, formats=FORMATS) as image:
        _check_pixels(path, image.size)
        if image.format != "MPO" and getattr(image, "is_animated", False):
            raise SourceError(f"{path} holds several images (pages or frames); save the one you mean as PNG")
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        return image


_LARGEST = f"{MOST_PIXELS // 10**6} million pixels, which is the most that is read; cut it into tiles or scale it down"


def _check_pixels(path: Path, size: tuple[int, int]) -> None:
    pixels = size[0] * size[1]
    if pixels > MOST_PIXELS:
        raise SourceError(f"{path} has more than {_LARGEST}")
    memory = machine_memory()
    if memory is not None and pixels * BYTES_A_PIXEL > memory // 2:
        needed, half = (f"{n / 2**30:.1f} GiB" for n in (pixels * BYTES_A_PIXEL, memory // 2))
        raise SourceError(f"{path} would take {needed}, more than half of the memory ({half}); scale it down")


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)


def _is_deep(image: Image.Image) -> bool:
    return image.mode == "I" or image.mode.startswith("I;16")


def _mask_channels(image: Image.Image, path: str | Path) -> np.ndarray:
    """uint8 (H, W, C), black where transparent: C = 1 where all is grey, else 3."""
    if image.mode == "F":
        raise SourceError(f"{path} holds floating point numbers, not a mask; {MASK_REMEDY}")
    if _is_deep(image):
        return to_eight_bits(np.asarray(image), path)[..., None]
    if image.mode in ("1", "L"):
        return np.array(_in_mode(image, "L"))[..., None]
    if not image.has_transparency_data:
        return _one_if_grey(np.array(_in_mode(image, "RGB")))
    rgba = np.array(_in_mode(image, "RGBA"))
    colours, alpha = rgba[..., :3], rgba[..., 3:]
    if alpha.min() > 127:
        return _one_if_grey(colours)
    # A mask painted on a transparent layer, be it in white or in black.
    visible = colours * (alpha > 127)
    return _one_if_grey(visible) if visible.any() else alpha


def _one_if_grey(colours: np.ndarray) -> np.ndarray:
    grey = colours[..., :1]
    return grey if (grey == colours).all() else colours


def _size_differs(path: str | Path, mask: tuple[int, ...], size: tuple[int, int]) -> str:
    wanted, found = (f"{h} x {w} (height x width)" for h, w in (size, mask))
    turned = "turn the mask by 90 degrees like its image" if tuple(mask) == tuple(size[::-1]) else ""
    return f"{path} is {found}, its image {wanted}; {turned or 'export the mask at the size of the image'}"


def _refuse_photograph(path: str | Path, grey: np.ndarray) -> None:
    share = float(((grey >= 32) & (grey <= 223)).mean()) if grey.size else 0.0
    if share > 0.5 and (maximum_filter(grey, 3) == minimum_filter(grey, 3)).mean() < 0.5:
        raise SourceError(
            f"{path} does not look like a mask ({share:.0%} of it is neither black nor white): are the names of the "
            f"image and its mask swapped? {MASK_REMEDY}"
        )


def _refuse_classes(path: str | Path, values: np.ndarray, brightest: np.ndarray) -> None:
    """Several classes in one file: lit pixels of different hue, or flat areas (3 x 3 and up) below the threshold."""
    lit = brightest > 127
    if values.shape[-1] == 3 and lit.any():
        if _foreign_pixels(values[lit]) > max(8, 0.01 * np.count_nonzero(lit)):
            raise SourceError(f"{path} marks several classes in different colours; {MASK_REMEDY}")
    levels = np.unique(brightest[brightest > 0])
    if len(levels) > 32:
        return
    flat = maximum_filter(brightest, 3) == minimum_filter(brightest, 3)
    dim = flat & (brightest > 0) & ~lit
    if dim.sum() > max(8, 0.1 * np.count_nonzero(brightest)):
        named = ", ".join(map(str, np.unique(brightest[dim])[:4]))
        raise SourceError(f"{path} has flat areas of value {named}, which look like class numbers; {MASK_REMEDY}")


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
