"""The copy audit: which generated images are training shots over again, as a whole or inside their masks.

Two ways to look, each with a distance 1 - r, r the correlation of what is compared (0 = equal up to brightness and
contrast, 1 = unrelated):

- whole: the fine structure of both images at 64 x 64, laid on each other in the best of the eight ways and the best
  shift. Finds a shot that was saved again, mirrored, turned, moved or resized.
- defect: the defect on its own surroundings and the mask's shape, at 32 x 32, centred on the defect and scaled by its
  spread, in the best of 48 turns and reflections. Finds a defect that was cut out of a shot and pasted elsewhere.

What is suspiciously near is learnt from real data alone: how near different shots come to each other. An image is
flagged when it is nearer to a shot than half of what all but the nearest fiftieth of the shots keep from the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from PIL import Image
from scipy import ndimage, stats

from synth.checks.duplicates import duplicate_groups
from synth.checks.ledger import LedgerRow
from synth.errors import EvalError
from synth.io.images import content_hash, perceptual_hash, turns

Pair = tuple[np.ndarray, np.ndarray]
"""An image uint8 (H, W, 3) and its mask bool (H, W)."""

_WHOLE = 64
_DEFECT = 32
_STEPS = 24
_SPREADS = 5.0
_QUANTILE = 0.02
_SHARE = 0.5
_LEAST = 4


@dataclass(frozen=True)
class CopyAudit:
    """For N generated images: index of the nearest shot and distance to it, whole (N,) and defect (N,); the limits
    below which a distance is a copy's; the distances of each shot to its nearest other shot."""

    whole_nearest: np.ndarray
    whole: np.ndarray
    whole_limit: float
    whole_real: np.ndarray
    defect_nearest: np.ndarray
    defect: np.ndarray
    defect_limit: float
    defect_real: np.ndarray

    @property
    def flags(self) -> np.ndarray:
        """Which images are copies; (N,) bool."""
        return (self.whole < self.whole_limit) | (self.defect < self.defect_limit)

    @property
    def rate(self) -> tuple[float, float, float]:
        """Share of copies and its 95 % interval (Wilson 1927)."""
        copies = int(self.flags.sum())
        interval = stats.binomtest(copies, len(self.flags)).proportion_ci(method="wilson")
        return copies / len(self.flags), float(interval.low), float(interval.high)


@dataclass(frozen=True)
class Looks:
    """What is compared of N images: `whole_image` (N, 64, 64) and `defect_alone` (N, 2, 32, 32) of each, and the hashes
    by which an image saved twice is found."""

    whole: np.ndarray
    defect: np.ndarray
    rows: list[LedgerRow]

    def __len__(self) -> int:
        return len(self.rows)


def look_at(images: Iterable[Pair]) -> Looks:
    """The looks of images with their masks, which may be read while they are asked for: none is kept."""
    whole, defect, rows = [], [], []
    for number, (image, mask) in enumerate(images):
        whole.append(whole_image(image))
        defect.append(defect_alone(image, mask))
        hashes = content_hash(image), perceptual_hash(image).tobytes()
        rows.append(LedgerRow(str(number), None, "shot", "", None, *hashes))
    if not rows:
        return Looks(np.empty((0, _WHOLE, _WHOLE)), np.empty((0, 2, _DEFECT, _DEFECT)), [])
    return Looks(np.stack(whole), np.stack(defect), rows)


def audit_copies(generated: Looks, shots: Looks) -> CopyAudit:
    """Compare every generated image with every shot. EvalError for fewer than four different shots or
    none generated."""
    groups = [[int(row.id) for row in group] for group in duplicate_groups(shots.rows)]
    duplicates = [pair for group in groups for pair in combinations(group, 2)]
    different = len(shots) - len({second for _, second in duplicates})
    if different < _LEAST or not len(generated):
        raise EvalError(
            f"there are {len(generated)} generated images and {different} different shots; the audit needs at least "
            f"one and {_LEAST}: it learns from the shots how much two real ones differ"
        )
    found: list[np.ndarray | float] = []
    for theirs, ours, distance in (
        (shots.whole, generated.whole, whole_distances),
        (shots.defect, generated.defect, defect_distances),
    ):
        between = distance(theirs, theirs)
        np.fill_diagonal(between, np.inf)
        for pair in duplicates:
            between[pair] = between[pair[::-1]] = np.inf
        real = between.min(1)
        across = distance(ours, theirs)
        found += [across.argmin(1), across.min(1), _SHARE * float(np.quantile(real, _QUANTILE)), real]
    return CopyAudit(*found)  # type: ignore[arg-type]


