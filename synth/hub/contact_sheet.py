"""One image that shows a dataset: a row of each product and defect type, each sample whole and its defect close up."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import binary_dilation

from synth.io.thumbnails import close_up, cut_out
from synth.pipeline.stored import StoredSample
from synth.printable import printable

TILE = 132
GAP = 6
TITLE = 24
PAIRS = 4
"""Samples of each type."""
MOST_ROWS = 14
_PAPER, _INK, _OUTLINE = (255, 255, 255), (38, 38, 42), (226, 38, 54)


def kinds_shown(records: Iterable[StoredSample]) -> tuple[list[tuple[str, str]], int]:
    """The products with defect types that the sheet has, spread evenly over all of them, and how many there are."""
    kinds = sorted({(one.product, str(one.defect)) for one in records if one.role == "accepted"})
    return [kinds[k] for k in _even(len(kinds), MOST_ROWS)], len(kinds)


def contact_sheet(records: Sequence[StoredSample], root: Path) -> bytes:
    """JPEG bytes; the accepted samples' files are read from the run's folder `root`."""
    kinds, _ = kinds_shown(records)
    made = [one for one in records if one.role == "accepted"]
    shown = [[one for one in made if (one.product, one.defect) == kind] for kind in kinds]
    pairs = max((min(PAIRS, len(members)) for members in shown), default=1)
    width, height = GAP + pairs * (2 * TILE + 2 + GAP), max(1, len(kinds)) * (TITLE + TILE + GAP) + GAP
    sheet = Image.new("RGB", (width, height), _PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=14)
    for row, (kind, members) in enumerate(zip(kinds, shown, strict=True)):
        top = GAP + row * (TITLE + TILE + GAP)
        draw.text((GAP, top + 3), printable(f"{kind[0]} / {kind[1]}"), fill=_INK, font=font)
        for column, record in enumerate(members[k] for k in _even(len(members), PAIRS)):
            left = GAP + column * (2 * TILE + 2 + GAP)
            for place, tile in zip((left, left + TILE + 2), _tiles(record, root), strict=True):
                sheet.paste(tile, (place + (TILE - tile.width) // 2, top + TITLE + (TILE - tile.height) // 2))
    buffer = io.BytesIO()
    sheet.save(buffer, format="JPEG", quality=88, subsampling=0)
    return buffer.getvalue()


def _even(count: int, most: int) -> list[int]:
    """Indices of at most so many of `count` things, the first and the last among them."""
    return [round(k) for k in np.linspace(0, count - 1, min(most, count))]


def _tiles(record: StoredSample, root: Path) -> tuple[Image.Image, Image.Image]:
    """The whole image with the mask's outline, and the square around the defect as it is."""
    sample = record.load(root)
    assert sample.image is not None
    mask = np.zeros(sample.image.shape[:2], bool) if sample.mask is None else sample.mask
    whole, shape = _fitted(sample.image), _fitted(mask.astype(np.uint8) * 255)
    inside = np.asarray(shape) > 20
    marked = np.asarray(whole).copy()
    marked[binary_dilation(inside, iterations=2) & ~binary_dilation(inside)] = _OUTLINE
    return Image.fromarray(marked), _fitted(cut_out(sample.image, close_up(mask)))


def _fitted(pixels: np.ndarray) -> Image.Image:
    """As large as a tile has room for."""
    image = Image.fromarray(pixels)
    scale = TILE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC)
