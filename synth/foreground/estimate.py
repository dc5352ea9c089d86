"""The foreground of a product: learnt from its good images, then found in any image of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from synth.foreground.contrast import against_ground
from synth.foreground.faint import LEAST_AGREEMENT, LEAST_SEEN, Common, agreement, in_common
from synth.foreground.ground import at_size, at_work_size, corners, ring

MOST_APART = 2.0
"""Ratio of an image's area of product to the median, either way, up to which it is like the others."""
FEW_DISAGREE = 3
"""Good images from which most of them can be right."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """How the product is found in its images: by what its good images have in `common`, or where there is nothing, in
    each image alone."""

    common: Common | None = None

    def foreground(self, image: np.ndarray) -> np.ndarray:
        """The product in `image` (H, W, 3) uint8 as bool (H, W), never empty; all True where none is found."""
        small = at_work_size(image)
        found = _contrasting(small) if self.common is None else self.common.product(small)
        shape = image.shape[:2]
        return np.ones(shape, dtype=bool) if found is None else at_size(found, shape)


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """What good images tell. `shares`: of each image, that is product, 1.0 where none was found; `apart`: indices of
    images that do not agree with most of the others."""

    look: Look
    shares: tuple[float, ...]
    apart: tuple[int, ...]


def foreground(image: np.ndarray) -> np.ndarray:
    """The product in `image` (H, W, 3) uint8, judged from it alone: bool (H, W), never empty; all True when there is no
    plain background.

    Works at 320 px. Background colour: a plane of colour over x and y, fitted to the border and, failing that, to the
    corners alone. Product: everything further from it than the noise there allows, without its shadow and specks;
    through-holes stay open, those below a three-hundredth of the product are closed. The find counts only when it
    covers 1 to 97 % of the frame, hangs together, and its outline is a step nearly all the way round."""
    return Look().foreground(image)


def learn(images: Iterable[np.ndarray]) -> Learnt:
    """Learn from good images (H, W, 3) uint8 of one product how to find it. Where fewer than LEAST_SEEN of them show it
    by themselves, what they have in common is taken (see `synth.foreground.faint`)."""
    smalls = [at_work_size(image) for image in images]
    finds = [_contrasting(small) for small in smalls]
    look = Look()
    if sum(find is not None for find in finds) < LEAST_SEEN * len(finds):
        common = in_common(smalls)
        if common is not None:
            look, finds = Look(common), [common.product(small) for small in smalls]
    shares = tuple(1.0 if find is None else float(find.mean()) for find in finds)
    return Learnt(look, shares, _apart(finds))


def _contrasting(small: np.ndarray) -> np.ndarray | None:
    shape = small.shape[:2]
    for frame in (ring(shape), corners(shape)):
        found = against_ground(small, frame)
        if found is not None:
            return found
    return None


def _apart(finds: Sequence[np.ndarray | None]) -> tuple[int, ...]:
    """Which finds differ from most others: in area, and in place where the product always lies in the same one."""
    there = [find for find in finds if find is not None]
    if len(there) < max(FEW_DISAGREE, LEAST_SEEN * len(finds)):
        return ()
    usual = float(np.median([find.mean() for find in there]))
    seen = np.mean(there, axis=0) if len({find.shape for find in there}) == 1 else None
    fixed = seen is not None and np.median([agreement(find, seen) for find in there]) >= LEAST_AGREEMENT

    def apart(find: np.ndarray | None) -> bool:
        if find is None or not 1 / MOST_APART <= find.mean() / usual <= MOST_APART:
            return True
        return fixed and seen is not None and agreement(find, seen) < LEAST_AGREEMENT / MOST_APART

    return tuple(index for index, find in enumerate(finds) if apart(find))
