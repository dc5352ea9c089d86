"""Context-matched placement: a defect goes where its surroundings fit.

The ring around a shot's defect is laid over a good image at every place, over the angles at which good parts of the
product really lie, mirrored or not; the places where it differs little are where the defect may go, turned as found.
How little is measured for each shot: it is how well the ring fits its best places on a few good images. On aligned
parts the shot's own place wins by itself, on parts that lie anywhere the same feature does, and on textures nearly
every place is as good as the next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice, product

import cv2
import numpy as np

from synth.errors import GeneratorError
from synth.parts import evenly, part_of
from synth.placing.config import Trust
from synth.placing.crop import DefectCrop
from synth.placing.faint import is_faint
from synth.placing.fit import around
from synth.placing.levels import resized
from synth.placing.matcher import Matcher, image_of, laid, on_grid
from synth.placing.paste import paste
from synth.placing.places import Spread, measure_spread
from synth.placing.pose import Pose
from synth.placing.room import has_room, reaching
from synth.placing.shot_crop import ShotCrop
from synth.placing.turning import ellipse, lie_alike, turn_limit
from synth.placing.variation import Variation
from synth.sample import Sample
from synth.sources.listing import reopen

SURVEYED = 24
"""Good images that show how a product looks and how far its parts are turned."""
_CALIBRATIONS, _CALIBRATED_ON = 120, (4, 12)
_SLACK, _PLAY = 1.2, 0.04
_BETTER, _WORST = 0.2, 2.0
_DISTINCT, _FREE = 0.5, 0.25
_LEAST_SEEN = 0.7
"""Share of a defect that its pose must leave inside the image."""
_CROPS_TRIED, _GOOD_IMAGES_TRIED, _PLACES_TRIED = 3, 10, 4
_OWN_SHIFT, _OWN_TURN = 0.06, 7.0
_PLACES_LOOKED_AT = 200
_UNLIKELY = 1e-9
_PERMITTED, _POINTS = 0.9, 256
_COMPARED = 12
_FINALISTS = 3
_BORDER = 0.015
UNLIKE = 99.0
"""The misfit of what could be no defect of its type."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A defect of a shot on a good image."""

    good: Sample
    crop: DefectCrop
    pose: Pose


Allowed = Callable[[Sample], np.ndarray | None]
"""Where a defect may lie in a good image, (H, W) bool; None = everywhere."""


