"""From a drawn window back to the full image: which pixels are defect, and how they join the good part.

Truth of the mask. Inside the neighbourhood that was free to change, a pixel is defect where the mask head says so or a
mask was requested, and the decoded image really differs from the decoded good part; small holes are closed, specks
dropped. Nothing beyond a narrow feather around that mask is changed, so image and mask cannot disagree.

Joining. The image gets the difference decode(drawn) - decode(good) and not the decoded pixels: what the VAE loses of
the surface's texture cancels, and where the difference fades out the good part's own bits remain. Structure that the
drawing hides must not come back that way: there the image gets the decoded drawing itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from scipy import ndimage

from synth.seas.window import Window, lay_out

_SMALL_HOLE = 0.1
_SPECK = 0.05
_MIN_CHANGE = 4.0
_SLACK = 2.0
_REDRAWN = 0.8
_CLOSED = (2, 8)
_DETAIL = 3.0
_GRAIN = 4.0


def neighbourhood(mask: np.ndarray, reach: float) -> np.ndarray:
    """1 on the mask and a third of `reach` pixels around it, falling smoothly to 0 at `reach`; (h, w) float32."""
    if not mask.any():
        return np.zeros(mask.shape, dtype=np.float32)
    distance = ndimage.distance_transform_edt(~mask)
    fade = np.clip((reach - distance) / max(reach * 2 / 3, 1e-6), 0, 1)
    return (fade * fade * (3 - 2 * fade)).astype(np.float32)


def visible_change(drawn: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Largest difference over the channels, grey levels, smoothed over a pixel; decoded (r, r, 3) float in 0..255."""
    return ndimage.gaussian_filter(np.abs(drawn - good).max(axis=-1), 1.0)


def change_level(good: np.ndarray, free: np.ndarray, change: np.ndarray, asked: np.ndarray | None) -> float:
    """The change that shows on this surface, grey levels: 4, or half the standard deviation of the good part's grain
    where it was free to change; and, as drawing gives the surface other grain, no less than most of it changed around a
    requested mask. good (r, r, 3) uint8; free, asked (r, r) bool; change (r, r)."""
    grain = good.astype(np.float32) - ndimage.gaussian_filter(good.astype(np.float32), (3, 3, 0))
    level = max(_MIN_CHANGE, 0.5 * float(grain[free].std())) if free.any() else _MIN_CHANGE
    if asked is None or not asked.any():
        return level
    beside = free & (ndimage.distance_transform_edt(~asked) > _SLACK)
    return max(level, float(np.quantile(change[beside], _REDRAWN))) if beside.any() else level


def certainty(probability: np.ndarray, change: np.ndarray, level: float, asked: np.ndarray | None) -> np.ndarray:
    """How sure each pixel is to be defect, (r, r) in [0, 1]: the mask head's probability. Within two pixels of a
    requested mask (r, r) bool the change itself may speak, change / (change + level), if it says more: the head learns
    broad marks from few shots but overlooks thin ones."""
    if asked is None or not asked.any():
        return probability
    near = ndimage.distance_transform_edt(~asked) <= _SLACK
    return np.where(near, np.maximum(probability, change / (change + level)), probability)


def true_mask(sure: np.ndarray, threshold: float, change: np.ndarray, level: float, free: np.ndarray) -> np.ndarray:
    """Pixels that are defect, (r, r) bool: certainty > threshold, change > level and free to change. Gaps and notches
    narrower than four pixels, or an eighth of the mark's width, are closed within what was free. Then `tidy`."""
    seen = (sure > threshold) & (change > level) & free
    closed = with_disc(ndimage.binary_closing, seen, np.clip(seen.sum() ** 0.5 / 16, *_CLOSED), "constant")
    return tidy(closed & free)


def with_disc(
    operation: Callable[..., np.ndarray], mask: np.ndarray, radius: float, beyond: Literal["constant", "edge"]
) -> np.ndarray:
    """A morphological operation with a disc of `radius` px; beyond the array lies nothing, or its border again."""
    reach = int(radius)
    disc = np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1]) <= reach + 0.5
    padded = operation(np.pad(mask, reach, mode=beyond), disc)
    return padded[reach : reach + mask.shape[0], reach : reach + mask.shape[1]]


def tidy(mask: np.ndarray) -> np.ndarray:
    """Holes below a tenth of the mask's area closed, pieces below a twentieth of the largest one dropped; (h, w)."""
    if not mask.any():
        return mask
    holes, _ = ndimage.label(ndimage.binary_fill_holes(mask) & ~mask)
    small = np.bincount(holes.ravel()) < _SMALL_HOLE * mask.sum()
    small[0] = False
    mask = mask | small[holes]
    labels, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    return (areas >= _SPECK * areas.max())[labels] & mask


def to_image(mask: np.ndarray, window: Window, shape: tuple[int, ...]) -> np.ndarray:
    """A window's mask (r, r) bool as a mask of the whole image, shape (H, W, ...) -> (H, W) bool.

    Outlines are smoothed where the window was shrunk; where it was enlarged a pixel is defect when half its cells are,
    or, for marks finer than a pixel, any."""
    rows, columns, soft = lay_out(mask.astype(np.float32), window, shape)
    inner = soft > 0.5
    if not inner.any():
        inner = lay_out(mask, window, shape)[2]
    image = np.zeros(shape[:2], dtype=bool)
    image[rows, columns] = inner
    return image


def join(
    image: np.ndarray, drawn: np.ndarray, good: np.ndarray, window: Window, alpha: np.ndarray, grey: bool
) -> np.ndarray:
    """A new image (H, W, 3) uint8 with what was drawn in the window, weighted by `alpha` (H, W) in [0, 1].

    drawn, good (r, r, 3) float, grey levels: the decoded drawing and good part. grey: an image without colour stays
    so. Bit-identical to `image` wherever alpha is 0 and everywhere outside the window."""
    if grey:
        drawn, good = (np.repeat(plane.mean(axis=-1, keepdims=True), 3, axis=-1) for plane in (drawn, good))
    rows, columns, change = lay_out((drawn - good).astype(np.float32), window, image.shape)
    before, kept = (lay_out(plane, window, image.shape)[2] for plane in (good, kept_structure(drawn, good)))
    own = image[rows, columns].astype(np.float32)
    change -= (1 - kept[..., None]) * (own - before)
    result = image.copy()
    result[rows, columns] = np.rint(np.clip(own + alpha[rows, columns, None] * change, 0, 255)).astype(np.uint8)
    return result


def kept_structure(drawn: np.ndarray, good: np.ndarray) -> np.ndarray:
    """How much of the good part's structure the drawing still shows, (r, r) float32 in [0, 1].

    The slope of the least-squares line from the detail of `good` to that of `drawn`, both (r, r, 3) float, over the
    neighbourhood; detail of a few grey levels, such as grain, counts as kept. Rust over an edge hides it: 0."""
    fine = [plane.mean(axis=-1) - ndimage.gaussian_filter(plane.mean(axis=-1), _DETAIL) for plane in (drawn, good)]
    shared, own = (ndimage.gaussian_filter(a * fine[1], _DETAIL) for a in fine)
    return np.clip((shared + _GRAIN**2) / (own + _GRAIN**2), 0, 1).astype(np.float32)
