"""Miniature parts for detectors: a textured plate with shading, seen as an image and as an organised cloud."""

import numpy as np

from synth.sample import Sample

SIZE = 64


def plate(number: int, dent: bool = False, stain: bool = False, size: tuple[int, int] = (SIZE, SIZE)) -> Sample:
    """A plate of a fixed pattern with noise of its own; a dent of 8 px changes its shape alone, a stain its colour."""
    rng = np.random.default_rng(number)
    rows, columns = np.mgrid[: size[0], : size[1]]
    grey = 120 + 30 * np.sin(columns / 5) + 20 * np.cos(rows / 7) + rng.normal(0, 2, size)
    depth = 0.5 + 0.002 * np.sin(rows / 9) + rng.normal(0, 2e-5, size)
    mask = np.zeros(size, bool)
    away = np.hypot(rows - size[0] * 0.6, columns - size[1] * 0.3)
    if dent:
        depth += 0.006 * np.exp(-0.5 * (away / 4) ** 2)
        mask |= away < 8
    if stain:
        grey[away < 8] = 250
        mask |= away < 8
    image = np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    xyz = np.stack([columns * 1e-3, rows * 1e-3, depth], axis=2).astype(np.float32)
    defect = "dent" if dent else "stain" if stain else None
    return Sample(f"plate-{number:03d}", image, mask, xyz, product="plate", defect=defect)


GOOD = [plate(number) for number in range(8)]
DEFECTS = [plate(number, dent=True, stain=True) for number in range(8, 12)]
"""What those learn from that want labelled defects as well."""