class Surroundings:
    """Of one product: its good images' appearance, its shots' crops by defect type, and how far parts are turned."""

    def __init__(
        self,
        shots: Sequence[Sample],
        good_images: Sequence[Sample],
        turn: float | None = None,
        mirror: bool = True,
        scale: tuple[float, float] = (0.9, 1.1),
    ) -> None:
        """turn: degrees to either side that defects may be turned; None = as far as good parts are, measured. mirror:
        whether they may be mirrored. scale: least and largest change of their size."""
        self._shots = sorted(shots, key=lambda shot: shot.id)
        self._good_images = sorted(good_images, key=lambda good: good.id)
        self._asked_turn, self._mirror = turn, mirror
        self._scales = tuple(dict.fromkeys((scale[0], min(max(1.0, scale[0]), scale[1]), scale[1])))
        self._crops: dict[str, list[ShotCrop]] = {}
        self._spreads: dict[str, Spread] = {}
        surveyed = evenly(self._good_images, SURVEYED)
        self._matcher = Matcher(surveyed)
        self._grey = [resized(image_of(good), self._matcher.levels[1].factor).mean(axis=-1) for good in surveyed]

    @cached_property
    def turn_limit(self) -> float:
        """Degrees to either side that defects of any type may be turned."""
        return turn_limit(self._grey) if self._asked_turn is None else self._asked_turn

    def crops(self, defect: str) -> list[ShotCrop]:
        """The defects of one type, calibrated on first use; those whose surroundings fit nowhere are left out.
        GeneratorError for a type without shots."""
        if defect not in self._crops:
            own = [shot for shot in self._shots if shot.defect == defect and shot.mask is not None and shot.mask.any()]
            if not own:
                known = sorted({str(shot.defect) for shot in self._shots})
                raise GeneratorError(f"no shot of {defect!r}; known types: {', '.join(known) or 'none'}")
            cut = [self._matcher.cut(shot, self.turn_limit) for shot in own]
            self._crops[defect] = self._calibrated(_with_faint_ones(cut))
        return self._crops[defect]

    def _spread(self, defect: str) -> Spread:
        if defect not in self._spreads:
            marked = [shot for shot in self._shots if shot.mask is not None and shot.mask.any()]
            self._spreads[defect] = measure_spread([shot for shot in marked if shot.defect == defect])
        return self._spreads[defect]

    def place(
        self,
        defect: str,
        rng: np.random.Generator,
        trust: Trust = "context",
        allowed: Allowed | None = None,
        turn_of: int | None = None,
        variation: Variation | None = None,
    ) -> Placed | None:
        """A defect of this type on a good image: shot, good image, place, turn and scale drawn among those that fit,
        with nine tenths of the defect where it is allowed, the more often the nearer to where shots have theirs, as far
        as those lie alike. turn_of: a running number, by which the shots take turns at
        being tried first. variation: by which size and turn then change as far as the surroundings still fit. None
        where three shots fit on none of ten good images each."""
        crops = self.crops(defect)
        order = rng.permutation(len(crops)).tolist()
        if turn_of is not None:
            order.sort(key=lambda index: index != turn_of % len(crops))
        for shot in (crops[index] for index in order[:_CROPS_TRIED]):
            # The shot stays while good images change: one that fits few of them is not used less often for it.
            for attempt, number in enumerate(rng.permutation(len(self._good_images))[:_GOOD_IMAGES_TRIED].tolist()):
                good = reopen(self._good_images[number])
                region = None if allowed is None else allowed(good)
                if trust == "anywhere":
                    pose = self._anywhere(shot, good, rng, region)
                else:
                    # Mirrored and scaled surroundings may fit nowhere: only the first attempt asks for them.
                    mirrored = bool(rng.integers(2)) and shot.mirrors and trust == "context" and attempt == 0
                    scale = 1.0 if attempt or variation is not None else float(rng.choice(self._scales))
                    likely = self._spread(defect) if trust == "context" else None
                    pose = self._fitting(shot, good, rng, trust, region, mirrored, scale, likely)
                if pose is None:
                    continue
                varied = pose if variation is None else self._varied(shot, pose, good, variation, trust, region)
                if _seen(shot.crop, varied, image_of(good).shape) >= _LEAST_SEEN:
                    return Placed(good, shot.crop, varied)
        return None

    def examples(self, defect: str) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """The shots of this type, each pasted where it fits best: (image, the good image before, mask)."""
        found = []
        for shot in self.crops(defect):
            if shot.example is not None:
                good, pose = shot.example
                image, mask = paste(image_of(good), shot.crop, pose)
                found += [(image, image_of(good), mask)] if mask.any() else []
        return found

    def on_parts(self, defect: str) -> list[tuple[np.ndarray, np.ndarray]]:
        """Where the product is, and the mask, (H, W) bool each, in those shots of this type for which it is known."""
        return [
            (part, shot.mask)
            for shot in self._shots
            if shot.defect == defect and shot.mask is not None and shot.mask.any()
            if (part := part_of(shot)) is not None
        ]

    def misfit(self, defect: str, image: np.ndarray, mask: np.ndarray) -> float:
        """How badly the surroundings of the defect `mask` (H, W) bool, not empty, of `image` (H, W, 3) uint8 fit
        those of the shots of its type: the least difference to any of them, as a multiple of the largest that counts
        as a fit, UNLIKE at most. NaN where nothing around it can be compared."""
        planes = [self._matcher.channels.of(resized(image, level.factor)) for level in self._matcher.levels[:2]]
        away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        weights = [
            (resized((away > level.gap / level.factor).astype(np.float32), level.factor) > 0.5).astype(np.float32)
            for level in self._matcher.levels[:2]
        ]
        cut_off = _near_border(mask)
        like = [shot for shot in self.crops(defect) if cut_off or not len(shot.crop.contacts)]
        if not like:  # all shots are cut off by their border, and this defect ends on the part
            return UNLIKE
        misfits = []
        for coarse, shot, pose in self._nearest(like, planes[0], weights[0], mask):
            if np.isfinite(coarse) and shot.searched(1) and np.isfinite(shot.medium):
                _, least = self._matcher.refined(shot, pose, planes[1], weights[1], mask.shape, 1, (0.92, 1.0, 1.08))
                misfits.append(least / shot.medium)
            else:
                misfits.append(coarse)
        least = min(misfits, default=np.inf)
        return min(least, UNLIKE) if np.isfinite(least) else float("nan")

    def _nearest(
        self, shots: Sequence[ShotCrop], planes: np.ndarray, weight: np.ndarray, mask: np.ndarray
    ) -> list[tuple[float, ShotCrop, Pose]]:
        """Of the shots that are nearest in size to a defect, the few rings that fit best around it at the coarse level:
        (difference over its limit, shot, pose). planes (h, w, C), weight (h, w): the image there, without the defect
        `mask` (H, W) bool."""
        rows, columns = np.nonzero(mask)
        extent = max(np.ptp(rows), np.ptp(columns)) + 1
        middle = np.array([rows.min() + rows.max(), columns.min() + columns.max()]) / 2
        row, column = on_grid(middle, mask.shape, planes.shape)
        reach = int(np.clip(0.15 * extent * self._matcher.levels[0].factor, 2, 5))
        known = [shot for shot in shots if np.isfinite(shot.coarse)]
        known.sort(key=lambda shot: abs(np.log(shot.crop.extent / extent)))
        found = []
        for shot, mirrored in product(known[:_COMPARED], (False, True)):
            if mirrored and not shot.mirrors:
                continue
            rings = self._matcher.rings(shot, mirrored, 1.0)
            differences = around(planes, weight, rings, self._matcher.photometry, row, column, reach)
            which, down, right = (int(n) for n in np.unravel_index(int(differences.argmin()), differences.shape))
            pixel = (row + down - reach, column + right - reach)
            pose = Pose(0, 0, float(shot.angles[which]), mirrored)
            pose = laid(pose, shot.levels[0], pixel, mask.shape, planes.shape)
            found.append((float(differences.min()) / shot.coarse, shot, pose))
        return sorted(found, key=lambda one: one[0])[:_FINALISTS]

    def _calibrated(self, shots: Sequence[ShotCrop]) -> list[ShotCrop]:
        """The shots of one type with their limits, without those that fit much worse than the others do."""
        shapes = [ellipse(shot.crop.mask) for shot in shots]
        scatter = lie_alike(np.array([angle for angle, elongation in shapes if elongation > 2]))
        mirrors = self._mirror and not _cut_off_alike(shots)
        turned = [replace(shot, turn=min(shot.turn, scatter), mirrors=mirrors) for shot in shots]
        count = int(np.clip(_CALIBRATIONS // len(shots), *_CALIBRATED_ON))
        found = [self._limits(shot, evenly(self._good_images, count)) for shot in turned]
        worst = [_WORST * _usual(limits) for limits in ([pair[0] for pair in found], [pair[1] for pair in found])]
        fitting = [
            replace(shot, coarse=pair[0], medium=pair[1], example=pair[2])
            for shot, pair in zip(turned, found, strict=True)
            if pair[0] <= worst[0] and (pair[1] <= worst[1] or np.isinf(pair[1]))
        ]
        return fitting or turned

    def _limits(self, shot: ShotCrop, good_images: Sequence[Sample]) -> tuple[float, float, tuple[Sample, Pose] | None]:
        """The differences at which the shot's surroundings fit their best places on some good images, with some
        slack, and the best of these places."""
        best: list[float] = []
        refined: list[float] = []
        example, least = None, np.inf
        for closed_good in good_images:
            good = reopen(closed_good)
            scale = self._matcher.spanning_scale(shot, good) or 1.0
            found = self._matcher.differences(shot, good, False, scale)
            if not np.isfinite(found.min()):
                continue
            pose = self._matcher.pose_at(shot, good, int(found.argmin()), found.shape, False, scale)
            pose, near = self._matcher.refined_on(shot, pose, good, 1)
            if example is None or float(found.min()) < least:
                example, least = (closed_good, pose), float(found.min())
            level = _level(found)
            best.append(level)
            # Where no place stands out, there is nothing for a finer level to confirm.
            refined += [near] if np.isfinite(near) and level == found.min() else []
        # The better ones: light may make a ring fit some parts only, and the others must not speak for it.
        coarse, medium = (
            _SLACK * float(np.quantile(values, _BETTER)) + _PLAY if values else np.inf for values in (best, refined)
        )
        return coarse, medium, example

    def fits(
        self, shot: ShotCrop, good: Sample, trust: Trust = "context", mirrored: bool = False, scale: float = 1.0
    ) -> np.ndarray:
        """Where the shot's surroundings fit a good part at the coarse level, for every turn; (R, h, w) bool."""
        found = self._matcher.differences(shot, good, mirrored, scale)
        if trust == "own":
            found = self._near_own_place(shot, found)
        limit = min(_SLACK * _level(found) + _PLAY, shot.coarse if trust == "context" else np.inf)
        return (found <= limit) & np.isfinite(found)

    def _fitting(
        self,
        shot: ShotCrop,
        good: Sample,
        rng: np.random.Generator,
        trust: Trust,
        allowed: np.ndarray | None,
        mirrored: bool,
        scale: float,
        spread: Spread | None,
    ) -> Pose | None:
        """A pose on a good part, drawn among those whose surroundings fit, by how likely its place is."""
        scale = self._matcher.spanning_scale(shot, good) or scale
        fits = self.fits(shot, good, trust, mirrored, scale)
        cells = np.flatnonzero(fits)
        size = fits.shape[1:]
        likely = np.ones(size) if spread is None else spread.weight(part_of(good), image_of(good).shape, size)
        weights = likely.ravel()[cells % likely.size]
        # Weighted sampling without replacement (Efraimidis and Spirakis 2006).
        drawn = cells[np.argsort(rng.exponential(size=cells.size) / (weights + _UNLIKELY))][:_PLACES_LOOKED_AT].tolist()
        poses = (self._matcher.pose_at(shot, good, cell, fits.shape, mirrored, scale) for cell in drawn)
        for pose in islice((pose for pose in poses if _permitted(shot.crop, pose, allowed)), _PLACES_TRIED):
            near, difference = self._matcher.refined_on(shot, pose, good, 1)
            if trust == "own" or difference <= shot.medium or not np.isfinite(shot.medium):
                fine = self._matcher.refined_on(shot, near, good, 2)[0]
                return reaching(shot.crop, fine, image_of(good).shape)
        return None

    def _varied(
        self,
        shot: ShotCrop,
        pose: Pose,
        good: Sample,
        variation: Variation,
        trust: Trust,
        allowed: np.ndarray | None,
    ) -> Pose:
        """The pose with a variation's size and turn, or half as far from the shot's, or as it is: the first for which
        there is room and whose surroundings fit."""
        shape, coarse = image_of(good).shape, self._matcher.planes(good, 0).shape
        for share in (1.0, 0.5):
            scale = 1.0 if any(shot.crop.spans) else variation.scale**share
            turned = pose.degrees + share * float(np.clip(variation.degrees, -shot.turn, shot.turn))
            tried = reaching(shot.crop, replace(pose, degrees=turned, scale=pose.scale * scale), shape)
            cell = on_grid((tried.row, tried.column), shape, coarse)
            room = has_room(shot.crop, tried, coarse, shape)
            inside = all(0 <= at < n for at, n in zip(cell, room.shape, strict=True)) and room[cell]
            if not inside or not _permitted(shot.crop, tried, allowed):
                continue
            if trust != "context" or not np.isfinite(shot.medium):
                return tried
            near, difference = self._matcher.refined_on(shot, tried, good, 1, resized_too=False)
            if difference <= shot.medium and _permitted(shot.crop, near, allowed):
                return reaching(shot.crop, near, shape)
        return pose

    def _near_own_place(self, shot: ShotCrop, found: np.ndarray) -> np.ndarray:
        """D with infinity away from the shot's own place and turn."""
        own = (shot.crop.place + 0.5) / shot.crop.shape * found.shape[1:] - 0.5
        rows, columns = (
            np.abs(np.arange(n) - at) <= max(1.0, _OWN_SHIFT * n) for n, at in zip(found.shape[1:], own, strict=True)
        )
        turns = np.abs((shot.angles + 180) % 360 - 180) <= _OWN_TURN + 0.1
        return np.where(turns[:, None, None] & rows[None, :, None] & columns[None, None, :], found, np.inf)

    def _anywhere(
        self, shot: ShotCrop, good: Sample, rng: np.random.Generator, allowed: np.ndarray | None
    ) -> Pose | None:
        """Any place, turn and mirroring for which there is room."""
        shape = image_of(good).shape
        turn, mirrored = float(rng.uniform(-shot.turn, shot.turn)), bool(rng.integers(2)) and shot.mirrors
        scale = self._matcher.spanning_scale(shot, good) or float(rng.uniform(self._scales[0], self._scales[-1]))
        pose = Pose(0, 0, turn, mirrored, scale)
        room = has_room(shot.crop, pose, shape, shape)
        cells = np.flatnonzero(room if allowed is None else room & allowed)
        for cell in rng.permutation(cells)[:_PLACES_LOOKED_AT].tolist():
            row, column = np.unravel_index(cell, shape[:2])
            placed = replace(pose, row=float(row), column=float(column))
            if _permitted(shot.crop, placed, allowed):
                return reaching(shot.crop, placed, shape)
        return None


def _with_faint_ones(shots: Sequence[ShotCrop]) -> list[ShotCrop]:
    """The shots of one type, those that are large and faint known as such, if a third of them are."""
    faint = [is_faint(shot.crop.image, shot.crop.mask, min(shot.crop.shape)) for shot in shots]
    if 3 * sum(faint) < len(shots):
        return list(shots)
    return [replace(shot, crop=replace(shot.crop, faint=known)) for shot, known in zip(shots, faint, strict=True)]


def _near_border(mask: np.ndarray) -> bool:
    """Whether a defect (H, W) bool reaches the image's border, up to a few px that a drawing may leave."""
    inner = tuple(slice(play, n - play) for n, play in ((n, max(3, round(_BORDER * n))) for n in mask.shape))
    return bool(mask.sum() > mask[inner].sum())


def _level(found: np.ndarray) -> float:
    """How well a ring fits an image: the least of its differences `found`, or, where that is no less than half the
    usual one, as on textures, what a quarter of all places stays below: then no place is better than the others."""
    least = float(found.min())
    seen = found.ravel()[:: max(1, found.size // 20_000)]
    seen = seen[np.isfinite(seen)]
    if not seen.size or least < _DISTINCT * float(np.median(seen)):
        return least
    return max(least, float(np.quantile(seen, _FREE)))


def _usual(values: Sequence[float]) -> float:
    """The median of the finite ones; infinite where there are none."""
    finite = [value for value in values if np.isfinite(value)]
    return float(np.median(finite)) if finite else np.inf


def _seen(crop: DefectCrop, pose: Pose, shape: tuple[int, ...]) -> float:
    """The share of the defect that lies inside an image of `shape` (H, W, ...)."""
    points = np.argwhere(crop.mask)
    laid = np.rint(pose.at(points[:: max(1, len(points) // _POINTS)], crop))
    return float(((laid >= 0) & (laid < shape[:2])).all(axis=1).mean())


def _permitted(crop: DefectCrop, pose: Pose, allowed: np.ndarray | None) -> bool:
    """Whether nine tenths of the defect lie where they may; allowed (H, W) bool."""
    if allowed is None:
        return True
    points = np.argwhere(crop.mask)
    laid = np.rint(pose.at(points[:: max(1, len(points) // _POINTS)], crop)).astype(int)
    inside = ((laid >= 0) & (laid < allowed.shape)).all(axis=1)
    return float(allowed[tuple(laid[inside].T)].sum()) >= _PERMITTED * len(laid)


def _cut_off_alike(shots: Sequence[ShotCrop]) -> bool:
    """Whether the image's border cuts off three or more shots, all on the same side: then it is no accident."""
    sides = [crop.cut_sides for crop in (shot.crop for shot in shots) if len(crop.contacts)]
    return len(sides) >= 3 and len(set().union(*sides)) == 1
