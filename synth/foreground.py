"""Where the product is in one image, estimated from that image alone.

The border of the image is taken for background when it is plain: one colour, perhaps with a slope of light. What
differs from it is the product with its shadow; a minimal cut between the product's colours and the background's, lit
and in shade, takes the shadow off. When no sharp outline remains, as for a texture that fills the frame, the whole
image is product. The estimate can be wrong; `synth.parts` decides for a product whether it is used.
"""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image
from scipy import ndimage

_WORK_SIDE = 256
_MIN_TOLERANCE = 12.0
_PLAIN_SPREAD = 6.0
_AREA = (0.01, 0.97)
_NEIGHBOURHOOD = 5
_ROUNDING = 1e-4
_SHADES = (0.9, 0.75, 0.55, 0.35)
_SHADE_SPREAD = 0.07
_COMPONENTS = 1 + len(_SHADES)
_ROUNDS = 2
_LEAST_STEP = 10.0
_VARIANCE = 6.0
_REACH = 4
_NO_BOX = (0, 0, 0, 0)


def foreground(image: np.ndarray) -> np.ndarray:
    """The product in `image` (H, W, 3) uint8 as bool (H, W), never empty; all True when there is no plain background.

    Works at 256 pixels or less. Background colour: a plane of colour over x and y, fitted to the border and, failing
    that, to the corners alone. Product: everything further from it than the noise there allows, without its shadow and
    specks; through-holes stay open, those below a three-hundredth of the product are closed. The find counts only when
    it covers 1 to 97 % of the frame, hangs together, and its outline is a step nearly all the way round."""
    height, width = image.shape[:2]
    scale = min(1.0, _WORK_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX)).astype(np.float32)
    for frame in (_ring(small.shape[:2]), _corners(small.shape[:2])):
        found = _against_background(small, frame)
        if found is not None:
            enlarged = Image.fromarray(found).resize((width, height), Image.Resampling.NEAREST)
            return np.asarray(enlarged, dtype=bool)
    return np.ones((height, width), dtype=bool)


