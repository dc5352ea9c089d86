"""Where the product is in one image that differs clearly from its ground.

What differs from a plain border is the product with its shadow; a minimal cut between the product's colours and the
ground's, lit and in shade, takes the shadow off. The find counts only when its outline is a step nearly all the way
round, so a texture that fills the frame gives none.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy import ndimage

from synth.foreground.ground import AREA, LEAST_TOLERANCE, evened, is_plain, plane
from synth.foreground.regions import deep, dilated, eroded, filled, tidy

_SHADES = (0.9, 0.75, 0.55, 0.35)
_SHADE_SPREAD = 0.07
_COMPONENTS = 1 + len(_SHADES)
_ROUNDS = 2
_LEAST_STEP = 10.0
_VARIANCE = 6.0
_REACH = 5
_NEIGHBOURHOOD = 5
_ROUNDING = 1e-4
_NO_BOX = (0, 0, 0, 0)


def against_ground(image: np.ndarray, frame: np.ndarray) -> np.ndarray | None:
    """The product, bool (h, w), in a small image (h, w, 3) float, judged against the pixels of `frame` (h, w) bool;
    None when not convincing."""
    even = evened(image)
    ground, spread, share = plane(even, frame)
    if not is_plain(spread, share):
        return None
    distance = np.abs(even - ground).max(axis=-1)
    tolerance = max(LEAST_TOLERANCE, 4 * spread, 0.5 * _otsu(distance))
    differing = tidy(distance > tolerance)
    if not AREA[0] <= differing.mean() <= AREA[1] or (distance[~differing] > tolerance).mean() >= 0.05:
        return None
    product = _without_shadow(image, ground, differing)
    return product if _convincing(product, even) else None


def _otsu(values: np.ndarray) -> float:
    """The threshold that splits `values` into two groups of largest between-group variance (Otsu 1979)."""
    counts, edges = np.histogram(values, bins=64)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above = counts.sum() - below
    sums = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = sums[:-1] / below - (sums[-1] - sums[:-1]) / above
    return float(edges[1:-1][np.argmax(np.nan_to_num(below * above * gap**2))])


def _without_shadow(image: np.ndarray, ground: np.ndarray, differing: np.ndarray) -> np.ndarray:
    """The part of `differing` (h, w) bool that is product and no shadow; may be empty.

    The minimal cut of GrabCut (Rother et al. 2004) with fixed colours: those deep inside against those of the
    ground, plain and in `_SHADES` of its brightness; then once more with what lies deep in the first result."""
    whole = filled(differing)
    near = dilated(whole, _REACH)
    inner = deep(whole) & differing
    plain = ground.reshape(-1, 3).mean(axis=0)
    level = np.clip(image - ground + plain, 0, 255)
    if near.all():
        return differing
    lit = np.cov(level[~near].T) + _VARIANCE * np.eye(3)
    shadows = [lit * s**2 + np.outer(plain, plain) * _SHADE_SPREAD**2 for s in _SHADES]
    grounds = _mixture([plain, *(plain * s for s in _SHADES)], [lit, *shadows])
    brightness = level.mean(axis=-1) / max(float(plain.mean()), 1.0)
    product = differing
    for _ in range(_ROUNDS):
        if not inner.any():
            break
        labels = np.where(near, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
        colours = _by_brightness(level[inner])
        # Frozen colours: refitting them would draw random numbers and lets the shadow's drift into the product's.
        cv2.grabCut(level.astype(np.uint8), labels, _NO_BOX, grounds, colours, 1, cv2.GC_EVAL_FREEZE_MODEL)
        kept = tidy(_closed_faces(labels == cv2.GC_PR_FGD, brightness))
        if (kept & inner).sum() < 0.5 * inner.sum():
            break  # the product's own colours went with the shadow's
        product = kept
        inner = (inner | deep(filled(product))) & product
    return product


def _mixture(means: list[np.ndarray], covariances: list[np.ndarray]) -> np.ndarray:
    """`_COMPONENTS` normal distributions of colour in equal shares as OpenCV's grabCut takes them: float64 (1, 65)."""
    weights = np.full(_COMPONENTS, 1 / _COMPONENTS)
    return np.concatenate([np.ravel(part) for part in (weights, means, covariances)])[None].astype(np.float64)


def _by_brightness(colours: np.ndarray) -> np.ndarray:
    """A mixture for colours (N, 3), N at least 1: equal shares from dark to bright."""
    ordered = colours[np.argsort(colours.mean(axis=1), kind="stable")]
    groups = [group if len(group) > 3 else ordered for group in np.array_split(ordered, _COMPONENTS)]
    covariances = [np.cov(group.T) if len(group) > 1 else np.zeros((3, 3)) for group in groups]
    return _mixture([group.mean(axis=0) for group in groups], [c + _VARIANCE * np.eye(3) for c in covariances])


def _closed_faces(product: np.ndarray, brightness: np.ndarray) -> np.ndarray:
    """The product with those holes closed that are bright faces of it and no openings.

    Ground seen through an opening lies in its rim's shade somewhere. So a hole below a fifth of the product is closed
    where nine tenths of it have the full `brightness` (h, w), 1 = that of the ground."""
    holes, count = ndimage.label(filled(product) & ~product)
    closed = product.copy()
    for hole in range(1, count + 1):
        inside = holes == hole
        core = eroded(inside, 1)
        if inside.sum() < product.sum() / 5 and core.any() and np.quantile(brightness[core], 0.1) > 0.9:
            closed |= inside
    return closed


def _convincing(product: np.ndarray, image: np.ndarray) -> bool:
    """Whether a find is a part on a ground: sensible area, few pieces, and a step at its outline."""
    if not AREA[0] <= product.mean() <= AREA[1]:
        return False
    labels, count = ndimage.label(product)
    largest = np.bincount(labels.ravel())[1:].max()
    return bool(count <= 20 and largest >= 0.3 * product.sum() and _step(product, image) >= _LEAST_STEP)


def _step(product: np.ndarray, image: np.ndarray) -> float:
    """How far the colours of `image` (h, w, 3) differ across the outline, at all but the flattest tenth of it.

    Compared place by place, just inside with just outside: a part lit from one side has a bright and a dim edge, and
    both are edges. Minus infinity without an outline."""
    outline = product & ~eroded(product, 1)
    inside = product & ~eroded(product, 3)
    outside = dilated(product, 4) & ~dilated(product, 1)
    means = []
    for side in (inside, outside):
        share = ndimage.uniform_filter(side.astype(np.float32), _NEIGHBOURHOOD)[..., None]
        outline = outline & (share[..., 0] > _ROUNDING)
        total = ndimage.uniform_filter(image * side[..., None], (_NEIGHBOURHOOD, _NEIGHBOURHOOD, 1))
        means.append(total / np.maximum(share, _ROUNDING))
    difference = np.abs(means[0] - means[1]).max(axis=-1)[outline]
    return float(np.quantile(difference, 0.1)) if difference.size else -np.inf