def near_duplicates(generated: Looks, limit: float) -> list[tuple[int, int]]:
    """Pairs of generated images whose defects are nearer to each other than the audit's limit for defects."""
    near = defect_distances(generated.defect, generated.defect) < limit
    first, second = np.nonzero(np.triu(near, 1))
    return list(zip(first.tolist(), second.tolist(), strict=True))


def whole_image(image: np.ndarray) -> np.ndarray:
    """Fine structure of the image, (64, 64) float32, of zero mean and unit length."""
    grey = Image.fromarray(image).convert("L").resize((_WHOLE, _WHOLE), Image.Resampling.BOX)
    values = np.asarray(grey, np.float32)
    return _unit(values - ndimage.gaussian_filter(values, 4, mode="reflect"))


def whole_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """1 - the largest correlation over eight ways and all shifts; x (n, 64, 64), y (m, 64, 64) -> (n, m)."""
    ways = np.conj(np.fft.rfft2(np.stack([turns(image) for image in y]))).astype(np.complex64)
    result = np.empty((len(x), len(y)))
    for row, image in zip(result, np.fft.rfft2(x).astype(np.complex64), strict=True):
        row[:] = 1 - np.fft.irfft2(image * ways, s=x.shape[1:]).max((1, 2, 3))
    return result


def defect_alone(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The defect in its own frame: contrast against its surroundings and shape of the mask, (2, 32, 32) float32, each
    of unit length. The frame is centred on the mask and five times its spread (root mean square radius) wide."""
    if not mask.any():
        raise EvalError("a mask is empty: there is no defect to look for; leave good images out")
    rows, columns = np.nonzero(mask)
    centre = np.array([rows.mean(), columns.mean()])
    spread = np.sqrt(rows.var() + columns.var())
    side = max(_SPREADS * spread, 6.0)
    grid = ((np.arange(_DEFECT) + 0.5) / _DEFECT - 0.5) * side
    places = np.stack(np.meshgrid(grid + centre[0], grid + centre[1], indexing="ij"))
    blur = max(0.0, side / _DEFECT - 1) / 2
    grey = ndimage.gaussian_filter(image.mean(-1, dtype=np.float32), blur)
    level = np.median(grey[ndimage.binary_dilation(mask, iterations=4) & ~mask]) if not mask.all() else grey.mean()
    soft = ndimage.gaussian_filter(mask.astype(np.float32), max(blur, 0.7))
    values, shape = (ndimage.map_coordinates(plane, places, order=1, mode="constant") for plane in (grey - level, soft))
    return np.stack([_unit(values * shape, centred=False), _unit(shape, centred=False)])


def defect_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """1 - the largest, over 24 turns and their mirror images, of the smaller of two correlations: of what the defects
    look like and of their outlines; x (n, 2, 32, 32), y (m, 2, 32, 32) -> (n, m)."""
    best = np.full((len(x), len(y)), -1.0)
    for mirrored in (y, y[..., ::-1]):
        for step in range(_STEPS):
            turned = ndimage.rotate(mirrored, 360 * step / _STEPS, axes=(2, 3), reshape=False, order=1)
            appearance, outline = (
                x[:, part].reshape(len(x), -1) @ _units(turned[:, part].reshape(len(y), -1)).T for part in (0, 1)
            )
            np.maximum(best, np.minimum(np.abs(appearance), outline), out=best)
    return 1 - best


def _unit(values: np.ndarray, centred: bool = True) -> np.ndarray:
    """Of unit length, and of zero mean where centred; zeros where there is no structure."""
    values = values - values.mean() if centred else values
    length = float(np.linalg.norm(values))
    return (values / length if length > 1e-6 else np.zeros_like(values)).astype(np.float32)


def _units(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
