"""The copy audit: which generated images are training shots over again, as a whole or inside their masks.

Two ways to look, each with a distance 1 - r, r the correlation of what is compared (0 = equal up to brightness and
contrast, 1 = unrelated):

- whole: the fine structure of both images at 64 x 64, laid on each other in the best of the eight ways and the best
  shift. Finds a shot that was saved again, mirrored, turned, moved or resized.
- defect: what is seen inside the masks, aligned to a fraction of a pixel (`eval.quality.alignment`). Finds a defect
  that was cut out of a shot and pasted elsewhere, turned, mirrored, scaled and lit otherwise.

What is suspiciously near is learnt from real data alone: how near different shots come to each other. A whole image is
flagged when it is nearer to a shot than half of what all but the nearest fiftieth of the shots keep from the others, a
defect when it is nearer than half of the shots are, where they are nearer than unlike ones of any kind.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from PIL import Image
from scipy import ndimage, stats

from eval.quality.alignment import Frame, frame_of, likest, turned
from synth.checks.duplicates import duplicate_groups
from synth.checks.ledger import LedgerRow
from synth.errors import EvalError
from synth.io.images import content_hash, perceptual_hash, turns

Pair = tuple[np.ndarray, np.ndarray]
"""An image uint8 (H, W, 3) and its mask bool (H, W)."""

_WHOLE = 64
_SAME = 0.13, 0.05
"""Distance of two defects that counts as a copy's at most, and at least where shots resemble each other."""
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
        share, interval = share_with_interval(self.flags)
        assert share is not None
        assert interval is not None
        return share, interval[0], interval[1]


@dataclass(frozen=True)
class Looks:
    """What is compared of N images: `whole_image` (N, 64, 64) and the frame of the defect of each, and the hashes by
    which an image saved twice is found."""

    whole: np.ndarray
    defect: list[Frame]
    rows: list[LedgerRow]

    def __len__(self) -> int:
        return len(self.rows)


def share_with_interval(flags: np.ndarray) -> tuple[float | None, list[float] | None]:
    """Share of flags (N,) bool that are set and its 95 % interval (Wilson 1927); None, None for no flags."""
    if not len(flags):
        return None, None
    interval = stats.binomtest(int(flags.sum()), len(flags)).proportion_ci(method="wilson")
    return float(flags.mean()), [float(interval.low), float(interval.high)]


def look_at(images: Iterable[Pair]) -> Looks:
    """The looks of images with their masks, which may be read while they are asked for: none is kept."""
    whole, defect, rows = [], [], []
    for number, (image, mask) in enumerate(images):
        whole.append(whole_image(image))
        defect.append(frame_of(image, mask))
        hashes = content_hash(image), perceptual_hash(image).tobytes()
        rows.append(LedgerRow(str(number), None, "shot", "", None, *hashes))
    return Looks(np.stack(whole) if whole else np.empty((0, _WHOLE, _WHOLE)), defect, rows)


def audit_copies(generated: Looks, shots: Looks) -> CopyAudit:
    """Compare every generated image with every shot. EvalError for fewer than four different shots or
    none generated."""
    groups = [[int(row.id) for row in group] for group in duplicate_groups(shots.rows)]
    duplicates = {pair for group in groups for pair in combinations(sorted(group), 2)}
    different = len(shots) - len({second for _, second in duplicates})
    if different < _LEAST or not len(generated):
        raise EvalError(
            f"there are {len(generated)} generated images and {different} different shots; the audit needs at least "
            f"one and {_LEAST}: it learns from the shots how much two real ones differ"
        )
    between = whole_distances(shots.whole, shots.whole)
    np.fill_diagonal(between, np.inf)
    for pair in duplicates:
        between[pair] = between[pair[::-1]] = np.inf
    whole_real = between.min(1)
    across = whole_distances(generated.whole, shots.whole)
    defect_real = np.array([_nearest(shots.defect, number, duplicates) for number in range(len(shots))])
    likeness = [likest(frame, shots.defect) for frame in generated.defect]
    return CopyAudit(
        across.argmin(1),
        across.min(1),
        _SHARE * float(np.quantile(whole_real, _QUANTILE)),
        whole_real,
        np.array([index for index, _ in likeness]),
        1 - np.array([similarity for _, similarity in likeness]),
        float(np.clip(np.median(defect_real), *_SAME[::-1])),
        defect_real,
    )


def _nearest(shots: Sequence[Frame], number: int, duplicates: Collection[tuple[int, int]]) -> float:
    """Distance of a shot's defect to the nearest of the others that are not the same image."""
    others = [
        other
        for index, other in enumerate(shots)
        if index != number and (min(index, number), max(index, number)) not in duplicates
    ]
    return 1 - likest(shots[number], others)[1]


def near_duplicates(generated: Looks, limit: float) -> list[tuple[int, int]]:
    """Pairs of generated images whose defects are nearer to each other than `limit`, seen coarsely."""
    mine = np.stack([frame.vectors for frame in generated.defect])
    near = np.zeros((len(mine), len(mine)), bool)
    for row, frame in zip(near, generated.defect, strict=True):
        row[:] = 1 - np.einsum("wpc,npc->nwp", turned(frame), mine, optimize=True).min(2).max(1) < limit
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


def _unit(values: np.ndarray) -> np.ndarray:
    """Of zero mean and unit length; zeros where there is no structure."""
    values = values - values.mean()
    length = float(np.linalg.norm(values))
    return (values / length if length > 1e-6 else np.zeros_like(values)).astype(np.float32)
