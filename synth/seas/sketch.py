"""A rough defect to start from where nothing can be pasted, under masks of the user's: the shade that the shots'
defects have against their surroundings, by depth below the outline.

The generator noises it and draws it anew, so its details need not be right; its shade, colour and grain give a small
base model the idea that few updates could not teach it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import ndimage

from synth.seas.marks import Mark

_DEPTHS = 5


def shaded(good: np.ndarray, mask: np.ndarray, style: Mark, rng: np.random.Generator) -> np.ndarray:
    """A new image (H, W, 3) uint8: the good one with the style's shade by depth under the mask (H, W) bool, not empty,
    and soft grain of half its strength. The mark must have pixels."""
    rows, columns = (slice(max(0, hit.min() - 4), hit.max() + 5) for hit in np.nonzero(mask))
    inner = mask[rows, columns]
    profile, grain = shade_profile(style)
    noise = ndimage.gaussian_filter(rng.normal(size=inner.shape), 2.0)
    noise *= 0.5 * grain / max(noise.std(), 1e-6)
    change = profile[_depth_level(inner)] + noise[..., None]
    soft = ndimage.gaussian_filter(inner.astype(np.float32), 0.7)
    weight = np.maximum(soft, 0.8 * inner)[..., None]
    result = good.copy()
    result[rows, columns] = np.rint(np.clip(good[rows, columns] + weight * change, 0, 255))
    return result


def shade_profile(mark: Mark) -> tuple[np.ndarray, float]:
    """How a defect differs from its surroundings, as (5, 3) mean colour difference at relative depths 0..1 below the
    outline, and the standard deviation of its grain about that, in grey levels. The mark must have pixels."""
    assert mark.image is not None
    outside = _around(mark)
    difference = mark.image - outside
    level = _depth_level(mark.outline)[mark.outline]
    inside = difference[mark.outline]
    overall = inside.mean(axis=0)
    steps = [inside[level == k].mean(axis=0) if (level == k).any() else overall for k in range(_DEPTHS)]
    profile = np.stack(steps)
    return profile, float((inside - profile[level]).std())


def _depth_level(outline: np.ndarray) -> np.ndarray:
    """0 at the outline to 4 at the deepest place, (h, w) int; 0 outside."""
    depth = ndimage.distance_transform_edt(np.pad(outline, 1))[1:-1, 1:-1]
    return np.minimum((_DEPTHS * (depth - 0.5) / max(depth.max(), 1.0)).astype(int).clip(0), _DEPTHS - 1)


@lru_cache(maxsize=512)
def _around(mark: Mark) -> np.ndarray:
    """The good surface as it might continue under the defect: pixels beyond the outline (two pixels off, where soft
    edges end), spread inwards by normalised smoothing; (h, w, 3) float."""
    assert mark.image is not None
    image, outline = mark.image.astype(np.float32), mark.outline
    sides = (~ndimage.binary_dilation(outline, iterations=2) & mark.product, ~outline & mark.product, ~outline, outline)
    known = next(side for side in sides if side.any())
    width = max(2.0, 0.15 * _reach(outline))
    spread, weight = _blurred_within(image, known, width)
    nearest = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    # Far inside a large mark the smoothing sees nothing: there the nearest surroundings serve, smoothed.
    far = _blurred(image[tuple(nearest)], width)
    trust = np.clip(weight * 20, 0, 1)
    return trust * spread + (1 - trust) * far


def _reach(mask: np.ndarray) -> int:
    rows, columns = np.nonzero(mask)
    return int(max(np.ptp(rows), np.ptp(columns))) + 1 if rows.size else 1


def _blurred(image: np.ndarray, width: float) -> np.ndarray:
    return ndimage.gaussian_filter(image, (width, width, 0), mode="nearest", truncate=3)


def _blurred_within(image: np.ndarray, region: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the region's pixels around each place, (h, w, 3), and the share that they have there, (h, w, 1)."""
    weight = _blurred(region[..., None].astype(np.float32), width) + 1e-6
    return _blurred(image * region[..., None], width) / weight, weight
