"""How tight masks are: width, area and length of the drawn ones over the shots' own, by product and defect type, and
where the outline lies in the defect's edge.

A mask twice as wide as its defect teaches a segmenter to mark good surface, however good the pixels look. Figures are
medians, by type: a mean over types, or a few odd shots, would hide it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from skimage.morphology import skeletonize

from synth.errors import EvalError
from synth.sample import Sample

REACH = 5
"""px to either side of the outline over which the edge is followed."""
FAR = 0.15
"""How far a ratio of sizes may be from 1 before it is noted."""
SIZES = ("width", "area", "length")
_RING = (3.0, 12.0)
_FINE, _THIN = 4, 24.0
_STANDS_OUT = 3.0


@dataclass(frozen=True, slots=True)
class Outline:
    """One mask: width and length in px, area in px, and its edge: the share of the defect's contrast, (2 * REACH,), by
    distance to the outline, from REACH px outside to REACH inside; NaN where there is no such pixel, everywhere for a
    defect too faint to tell. image: (H, W)."""

    product: str
    defect: str
    image: tuple[int, int]
    width: float
    area: float
    length: float
    edge: np.ndarray


@dataclass(frozen=True, slots=True)
class Tightness:
    """Of one type: how many masks were compared, the ratios of their median width, area and length to the shots', the
    share of the contrast at which the outlines lie and the mean distance of the edges; NaN where not known."""

    product: str
    defect: str
    drawn: int
    shots: int
    width: float
    area: float
    length: float
    outline: float
    outline_of_shots: float
    edges_apart: float

    @property
    def far_off(self) -> tuple[str, ...]:
        """Names of the sizes whose ratio is off by more than FAR."""
        return tuple(name for name in SIZES if abs(getattr(self, name) - 1) > FAR)

    def to_json(self) -> dict[str, Any]:
        return {name: _number(getattr(self, name)) for name in self.__slots__} | {"far_off": list(self.far_off)}

    def __str__(self) -> str:
        sizes = f"width {self.width:.2f}, area {self.area:.2f}, length {self.length:.2f} of the shots'"
        line = f"{self.defect}: {sizes} ({self.drawn} pairs, {self.shots} shots)"
        if not np.isfinite(self.edges_apart):
            return f"{line}; too faint to follow its edge"
        lies = f"outline at {self.outline:.0%} of the contrast, the shots' at {self.outline_of_shots:.0%}"
        return f"{line}; {lies}, edges {self.edges_apart:.2f} apart"


def outline_of(sample: Sample) -> Outline:
    """What is compared of one sample. EvalError without image or mask, or for an empty one."""
    image, mask = sample.image, sample.mask
    if image is None or mask is None or not mask.any():
        raise EvalError(f"{sample.id} has no image or no mask; there is no outline to measure")
    rows, columns = np.nonzero(mask)
    reach = int(max(REACH, _RING[1])) + 1
    box = tuple(slice(max(0, int(hit.min()) - reach), int(hit.max()) + reach + 1) for hit in (rows, columns))
    length = max(cv2.minAreaRect(np.column_stack([columns, rows]).astype(np.float32))[1]) + 1
    return Outline(
        str(sample.product),
        str(sample.defect),
        (mask.shape[0], mask.shape[1]),
        width_of(mask[box]),
        float(rows.size),
        float(length),
        edge_of(image[box].astype(np.float32), mask[box]),
    )


def width_of(mask: np.ndarray) -> float:
    """Width in px of a mask (h, w) bool, not empty: twice the distance from its medial axis to its outline, averaged
    along the axis with the distance itself as weight, so that the axis' spurs into corners count little.

    Distances are measured on a finer grid where the mask is thin: a crack of 2 px is not one of 1 or 3. The image's
    border is no outline."""
    if mask.all():
        return float(min(mask.shape))
    padded = np.pad(mask, 1, mode="edge")
    fine = _FINE if _distance(padded).max() < _THIN else 1
    depth = _distance(padded.repeat(fine, axis=0).repeat(fine, axis=1))
    depth = depth.reshape(padded.shape[0], fine, padded.shape[1], fine).max(axis=(1, 3)) / fine
    along = depth[skeletonize(padded)]
    return float(2 * np.square(along).sum() / along.sum())


def edge_of(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The defect's edge, (2 * REACH,): mean over the pixels at each distance to the outline, a px a step, from outside
    to inside, of the difference to the ground projected onto the defect's own; 1 = as strong as the defect is.

    image (h, w, 3) float32; mask (h, w) bool. The ground is the median of a ring around. NaN for a defect that does not
    stand out from the ring by three robust deviations."""
    nothing = np.full(2 * REACH, np.nan)
    outside = _distance(~mask) - 0.5
    ring = (outside > _RING[0]) & (outside <= _RING[1])
    if ring.sum() < 10:
        return nothing
    ground = np.median(image[ring], axis=0)
    direction = image[mask].mean(axis=0) - ground
    contrast = (image - ground) @ (direction / max(float(np.linalg.norm(direction)), 1e-6))
    own = contrast[mask].clip(min=0)
    strength = float(np.square(own).sum() / max(float(own.sum()), 1e-6))
    grain = 1.4826 * float(np.median(np.abs(contrast[ring] - np.median(contrast[ring]))))
    if strength < _STANDS_OUT * max(grain, 1.0):
        return nothing
    inside = _distance(np.pad(mask, 1, mode="edge"))[1:-1, 1:-1] - 0.5
    steps = np.floor(np.where(mask, inside, -outside)).astype(int) + REACH
    near = (steps >= 0) & (steps < 2 * REACH)
    counts, sums = (np.bincount(steps[near], weights, 2 * REACH) for weights in (None, contrast[near] / strength))
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def compare(drawn: Iterable[Outline], shots: Iterable[Outline]) -> list[Tightness]:
    """The types that both have, in the order of their names."""
    ours, theirs = _by_type(drawn), _by_type(shots)
    return [_of_type(ours[kind], theirs[kind]) for kind in sorted(ours) if kind in theirs]


