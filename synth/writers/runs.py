"""Run lengths of masks, in the forms of COCO, CVAT and Label Studio. All keep every pixel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synth.writers.regions import Region

BRUSH_SIZES = (3, 4, 8, 16)
"""Bits of a run's length that a brush stroke may choose from."""
BRUSH_WORD = 8
"""Bits of a value of a brush stroke."""


def run_lengths(region: Region, size: tuple[int, int]) -> list[int]:
    """Lengths of runs, zeros first, down the columns of an image of that (H, W): COCO's order."""
    columns, rows = np.nonzero(region.mask.T)
    return _lengths((region.left + columns) * size[0] + region.top + rows, size[0] * size[1])


def box_run_lengths(region: Region) -> list[int]:
    """Lengths of runs, zeros first, along the rows of the region's own box: CVAT's order."""
    return _lengths(np.flatnonzero(region.mask), region.mask.size)


def compressed(lengths: Sequence[int]) -> str:
    """COCO's text of run lengths: from the fourth on each as the difference to the one two before, in groups of five
    bits from the lowest on, a character from ASCII 48 on each, whose sixth bit says that more follow."""
    text = []
    for place, length in enumerate(lengths):
        value = length - lengths[place - 2] if place > 2 else length
        more = True
        while more:
            bits, value = value & 0x1F, value >> 5
            more = value != (-1 if bits & 0x10 else 0)
            text.append(chr((bits | (0x20 if more else 0)) + 48))
    return "".join(text)


def coco_rle(region: Region, size: tuple[int, int]) -> dict[str, object]:
    """A COCO segmentation as compressed run lengths, for an image of that (H, W)."""
    return {"size": list(size), "counts": compressed(run_lengths(region, size))}


def brush_stroke(region: Region, size: tuple[int, int]) -> list[int]:
    """Label Studio's brush: the bytes of thi.ng's rle-pack of an RGBA image of that (H, W), 255 on the region. After
    the number of values (32 bits), the bits of a value less 1 (5) and BRUSH_SIZES less 1 (4 each) come the runs: a bit
    1, which size (2), the length less 1, the value."""
    lengths = _lengths(np.flatnonzero(region.drawn(size)), size[0] * size[1])
    bits = [f"{4 * size[0] * size[1]:032b}{BRUSH_WORD - 1:05b}", *(f"{bits - 1:04b}" for bits in BRUSH_SIZES)]
    longest = 1 << BRUSH_SIZES[-1]
    for place, length in enumerate(lengths):
        left = 4 * length
        while left:
            part = min(left, longest)
            which = next(k for k, bits in enumerate(BRUSH_SIZES) if part <= 1 << bits)
            bits.append(f"1{which:02b}{part - 1:0{BRUSH_SIZES[which]}b}{255 * (place % 2):0{BRUSH_WORD}b}")
            left -= part
    packed = np.packbits(np.frombuffer("".join(bits).encode(), np.uint8) - ord("0"))
    return [int(value) for value in packed]


def _lengths(places: np.ndarray, total: int) -> list[int]:
    """Lengths of runs, zeros first, where `places`, ascending and one at least, are the ones among `total` pixels."""
    breaks = np.flatnonzero(np.diff(places) > 1)
    starts = np.concatenate([places[:1], places[breaks + 1]])
    ends = np.concatenate([places[breaks], places[-1:]]) + 1
    bounds = np.stack([starts, ends], axis=1).ravel()
    lengths = [int(length) for length in np.diff(bounds, prepend=0, append=total)]
    return lengths[:-1] if lengths[-1] == 0 else lengths
