"""How tightly defects are outlined: measured on the shots, and given to what was drawn.

A defect fades into its surface over some pixels, and annotators choose differently where to draw the line: round its
halo, or along its core. A mask wider than theirs by one pixel on each side doubles a crack. So the share of a mark's
strength at which the shots' outlines lie is measured for each defect type, and the masks of drawn marks end at the same
share.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from synth.seas.compose import with_disc
from synth.seas.marks import Mark

RIM = 2.0
"""Depth in px to which a mask may be tightened that was read off at full size; a tenth of a wide mark's width more."""
_BLUR = 0.5
_RING = (4, 10)
_STANDS_OUT = 3.0
_LEVELS = (0.1, 0.7)
_UNKNOWN = 0.3
_CLOSED = 8
_SMOOTHED = 4.0
_PASSES = 2
_PATCH, _GROWN = 8, 1.3
_FAINT = 4.0
"""Grey levels of change that show."""


def edge_level(marks: Sequence[Mark]) -> float:
    """The share of their strength at which the outlines of these marks lie, in [0.1, 0.7].

    The median over the marks that stand out from their surroundings by three robust deviations; 0.3 if none does."""
    levels = [level for level in map(_level_of, marks) if level is not None]
    return float(np.clip(np.median(levels), *_LEVELS)) if levels else _UNKNOWN


def tighten(mask: np.ndarray, before: np.ndarray, after: np.ndarray, level: float, rim: float = RIM) -> np.ndarray:
    """A mask (H, W) bool without the rim where the change from `before` to `after`, (H, W, 3) uint8, is below `level`
    of the mark's strength there.

    Only a rim of `rim` pixels can go: what lies deeper was drawn as part of the defect, whatever its shade. The mask
    itself where nothing would be left."""
    if not mask.any():
        return mask
    rows, columns = (slice(max(0, hit.min() - 2), hit.max() + 3) for hit in np.nonzero(mask))
    inner = mask[rows, columns]
    change = np.abs(after[rows, columns].astype(np.float32) - before[rows, columns]).max(axis=-1)
    depth = ndimage.distance_transform_edt(np.pad(inner, 1, mode="edge"))[1:-1, 1:-1]
    width = float(depth.max())
    smooth = ndimage.gaussian_filter(change, np.clip(_BLUR * width / 4, _BLUR, 4 * _BLUR))
    kept = inner
    for _ in range(_PASSES):  # the strength of a loose mask is too low
        kept = inner & ((smooth >= level * _strength(change, kept)) | (depth > rim + width / 10))
    closed = with_disc(ndimage.binary_closing, kept, min(width / 4, _CLOSED), "constant")
    kept = ndimage.binary_fill_holes(closed) & inner
    # Annotators draw smooth lines; the change's own outline frays where a mark is faint.
    kept = with_disc(ndimage.binary_opening, kept, min(width / 8, _SMOOTHED), "edge")
    tight = np.zeros_like(mask)
    tight[rows, columns] = kept if kept.any() else inner
    return tight


def corrected(
    mask: np.ndarray, before: np.ndarray, pasted: np.ndarray, after: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The mask (H, W) bool, not empty, of a pasted defect after it was drawn anew, and where nothing of it is left, (H,
    W) bool.

    before, pasted, after (H, W, 3) uint8: the good image, with the paste, and with what was drawn. The paste's outline
    lies at some share of its strength. The new one moves by RIM px at most: out to where the drawing is above that and
    the paste was not, in where it is below half of that and of the paste. Pieces that showed and show no more are
    left out. What is drawn as it was pasted keeps its mask."""
    rows, columns = (slice(max(0, hit.min() - 8), hit.max() + 9) for hit in np.nonzero(mask))
    inner = mask[rows, columns]
    was, now = (
        ndimage.gaussian_filter(np.abs(image[rows, columns].astype(np.float32) - before[rows, columns]).max(-1), 1.0)
        for image in (pasted, after)
    )
    strength = np.maximum(_strength(was, inner), _FAINT)
    depth = ndimage.distance_transform_edt(np.pad(inner, 1, mode="edge"))[1:-1, 1:-1]
    away = ndimage.distance_transform_edt(~inner)
    level = np.median((was / strength)[inner & (depth <= 1)]) * strength
    lost = inner & (depth <= RIM) & (now < level / 2) & (was > 2 * now)
    grown = ~inner & (away <= RIM) & (now >= level) & (now > np.maximum(_GROWN * was, was + _FAINT))
    kept = (inner & ~_patches(lost)) | _patches(grown)
    gone = _gone(mask, (rows, columns), was, now)
    new = np.zeros_like(mask)
    new[rows, columns] = kept
    return new & ~gone, gone


def _patches(mask: np.ndarray) -> np.ndarray:
    """Without pieces of less than `_PATCH` px, which are grain: annotators draw smooth lines."""
    pieces, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    return (np.bincount(pieces.ravel()) >= _PATCH)[pieces] & mask


def _gone(mask: np.ndarray, area: tuple[slice, slice], was: np.ndarray, now: np.ndarray) -> np.ndarray:
    """The pixels (H, W) bool nearest to a piece of the mask that showed in `was`, and shows no more in `now`: changes
    in grey levels in the area of the mask."""
    pieces, count = ndimage.label(mask, structure=np.ones((3, 3)))
    numbers = np.arange(1, count + 1)
    seen_was, seen_now = (ndimage.mean(change, pieces[area], numbers) for change in (was, now))
    vanished = numbers[(seen_now < _FAINT) & (seen_was >= 2 * _FAINT)]
    if not len(vanished):
        return np.zeros_like(mask)
    nearest = ndimage.distance_transform_edt(~mask, return_distances=False, return_indices=True)
    return np.isin(pieces[tuple(nearest)], vanished)


def _level_of(mark: Mark) -> float | None:
    """Share of the mark's strength halfway between the pixels along the inside and the outside of its outline."""
    if mark.image is None:
        return None
    far, near = (ndimage.binary_dilation(mark.outline, iterations=n) for n in reversed(_RING))
    ring = far & ~near
    if ring.sum() < 10:
        return None
    image = mark.image.astype(np.float32)
    ground = np.median(image[ring], axis=0)
    direction = image[mark.outline].mean(axis=0) - ground
    contrast = (image - ground) @ (direction / max(float(np.linalg.norm(direction)), 1e-6))
    grain = 1.4826 * float(np.median(np.abs(contrast[ring] - np.median(contrast[ring]))))
    strength = _strength(contrast.clip(min=0), mark.outline)
    if np.median(strength[mark.outline]) < _STANDS_OUT * max(grain, 1.0):
        return None
    share = ndimage.gaussian_filter(contrast, _BLUR) / np.maximum(strength, 1e-6)
    inside = mark.outline & ~ndimage.binary_erosion(mark.outline, border_value=1)
    outside = ndimage.binary_dilation(mark.outline) & ~mark.outline
    if not inside.any() or not outside.any():
        return None
    return float(share[inside].mean() + share[outside].mean()) / 2


def _strength(change: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """How strong the mark is around each pixel, (H, W): the mean of `change` over the mask, weighted by itself so that
    faint rims count little, over about the mark's own width."""
    width = float(ndimage.distance_transform_edt(np.pad(mask, 1)).max())
    inside = np.where(mask, change, 0).astype(np.float32)
    squared, plain = (ndimage.gaussian_filter(part, max(1.0, width)) for part in (inside * inside, inside))
    return squared / np.maximum(plain, 1e-6)
