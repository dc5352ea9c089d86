"""Copy-paste of the real defects: cut out along the mask, varied, pasted onto good parts with a soft edge.

What is pasted is the defect's difference to its own surroundings, laid over those of its new place, so that a bright
shot leaves no bright patch on a dark part.
"""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage

from synth.baselines.config import CopyPasteConfig
from synth.baselines.painter import Paint, Picture, Scene, anywhere, lay

_TRIES = 20
_MARGIN = 4
_FIT = 0.9


def copy_paste(config: CopyPasteConfig) -> Paint:
    """The painter that this block of a recipe asks for."""

    def paint(scene: Scene, rng: np.random.Generator) -> Picture:
        image, mask = scene.shots[int(rng.integers(len(scene.shots)))]
        change, cover = _lifted(image, mask)
        if config.turn:
            change, cover = _turned(change, cover, rng)
        change, cover = _scaled(change, cover, rng.uniform(*config.scale), scene.permitted.shape)
        alpha = ndimage.gaussian_filter(cover, config.feather)
        centre = _place(scene.permitted, alpha >= 0.5, rng)
        level = _surroundings(scene.good, centre, alpha.shape)
        return lay(scene, level + change * rng.uniform(*config.gain), alpha, centre)

    return paint


def _lifted(image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The defect's box with a margin: difference to the median colour around it (h, w, 3), cover (h, w); float32."""
    ring = ndimage.binary_dilation(mask, iterations=_MARGIN) & ~mask
    level = np.median(image[ring if ring.any() else mask], axis=0)
    rows, columns = np.nonzero(mask)
    box = tuple(slice(max(0, int(found.min()) - _MARGIN), int(found.max()) + _MARGIN + 1) for found in (rows, columns))
    return (image[box] - level).astype(np.float32), mask[box].astype(np.float32)


def _turned(change: np.ndarray, cover: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Mirrored or not, and turned by any angle in a frame that grows with it."""
    if rng.uniform() < 0.5:
        change, cover = change[:, ::-1], cover[:, ::-1]
    angle = rng.uniform(0, 360)
    turned = [ndimage.rotate(plane, angle, order=1) for plane in (*np.moveaxis(change, -1, 0), cover)]
    return np.stack(turned[:3], -1), turned[3]


def _scaled(
    change: np.ndarray, cover: np.ndarray, factor: float, room: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Resized by the factor, or by less where it would not fit into `room` (H, W)."""
    factor = min(factor, *(_FIT * most / size for most, size in zip(room, cover.shape, strict=True)))
    size = tuple(max(1, round(n * factor)) for n in cover.shape[::-1])
    planes = (*np.moveaxis(change, -1, 0), cover)
    resized = [
        np.asarray(Image.fromarray(np.ascontiguousarray(p)).resize(size, Image.Resampling.BILINEAR)) for p in planes
    ]
    return np.stack(resized[:3], -1), resized[3]


def _place(permitted: np.ndarray, shape: np.ndarray, rng: np.random.Generator) -> tuple[int, int]:
    """A centre at which nine tenths of the defect (h, w) bool lie on the product, or the best of twenty."""
    best, covered = (0, 0), -1.0
    for _ in range(_TRIES):
        centre = anywhere(permitted, rng)
        rows, columns = np.nonzero(shape)
        rows, columns = rows + centre[0] - shape.shape[0] // 2, columns + centre[1] - shape.shape[1] // 2
        seen = (rows >= 0) & (rows < permitted.shape[0]) & (columns >= 0) & (columns < permitted.shape[1])
        share = permitted[rows[seen], columns[seen]].sum() / max(1, rows.size)
        if share > covered:
            best, covered = centre, float(share)
        if share >= _FIT:
            break
    return best


def _surroundings(good: np.ndarray, centre: tuple[int, int], size: tuple[int, ...]) -> np.ndarray:
    """Median colour (3,) of the good part in the box that the defect will cover."""
    rows, columns = (slice(max(0, at - n // 2), at - n // 2 + n) for at, n in zip(centre, size, strict=True))
    return np.median(good[rows, columns].reshape(-1, 3), axis=0)
