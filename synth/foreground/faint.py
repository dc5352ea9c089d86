"""Where the product is under a fixed camera when it hardly differs from its ground: dark on dark, bright on bright.

One image shows too little: noise, light and shade differ from the ground as much as the product does. Many good images
show what is always there. **Ground**: what is left beside the plane of each border is averaged over the images, so
that a gleam on the table is known as such and the tolerance may sink to the noise. **Shade**: a cast shadow is plain
as well, and where the parts have some play, the darkest images show it; what is brighter than that is product, and a
minimal cut closes its outline. Only a find on which the good images agree counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from synth.foreground.ground import AREA, evened, is_plain, plane, ring
from synth.foreground.regions import closed, depth, dilated, eroded, filled, largest, opened, tidy

LEAST_SEEN = 0.8
"""Share of the good images that have to show the product, on a plain ground."""
LEAST_AGREEMENT = 0.8
"""Overlap (IoU) of an image's find with what most images show, from which it agrees."""
FEWEST = 4
"""Good images from which they are taken together."""
_BAY = 4
"""Bays of a find up to twice as wide are closed, px at working size as all lengths here."""

# The ground: rounds of fitting, Gaussians for images and for the ground, tolerance = margin x quantile of the noise.
_ROUNDS, _SOFT, _GROUND_SOFT = 3, 1.0, 6.0
_NOISE_QUANTILE, _NOISE_MARGIN, _LEAST_TOLERANCE = 0.95, 1.4, 3.5
# Ground is what lies this far from all that differs in more than this share of the images.
_AWAY, _SELDOM = 5, 0.2
# An outline is sharp where its step is so many times the slope beside it, at this share of it.
_SHARP, _LEAST_SHARP = 2.0, 0.75

# Shade: darker than this share of the ground's brightness, broader than a disc of this radius, in this share of a find.
_DARK, _BROAD, _LEAST_SHADE = 0.8, 6, 0.05
_DARKEST = 0.1
# Product in shade is told by steps of _STEP grey levels above it: lines of at least so many px that hang together with
# the product over gaps of twice _GAP, somewhere strong; and the distributions of the minimal cut, in steps.
_STEP, _STRONG, _LEAST_STRUCTURE, _LOCAL, _GAP = 0.3, 2.0, 30, 6.0, 4
_PRODUCT_STEPS, _SURE_STEPS = (1.0, 2.0, 3.3, 5.0, 10.0), 60.0
_GAIN, _ZERO = 3.0, 64.0
_SLIVER = 3
_EPSILON = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Common:
    """What the good images of a product under a fixed camera have in common, at working size. `ground` (h, w, 3): the
    ground's difference to the plane of its border, `tolerance`: grey levels that it keeps to; `always` (h, w) bool:
    product in nearly all of them; `shade` (h, w): brightness of the ground in shade, NaN where none was seen, None
    without shade."""

    ground: np.ndarray
    tolerance: float
    always: np.ndarray
    shade: np.ndarray | None

    def product(self, image: np.ndarray) -> np.ndarray | None:
        """The product, bool (h, w), in a small image (h, w, 3) float; None where none is seen."""
        if image.shape != self.ground.shape:
            return None
        ground = plane(evened(image), ring(image.shape[:2]))[0] + self.ground
        differing = _differing(_distance(image, ground), self.tolerance) | self.always
        if not AREA[0] <= differing.mean() <= AREA[1]:
            return None
        return differing if self.shade is None else _without_shade(image, ground, differing, self.shade)


def in_common(images: Sequence[np.ndarray]) -> Common | None:
    """What good images, small (h, w, 3) float of one shape, have in common; None when they show no product on a plain
    ground on which they agree."""
    if len(images) < FEWEST or len({image.shape for image in images}) > 1:
        return None
    frame = ring(images[0].shape[:2])
    fitted = [plane(evened(image), frame) for image in images]
    if np.mean([is_plain(spread, share) for _, spread, share in fitted]) < LEAST_SEEN:
        return None
    grounds = [ground for ground, _, _ in fitted]
    common, tolerance = _common_ground(images, grounds, frame)
    grounds = [ground + common for ground in grounds]
    distances = [_distance(image, ground) for image, ground in zip(images, grounds, strict=True)]
    finds = [_differing(distance, tolerance) for distance in distances]
    seen = np.mean(finds, axis=0)
    if not AREA[0] <= (seen > 0.5).mean() <= AREA[1]:
        return None
    convincing = [
        agreement(find, seen) >= LEAST_AGREEMENT and _sharp(find, distance)
        for find, distance in zip(finds, distances, strict=True)
    ]
    if np.mean(convincing) < LEAST_SEEN:
        return None
    return Common(common, tolerance, seen >= 0.95, _common_shade(images, grounds, finds))