def _ring(shape: tuple[int, int]) -> np.ndarray:
    """A band along the border, a fortieth of the shorter side thick; (h, w) bool."""
    thick = max(2, min(shape) // 40)
    ring = np.ones(shape, dtype=bool)
    ring[thick:-thick, thick:-thick] = False
    return ring


def _corners(shape: tuple[int, int]) -> np.ndarray:
    """The four corners, each a twelfth of the sides; (h, w) bool."""
    rows, columns = (max(2, n // 12) for n in shape)
    at_end = [np.zeros(n, dtype=bool) for n in shape]
    for line, reach in zip(at_end, (rows, columns), strict=True):
        line[:reach] = line[-reach:] = True
    return at_end[0][:, None] & at_end[1][None, :]


def _against_background(image: np.ndarray, frame: np.ndarray) -> np.ndarray | None:
    """The product in a small image (h, w, 3) float, judged against the pixels of `frame`; None when not convincing."""
    even = ndimage.median_filter(image, size=(3, 3, 1))
    background, spread, share = _plane(even, frame)
    if spread > _PLAIN_SPREAD or share < 0.55:
        return None
    distance = np.abs(even - background).max(axis=-1)
    tolerance = max(_MIN_TOLERANCE, 4 * spread, 0.5 * _otsu(distance))
    differing = _tidy(distance > tolerance)
    if not _AREA[0] <= differing.mean() <= _AREA[1] or (distance[~differing] > tolerance).mean() >= 0.05:
        return None
    product = _without_shadow(image, background, differing)
    return product if _convincing(product, even) else None


def _plane(image: np.ndarray, frame: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Colour plane (h, w, 3) through the frame's majority; its residual (robust sigma) and the share that follows it.

    Starts from the median colour and refits three times to the pixels that are near, so a product that touches up to
    some 40 % of the frame does not bend it."""
    height, width = image.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    design = np.stack([np.ones_like(x), x / width - 0.5, y / height - 0.5], axis=-1)
    points, colours = design[frame], image[frame]
    residual = np.abs(colours - np.median(colours, axis=0)).max(axis=-1)
    near = residual <= max(30.0, float(np.median(residual)))
    coefficients = np.zeros((3, 3), dtype=np.float32)
    for _ in range(3):
        coefficients = np.linalg.lstsq(points[near], colours[near], rcond=None)[0]
        residual = np.abs(colours - points @ coefficients).max(axis=-1)
        near = residual <= max(_MIN_TOLERANCE, 3 * 1.4826 * float(np.median(residual)))
        if near.sum() < 3:
            return np.broadcast_to(np.median(colours, axis=0), image.shape), np.inf, 0.0
    share = float((residual <= 2 * _MIN_TOLERANCE).mean())
    return design @ coefficients, 1.4826 * float(np.median(residual[near])), share


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


def _tidy(product: np.ndarray) -> np.ndarray:
    """Without specks below a fiftieth of the largest piece, small holes closed; (h, w) bool."""
    product = _opened(product)
    labels, count = ndimage.label(product)
    if count == 0:
        return product
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    product = (areas >= areas.max() / 50)[labels]
    holes, count = ndimage.label(ndimage.binary_fill_holes(product) & ~product)
    small = np.bincount(holes.ravel()) < product.sum() / 300
    small[0] = False
    return product | small[holes]


def _opened(product: np.ndarray) -> np.ndarray:
    """Opening with the image continued beyond its border, so that a product that leaves the frame keeps its edge."""
    padded = np.pad(product, 2, mode="edge")
    return ndimage.binary_opening(padded)[2:-2, 2:-2]


def _without_shadow(image: np.ndarray, background: np.ndarray, differing: np.ndarray) -> np.ndarray:
    """The part of `differing` (h, w) bool that is product and no shadow; may be empty.

    The minimal cut of GrabCut (Rother et al. 2004) with fixed colours: those deep inside against those of the
    background, plain and in `_SHADES` of its brightness; then once more with what lies deep in the first result."""
    filled = ndimage.binary_fill_holes(differing)
    near = ndimage.binary_dilation(filled, iterations=_REACH)
    deep = _deep(filled) & differing
    plain = background.reshape(-1, 3).mean(axis=0)
    level = np.clip(image - background + plain, 0, 255)
    if near.all():
        return differing
    lit = np.cov(level[~near].T) + _VARIANCE * np.eye(3)
    shadows = [lit * s**2 + np.outer(plain, plain) * _SHADE_SPREAD**2 for s in _SHADES]
    ground = _mixture([plain, *(plain * s for s in _SHADES)], [lit, *shadows])
    brightness = level.mean(axis=-1) / max(float(plain.mean()), 1.0)
    product = differing
    for _ in range(_ROUNDS):
        if not deep.any():
            break
        labels = np.where(near, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
        colours = _by_brightness(level[deep])
        # Frozen colours: refitting them would draw random numbers and lets the shadow's drift into the product's.
        cv2.grabCut(level.astype(np.uint8), labels, _NO_BOX, ground, colours, 1, cv2.GC_EVAL_FREEZE_MODEL)
        kept = _tidy(_closed_faces(labels == cv2.GC_PR_FGD, brightness))
        if (kept & deep).sum() < 0.5 * deep.sum():
            break  # the product's own colours went with the shadow's
        product = kept
        deep = (deep | _deep(ndimage.binary_fill_holes(product))) & product
    return product


def _deep(filled: np.ndarray) -> np.ndarray:
    """What lies at least half as deep in a region (h, w) bool as the widest disc that fits there; thin parts too."""
    depth = ndimage.distance_transform_edt(filled)
    width = np.zeros_like(depth)
    radius = float(depth.max())
    while radius >= 1:
        reached = (ndimage.distance_transform_edt(depth < radius) <= radius) & (width == 0)
        width[reached] = radius
        radius *= 0.8
    return filled & (width > 0) & (depth >= width / 2)


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
    where nine tenths of it have the full `brightness` (h, w), 1 = that of the background."""
    holes, count = ndimage.label(ndimage.binary_fill_holes(product) & ~product)
    closed = product.copy()
    for hole in range(1, count + 1):
        inside = holes == hole
        inner = ndimage.binary_erosion(inside)
        if inside.sum() < product.sum() / 5 and inner.any() and np.quantile(brightness[inner], 0.1) > 0.9:
            closed |= inside
    return closed


def _convincing(product: np.ndarray, image: np.ndarray) -> bool:
    """Whether a find is a part on a background: sensible area, few pieces, and a step at its outline."""
    if not _AREA[0] <= product.mean() <= _AREA[1]:
        return False
    labels, count = ndimage.label(product)
    largest = np.bincount(labels.ravel())[1:].max()
    return bool(count <= 20 and largest >= 0.3 * product.sum() and _step(product, image) >= _LEAST_STEP)


def _step(product: np.ndarray, image: np.ndarray) -> float:
    """How far the colours of `image` (h, w, 3) differ across the outline, at all but the flattest tenth of it.

    Compared place by place, just inside with just outside: a part lit from one side has a bright and a dim edge, and
    both are edges. Minus infinity without an outline."""
    outline = product & ~ndimage.binary_erosion(product, border_value=1)
    inside = product & ~ndimage.binary_erosion(product, iterations=3, border_value=1)
    outside = ndimage.binary_dilation(product, iterations=4) & ~ndimage.binary_dilation(product, iterations=1)
    means = []
    for side in (inside, outside):
        share = ndimage.uniform_filter(side.astype(np.float32), _NEIGHBOURHOOD)[..., None]
        outline = outline & (share[..., 0] > _ROUNDING)
        total = ndimage.uniform_filter(image * side[..., None], (_NEIGHBOURHOOD, _NEIGHBOURHOOD, 1))
        means.append(total / np.maximum(share, _ROUNDING))
    difference = np.abs(means[0] - means[1]).max(axis=-1)[outline]
    return float(np.quantile(difference, 0.1)) if difference.size else -np.inf
