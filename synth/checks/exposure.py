"""Whether two images that look alike are one exposure saved twice, or two exposures of parts that look alike.

Each exposure has its own sensor noise, which its copies share as far as their coding kept it. `one_exposure` lays the
two images on each other and goes from the finest detail to coarser ones until both show about as much of it; where the
images are quietest, that detail is noise, or what is left of it. Two exposures have no more of it in common than the
part's texture gives them, a copy has.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, gaussian_gradient_magnitude

from synth.io.hashes import perceptual_hash, turned, turns

SHARED = 0.25
"""Correlation of the quiet detail from which two images are one exposure."""
VISIBLE = 0.5
"""Grey levels (standard deviation) below which detail is rounding."""
COMPARABLE = 1.6
"""Ratio of two standard deviations up to which both images show the same amount of detail."""
AMBIGUOUS = 1.0
"""Grey levels by which a way to lay two thumbnails on each other may be worse than the best one and is tried too."""
LOOKED_AT = 1024
"""Side in px of the middle that is compared."""
_LEAST_SIDE, _LEAST_PIXELS = 24, 200
_BLACK, _WHITE = 3, 252

PRINT_SIDE = 32
CORRELATED = 0.25, 0.7
"""Correlation of what is two images' own from which they may be copies: where few correlate, and where many do."""
STANDS_OUT = 6
"""Times the usual correlation (median) of an image with the others."""
CANDIDATES = 3
"""Others that are looked at for each image, the most alike."""
_SAMPLE, _MODES, _LEAST_SHARING = 512, 16, 6


def one_exposure(first: np.ndarray, second: np.ndarray, unsure: bool = True) -> bool:
    """Whether two images (H, W, 3) uint8 that look alike, one perhaps coded again, resized, turned or mirrored, are one
    exposure; `unsure` where they show no noise to decide by."""
    differences = turns(perceptual_hash(second)).astype(np.float32) - perceptual_hash(first)
    distances = np.sqrt(np.square(differences).mean((1, 2)))
    ways = np.flatnonzero(distances <= distances.min() + AMBIGUOUS)
    one, other = _grey(first), _grey(second)
    return any(_shares_noise(*_laid_together(one, turned(other, int(way))), unsure) for way in ways)


def alike_in_noise(prints: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """(image, others that may be copies of it, the likeliest first) among many that look alike, laid the same way:
    `prints` (N, 32, 32) float32, as of `fine_print`. What they have in common is taken off, so that noise is left and
    what is each part's own; copies are those whose rest correlates more than is usual there."""
    rest = _own(prints)
    usual = np.median(np.abs(rest @ rest[:: max(1, len(rest) // _SAMPLE)].T), axis=1)
    limit = np.clip(STANDS_OUT * usual, *CORRELATED)
    for start in range(0, len(rest), _SAMPLE):
        alike = rest[start : start + _SAMPLE] @ rest.T
        for row, values in enumerate(alike, start):
            values[row] = -1
            best = np.argpartition(values, -CANDIDATES)[-CANDIDATES:]
            best = best[values[best] >= limit[row]]
            if len(best):
                yield row, best[np.argsort(-values[best])]


def fine_print(image: np.ndarray) -> np.ndarray:
    """A grey thumbnail of an image (H, W, 3), (32, 32) float32, that is not rounded: it keeps what is left of noise."""
    size = (PRINT_SIDE, PRINT_SIDE)
    return np.asarray(Image.fromarray(_grey(image)).resize(size, Image.Resampling.BOX))


def _own(prints: np.ndarray) -> np.ndarray:
    """What is an image's own, (N, 1024) of unit length: without the mean image, slow changes of light, and the ways in
    which many of the images vary together, as with play; places where they vary more than usual count less."""
    rest = prints - prints.mean(0)
    rest = (rest - gaussian_filter(rest, (0, 2, 2))).reshape(len(prints), -1)
    spread = np.median(np.abs(rest), axis=0)
    rest = rest / np.maximum(spread, max(0.5 * float(np.median(spread)), 1e-6))
    some = rest[:: max(1, len(rest) // _SAMPLE)]
    who, _, modes = np.linalg.svd(some, full_matrices=False)
    most = min(_MODES, len(some) // 4)
    sharing = 1 / np.maximum((who[:, :most] ** 4).sum(0), 1e-12)
    common = modes[:most][sharing >= max(_LEAST_SHARING, len(some) / 6)]
    rest -= (rest @ common.T) @ common
    return rest / np.maximum(np.linalg.norm(rest, axis=1, keepdims=True), 1e-6)


def _shares_noise(one: np.ndarray, other: np.ndarray, unsure: bool) -> bool:
    while min(one.shape) >= _LEAST_SIDE:
        first, second = _quiet_detail(one, other)
        low, high = sorted((float(first.std()), float(second.std()))) if len(first) >= _LEAST_PIXELS else (0.0, 0.0)
        if low >= VISIBLE and high <= COMPARABLE * low:
            return float(np.corrcoef(first, second)[0, 1]) >= SHARED
        one, other = _halved(one), _halved(other)
    return unsure


def _quiet_detail(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The finest detail of two images (H, W), where they change least and are not clipped: (n,) of each."""
    both = (one + other) / 2
    exposed = (both > _BLACK) & (both < _WHITE)
    if not exposed.any():
        return both[exposed], both[exposed]
    slope = gaussian_gradient_magnitude(both, 2)
    quiet = exposed & (slope <= np.median(slope[exposed]))
    return (one - gaussian_filter(one, 1))[quiet], (other - gaussian_filter(other, 1))[quiet]


def _laid_together(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The middles of two images (H, W) at the size of the smaller one."""
    height, width = (min(sides) for sides in zip(one.shape, other.shape, strict=True))
    top, left = max(0, height - LOOKED_AT) // 2, max(0, width - LOOKED_AT) // 2
    middle = np.s_[top : top + LOOKED_AT, left : left + LOOKED_AT]
    return _resized(one, height, width)[middle], _resized(other, height, width)[middle]


def _resized(grey: np.ndarray, height: int, width: int) -> np.ndarray:
    if grey.shape == (height, width):
        return grey
    return np.asarray(Image.fromarray(np.ascontiguousarray(grey)).resize((width, height), Image.Resampling.BICUBIC))


def _halved(grey: np.ndarray) -> np.ndarray:
    height, width = (side // 2 for side in grey.shape)
    return grey[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean((1, 3))


def _grey(image: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(image).convert("L"), np.float32)
