"""A rough defect to start from: the shot's own pixels under the mark's warp, fitted to the light where they land.

The generator noises the sketch and draws it anew, so its details need not be right; its shade, colour and grain give
a small base model the idea that few updates could not teach it. Marks without pixels (drawn outlines, users' masks)
get the shade that the shots' defects have against their surroundings, by depth below the outline.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy import ndimage

from synth.seas.marks import Mark
from synth.seas.placement import Placement, Warp
from synth.seas.window import Window, cut

_DEPTHS = 5


def sketch(
    good: np.ndarray,
    product: np.ndarray,
    placement: Placement,
    marks: Sequence[Mark],
    window: Window,
    rng: np.random.Generator,
) -> np.ndarray:
    """The window patch `good` (r, r, 3) uint8 with a rough defect under the requested mask; same shape and dtype.

    product (H, W) bool is where the part is in the whole image; marks: the shots' marks of the type, for the shade
    where the placement's own mark has no pixels."""
    side = good.shape[0]
    mask = cut(placement.mask, window, side)
    base = good.astype(np.float32)
    if placement.mark is not None and placement.mark.image is not None and placement.warp is not None:
        drawn = _transplant(base, cut(product, window, side), mask, placement.mark, placement.warp, window)
    else:
        drawn = _shaded(base, mask, marks[int(rng.integers(len(marks)))], rng)
    weight = ndimage.gaussian_filter(mask.astype(np.float32), 0.7)[..., None]
    weight = np.maximum(weight, 0.8 * mask[..., None])
    return np.rint(np.clip(base + weight * (drawn - base), 0, 255)).astype(np.uint8)


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


def _transplant(
    base: np.ndarray, product: np.ndarray, mask: np.ndarray, mark: Mark, warp: Warp, window: Window
) -> np.ndarray:
    """The mark's pixels in the window, (r, r, 3) float: the shot's deviation from its own surroundings, scaled by the
    ratio of light, on top of the good part smoothed as coarsely as those surroundings. What is not product, such as
    the table behind it, takes no part in either."""
    assert mark.image is not None
    side = base.shape[0]
    pitch = window.side / side
    cells = np.mgrid[0:side, 0:side] + 0.5
    pixels = np.stack([cells[0] * pitch + window.top, cells[1] * pitch + window.left], axis=-1) - 0.5
    points = np.moveaxis(warp.source(pixels), -1, 0)
    colours = mark.image.astype(np.float32)
    outside = _around(mark)
    shrink = pitch / warp.enlargement
    if shrink > 1:
        colours = ndimage.gaussian_filter(colours, (0.5 * (shrink - 1), 0.5 * (shrink - 1), 0))
    shot, around = (_sampled(plane, points) for plane in (colours, outside))
    within = _sampled(ndimage.binary_dilation(mark.outline)[..., None].astype(np.float32), points)
    smooth, _ = _blurred_within(base, product, 0.15 * _reach(mask))
    light = float(smooth[mask].mean() / max(around[mask].mean(), 1.0))
    defect = smooth + np.clip(light, 0.5, 2.0) * (shot - around)
    return base + within * (defect - base)


def _shaded(base: np.ndarray, mask: np.ndarray, style: Mark, rng: np.random.Generator) -> np.ndarray:
    """The good part with the style's shade by depth, and soft grain of half its strength; (r, r, 3) float."""
    profile, grain = shade_profile(style)
    noise = ndimage.gaussian_filter(rng.normal(size=base.shape[:2]), 2.0)
    noise *= 0.5 * grain / max(noise.std(), 1e-6)
    return base + profile[_depth_level(mask)] + noise[..., None]


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


def _sampled(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Linear look-up of (h, w, 3) at points (2, r, r)."""
    planes = [ndimage.map_coordinates(image[..., c], points, order=1, mode="nearest") for c in range(image.shape[2])]
    return np.stack(planes, axis=-1)