def _of_type(drawn: Sequence[Outline], shots: Sequence[Outline]) -> Tightness:
    zoom = _zoom(drawn, shots)
    powers = {"width": 1, "area": 2, "length": 1}
    ratios = {name: _median(drawn, name) / (_median(shots, name) * zoom**power) for name, power in powers.items()}
    ours, theirs = (_edge(outlines) for outlines in (drawn, shots))
    apart = np.abs(ours - theirs)
    middle = slice(REACH - 1, REACH + 1)
    return Tightness(
        drawn[0].product,
        drawn[0].defect,
        len(drawn),
        len(shots),
        **ratios,
        outline=float(ours[middle].mean()),
        outline_of_shots=float(theirs[middle].mean()),
        edges_apart=float(apart[np.isfinite(apart)].mean()) if np.isfinite(apart).any() else float("nan"),
    )


def _zoom(drawn: Sequence[Outline], shots: Sequence[Outline]) -> float:
    """How much larger drawn images are than shots, where all of either have one size: then the scale differs. Crops of
    various sizes have one scale."""
    sizes = [{outline.image for outline in outlines} for outlines in (drawn, shots)]
    if any(len(found) > 1 for found in sizes):
        return 1.0
    (ours,), (theirs,) = sizes
    return float(np.sqrt(np.prod(ours) / np.prod(theirs)))


def _edge(outlines: Sequence[Outline]) -> np.ndarray:
    """The median edge of those that could be followed; NaN where none has a pixel."""
    edges = np.stack([outline.edge for outline in outlines])
    seen = np.isfinite(edges).any(axis=0)
    found = np.full(edges.shape[1], np.nan)
    found[seen] = np.nanmedian(edges[:, seen], axis=0)
    return found


def _median(outlines: Sequence[Outline], name: str) -> float:
    return float(np.median([getattr(outline, name) for outline in outlines]))


def _by_type(outlines: Iterable[Outline]) -> dict[tuple[str, str], list[Outline]]:
    found: dict[tuple[str, str], list[Outline]] = {}
    for outline in outlines:
        found.setdefault((outline.product, outline.defect), []).append(outline)
    return found


def _distance(mask: np.ndarray) -> np.ndarray:
    """Distance in px of every pixel that is set to the nearest one that is not, 0 for the others."""
    return cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)


def _number(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value
