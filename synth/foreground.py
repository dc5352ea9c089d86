"""Where the product is in a picture, so that no defect is put on the table beside it.

The border of the picture is taken for background when it is plain: one colour, perhaps with a slope of light. What
differs from it and stands off with a sharp edge is the product. When that does not hold, as for a texture that fills
the frame, the whole picture is product: a wrong "everything" costs little, a wrong hole costs trust.
"""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage

_WORK_SIDE = 256
_MIN_TOLERANCE = 12.0
_PLAIN_SPREAD = 6.0
_AREA = (0.01, 0.97)
_NEIGHBOURHOOD = 9
_ROUNDING = 1e-4


def foreground(image: np.ndarray) -> np.ndarray:
    """The product in `image` (H, W, 3) uint8 as bool (H, W), never empty; all True when there is no plain background.

    Works at 256 pixels or less. Background colour: a plane of colour over x and y, fitted to the border and, failing
    that, to the corners alone. Product: everything further from it than the noise there allows, without specks;
    holes below a hundredth of the product are closed, larger ones (a washer's) stay open. The find counts only when
    it covers 1 to 97 % of the frame, hangs together, and its outline is a step nearly all the way round."""
    height, width = image.shape[:2]
    scale = min(1.0, _WORK_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX)).astype(np.float32)
    small = ndimage.median_filter(small, size=(3, 3, 1))
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
    background, spread, share = _plane(image, frame)
    if spread > _PLAIN_SPREAD or share < 0.55:
        return None
    distance = np.abs(image - background).max(axis=-1)
    tolerance = max(_MIN_TOLERANCE, 4 * spread, 0.5 * _otsu(distance))
    product = _tidy(distance > tolerance)
    return product if _convincing(product, distance, tolerance) else None


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
    small = np.bincount(holes.ravel()) < product.sum() / 100
    small[0] = False
    return product | small[holes]


def _opened(product: np.ndarray) -> np.ndarray:
    """Opening with the picture continued beyond its border, so that a product that leaves the frame keeps its edge."""
    padded = np.pad(product, 2, mode="edge")
    return ndimage.binary_opening(padded)[2:-2, 2:-2]


def _convincing(product: np.ndarray, distance: np.ndarray, tolerance: float) -> bool:
    """Whether a find is a part on a background: sensible area, few pieces, and a step at its outline."""
    if not _AREA[0] <= product.mean() <= _AREA[1]:
        return False
    labels, count = ndimage.label(product)
    largest = np.bincount(labels.ravel())[1:].max()
    if count > 20 or largest < 0.3 * product.sum() or _step(product, distance) < _MIN_TOLERANCE:
        return False
    return float((distance[~product] <= tolerance).mean()) > 0.95


def _step(product: np.ndarray, distance: np.ndarray) -> float:
    """How far the distance from the background rises across the outline, at all but the flattest tenth of it.

    Compared place by place, just inside with just outside: a part lit from one side has a bright and a dim edge, and
    both are edges. Minus infinity without an outline."""
    outline = product & ~ndimage.binary_erosion(product, border_value=1)
    inside = product & ~ndimage.binary_erosion(product, iterations=3, border_value=1)
    outside = ndimage.binary_dilation(product, iterations=4) & ~ndimage.binary_dilation(product, iterations=1)
    means = []
    for side in (inside, outside):
        share = ndimage.uniform_filter(side.astype(np.float32), _NEIGHBOURHOOD)
        outline = outline & (share > _ROUNDING)
        means.append(ndimage.uniform_filter(distance * side, _NEIGHBOURHOOD) / np.maximum(share, _ROUNDING))
    rise = (means[0] - means[1])[outline]
    return float(np.quantile(rise, 0.1)) if rise.size else -np.inf