def agreement(find: np.ndarray, seen: np.ndarray) -> float:
    """Overlap (IoU) of a find (h, w) bool with what most finds show, `seen` (h, w) being their mean."""
    most = seen > 0.5
    either = (find | most).sum()
    return float((find & most).sum() / either) if either else 0.0


def _soft(values: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(np.ascontiguousarray(values, np.float32), (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)


def _soft_within(values: np.ndarray, within: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian means of `values` (h, w) over the pixels of `within` (h, w) bool alone."""
    return _soft(np.where(within, values, 0), sigma) / np.maximum(_soft(within, sigma), _EPSILON)


def _distance(image: np.ndarray, ground: np.ndarray) -> np.ndarray:
    return np.abs(_soft(image, _SOFT) - ground).max(axis=-1)


def _differing(distance: np.ndarray, tolerance: float) -> np.ndarray:
    return filled(tidy(closed(opened(distance > tolerance, 1), _BAY)))


def _common_ground(
    images: Sequence[np.ndarray], planes: Sequence[np.ndarray], frame: np.ndarray
) -> tuple[np.ndarray, float]:
    """The ground's mean difference to its planes (h, w, 3), smooth, continued below the product; and the tolerance
    that its noise needs."""
    common = np.zeros_like(images[0])
    tolerance = _LEAST_TOLERANCE
    for _ in range(_ROUNDS):
        distances = [_distance(image, ground + common) for image, ground in zip(images, planes, strict=True)]
        noise = float(np.median([np.quantile(distance[frame], _NOISE_QUANTILE) for distance in distances]))
        tolerance = max(_LEAST_TOLERANCE, _NOISE_MARGIN * noise)
        seen = np.mean([_differing(distance, tolerance) for distance in distances], axis=0)
        # Bays are kept out: a piece of product that is as bright as the ground would draw the ground to itself.
        bare = ~dilated(filled(closed(seen > _SELDOM, 4 * _BAY)), _AWAY)
        beside = np.median([image - ground for image, ground in zip(images, planes, strict=True)], axis=0)
        common = (
            _soft(beside * bare[..., None], _GROUND_SOFT) / np.maximum(_soft(bare, _GROUND_SOFT), _EPSILON)[..., None]
        )
    return common, tolerance


def _sharp(find: np.ndarray, distance: np.ndarray) -> bool:
    """Whether the outline of a find is a step, and not a slope of light: across it, the distance to the ground changes
    more than beside it, at most places."""
    within, beyond = depth(find), depth(~find)
    sides = [(within > 1) & (within <= 4), (beyond > 1) & (beyond <= 4), (beyond > 4) & (beyond <= 7)]
    inside, outside, far = (_soft_within(distance, side, 2.0) for side in sides)
    outline = find & ~eroded(find, 1) & np.all([_soft(side, 2.0) > 0.02 for side in sides], axis=0)
    if not outline.any():
        return False
    step, slope = (inside - outside)[outline], np.abs(outside - far)[outline]
    return bool(np.mean(step > _SHARP * slope) >= _LEAST_SHARP)


def _shaded(image: np.ndarray, ground: np.ndarray, find: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What is much darker than the ground, bool (h, w); and its brightness (h, w), NaN at its rim and elsewhere."""
    brightness = image.mean(axis=-1)
    dark = opened(find & (_soft(brightness, _SOFT) < _DARK * ground.mean(axis=-1)), _BROAD)
    inner = eroded(dark, 1) & eroded(find, 4)
    return dark, np.where(inner, _soft_within(brightness, inner, _SOFT), np.nan)


def _common_shade(
    images: Sequence[np.ndarray], grounds: Sequence[np.ndarray], finds: Sequence[np.ndarray]
) -> np.ndarray | None:
    """The brightness (h, w) of the ground in shade, as the darkest good images show it; None without any."""
    levels = [_shaded(*three)[1] for three in zip(images, grounds, finds, strict=True)]
    shares = [np.isfinite(level).sum() / find.sum() for level, find in zip(levels, finds, strict=True)]
    if np.median(shares) < _LEAST_SHADE:
        return None
    often = np.isfinite(levels).sum(axis=0) >= FEWEST
    darkest = np.zeros(often.shape, np.float32)
    darkest[often] = np.nanquantile(np.array(levels)[:, often], _DARKEST, axis=0)
    return np.where(_soft(often, 2.0) > 0.02, _soft_within(darkest, often, 2.0), np.nan)


def _without_shade(image: np.ndarray, ground: np.ndarray, find: np.ndarray, shade: np.ndarray) -> np.ndarray:
    """A find (h, w) bool without the ground in shade.

    Sure product is what is not dark, and lines of structure in the dark that hang together with it; the rest is
    decided by GrabCut's minimal cut (Rother et al. 2004) with fixed distributions of the steps above the shade."""
    dark, level = _shaded(image, ground, find)
    sure = opened(find & ~dark, 1)
    sure &= _hanging(sure, largest(sure))
    seen = np.isfinite(level)
    if not sure.any() or not seen.any():
        return find
    above = level - shade
    above = np.nan_to_num(above - np.nanquantile(above[dark], 0.3)) / _STEP
    lines = _structure(np.nan_to_num(level - _soft_within(np.nan_to_num(level), seen, _LOCAL)) / _STEP)
    sure |= lines & _hanging(lines | sure, sure)
    steps = np.where(find, above, 0)
    steps[sure & ~seen] = _SURE_STEPS
    values = np.clip(_ZERO + _GAIN * steps, 0, 255).astype(np.uint8)
    labels = np.where(find, np.where(sure, cv2.GC_FGD, cv2.GC_PR_FGD), cv2.GC_BGD).astype(np.uint8)
    shaded, product = _normal((0.0,) * 5, 1.0), _normal(_PRODUCT_STEPS, 5 / 3)
    cv2.grabCut(np.stack([values] * 3, -1), labels, (0, 0, 0, 0), shaded, product, 1, cv2.GC_EVAL_FREEZE_MODEL)
    kept = largest(opened(filled(np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)) & find), 2))
    # What the cut took off in slivers is a dark rim of the product: a shadow is broader.
    return largest(opened(find & ~opened(find & ~kept, _SLIVER), 2))


def _structure(steps: np.ndarray) -> np.ndarray:
    """Lines that stand out by a step, somewhere by _STRONG steps, and have some length; (h, w) bool."""
    labels = cv2.connectedComponents((steps > 1).astype(np.uint8))[1]
    kept = np.bincount(labels.ravel()) > _LEAST_STRUCTURE
    strong = np.zeros_like(kept)
    strong[np.unique(labels[steps > _STRONG])] = True
    kept &= strong
    kept[0] = False
    return kept[labels]


def _hanging(region: np.ndarray, anchor: np.ndarray) -> np.ndarray:
    """What of a region hangs together with the anchor over gaps of twice _GAP px; (h, w) bool."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _GAP + 1, 2 * _GAP + 1))
    labels = cv2.connectedComponents(cv2.dilate(region.astype(np.uint8), disc))[1]
    return np.isin(labels, np.unique(labels[anchor]))


def _normal(means: Sequence[float], spread: float) -> np.ndarray:
    """Normal distributions of steps in equal shares, in three equal channels, as OpenCV takes them: float64 (1, 65)."""
    covariance = np.eye(3) * (_GAIN * spread) ** 2
    parts = [np.full(5, 0.2), np.repeat(_ZERO + _GAIN * np.array(means), 3), np.tile(covariance.ravel(), 5)]
    return np.concatenate(parts)[None].astype(np.float64)
