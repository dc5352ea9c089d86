"""Laying the rings of shots over images: everywhere at the coarse level, then around one place at finer ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from synth.cache import Cache
from synth.errors import GeneratorError
from synth.placing.channels import choose_channels, measure_photometry
from synth.placing.crop import cut_crop
from synth.placing.fit import Templates, around, common_size, image_spectra, template_spectra, whole
from synth.placing.levels import LevelCrop, at_level, levels_for, margin_px, resized, templates
from synth.placing.pose import Pose
from synth.placing.room import has_room
from synth.placing.shot_crop import ShotCrop
from synth.sample import Sample
from synth.sources.listing import reopen

_KEPT = 48


class Matcher:
    """Of one product: the levels, channels and photometry in which its images are compared, measured on some good ones;
    keeps what it made last."""

    def __init__(self, good_images: Sequence[Sample]) -> None:
        images = [image_of(good) for good in good_images]
        self.levels = levels_for(int(np.median([max(image.shape) for image in images])))
        small = [resized(image, self.levels[0].factor) for image in images]
        self.channels = choose_channels(small)
        self.photometry = measure_photometry([self.channels.of(image) for image in small])
        self._made = Cache(_KEPT)

    def cut(self, shot: Sample, turn: float) -> ShotCrop:
        """The defect of a shot, to be turned by up to `turn` degrees to either side; its limits are not known yet."""
        assert shot.mask is not None
        crop = cut_crop(image_of(shot), shot.mask, margin_px(self.levels))
        planes = self.channels.of(crop.image, self.channels.exposure(image_of(shot)))
        return ShotCrop(shot.id, crop, tuple(at_level(crop, planes, level) for level in self.levels), turn)

    def differences(self, shot: ShotCrop, good: Sample, mirrored: bool, scale: float) -> np.ndarray:
        """D of the shot's ring with its middle on every pixel of the good part at the coarse level, for every turn;
        (R, h, w) float32, infinite where it has no room. A defect that the sample may have does not count."""
        rings = self.rings(shot, mirrored, scale)
        planes = self.planes(good, 0)
        size = common_size(planes.shape[:2], rings.size)
        spectra = self._made.get((shot.name, mirrored, scale, size), lambda: template_spectra(rings, size))
        image = self._made.get((good.id, size), lambda: image_spectra(planes, size, self._without_defect(good)))
        cut_off = bool(len(shot.crop.contacts))
        found = whole(image, spectra, self.photometry, overhang=cut_off)
        for number, degrees in enumerate(shot.angles):
            pose = Pose(0, 0, float(degrees), mirrored, scale)
            room = has_room(shot.crop, pose, planes.shape, image_of(good).shape)
            if not cut_off:
                up, left, down, right = (max(0, int(n)) for n in rings.reach[number])
                room[:up], room[len(room) - down :], room[:, :left], room[:, room.shape[1] - right :] = (False,) * 4
            found[number][~room] = np.inf
        return found

    def _without_defect(self, sample: Sample) -> np.ndarray | None:
        """0 on its defect and beside it, 1 elsewhere, (h, w) float32 at the coarse level; None where it has none."""
        if sample.defect is None or sample.mask is None:
            return None
        return (resized(sample.mask.astype(np.float32), self.levels[0].factor) == 0).astype(np.float32)

    def rings(self, shot: ShotCrop, mirrored: bool, scale: float) -> Templates:
        """The shot's ring at the coarse level, for every turn."""
        poses = [Pose(0, 0, float(degrees), mirrored, scale) for degrees in shot.angles]
        return self._made.get((shot.name, mirrored, scale), lambda: templates(shot.levels[0], poses))

    def pose_at(
        self, shot: ShotCrop, good: Sample, cell: int, size: tuple[int, ...], mirrored: bool, scale: float
    ) -> Pose:
        """The pose that a cell of `differences`, whose shape is `size`, stands for."""
        turn, row, column = (int(n) for n in np.unravel_index(cell, size))
        pose = Pose(0, 0, float(shot.angles[turn]), mirrored, scale)
        return laid(pose, shot.levels[0], (row, column), image_of(good).shape, size[1:])

    def refined_on(
        self, shot: ShotCrop, pose: Pose, good: Sample, level: int, resized_too: bool = True
    ) -> tuple[Pose, float]:
        """`refined` on a good part; the pose as it is where the crop is too large for this level. resized_too: whether
        its size may change, at the medium level."""
        if not shot.searched(level) or self.levels[level].factor <= self.levels[level - 1].factor:
            return pose, np.inf
        planes = self.planes(good, level)
        scales = (0.96, 1.0, 1.04) if resized_too and level == 1 and not any(shot.crop.spans) else (1.0,)
        weight = np.ones(planes.shape[:2], np.float32)
        return self.refined(shot, pose, planes, weight, image_of(good).shape, level, scales)

    def refined(
        self,
        shot: ShotCrop,
        pose: Pose,
        planes: np.ndarray,
        weight: np.ndarray,
        shape: tuple[int, ...],
        level: int,
        scales: Sequence[float],
    ) -> tuple[Pose, float]:
        """The pose moved, turned and scaled a little to where the surroundings fit best at a level, and D there.
        planes (h, w, C), weight (h, w): an image of `shape` (H, W, ...) at that level."""
        step = shot.step / 4 ** (level - 1)
        turns = np.linspace(-step / 2, step / 2, 5)
        poses = [replace(pose, degrees=pose.degrees + t, scale=pose.scale * s) for t in turns for s in scales]
        reach = int(np.ceil(0.75 * self.levels[level].factor / self.levels[level - 1].factor))
        crop = shot.levels[level]
        pitch = np.array(shape[:2]) / planes.shape[:2]
        row, column = on_grid(np.array([pose.row, pose.column]) - crop.shift(pose) * pitch, shape, planes.shape)
        rings = templates(crop, poses)
        found = around(planes, weight, rings, self.photometry, row, column, reach)
        which, down, right = (int(n) for n in np.unravel_index(int(found.argmin()), found.shape))
        if not np.isfinite(found[which, down, right]):
            return pose, np.inf
        pixel = (row + down - reach, column + right - reach)
        return laid(poses[which], crop, pixel, shape, planes.shape), float(found[which, down, right])

    def spanning_scale(self, shot: ShotCrop, good: Sample) -> float | None:
        """For a defect that reaches from border to border: the scale at which it does so here, too."""
        sizes = zip(image_of(good).shape, shot.crop.shape, shot.crop.spans, strict=False)
        ratios = [here / there for here, there, spans in sizes if spans]
        return float(np.mean(ratios)) if ratios else None

    def planes(self, good: Sample, level: int) -> np.ndarray:
        """A good part at a level in the product's channels, (h, w, C) float32."""
        return self._made.get(
            ("planes", good.id, level),
            lambda: self.channels.of(resized(image_of(good), self.levels[level].factor)),
        )


def on_grid(place: Sequence[float] | np.ndarray, shape: Sequence[int], size: Sequence[int]) -> tuple[int, int]:
    """The pixel of a grid of `size` (h, w, ...) that lies on a place (row, column) of an image of `shape`."""
    row, column = (
        round((at + 0.5) * small / large - 0.5) for at, small, large in zip(place, size, shape, strict=False)
    )
    return int(row), int(column)


def laid(pose: Pose, crop: LevelCrop, pixel: tuple[int, int], shape: Sequence[int], size: Sequence[int]) -> Pose:
    """The pose under which the centre pixel of a crop at a level lies on a pixel of a grid of `size` (h, w, ...),
    over an image of `shape` (H, W, ...)."""
    pitch = np.array(shape[:2]) / size[:2]
    row, column = (np.array(pixel) + crop.shift(pose) + 0.5) * pitch - 0.5
    return replace(pose, row=float(row), column=float(column))


def image_of(sample: Sample) -> np.ndarray:
    """Its image (H, W, 3) uint8, read again where it was let go; GeneratorError where it has none."""
    image = reopen(sample).image
    if image is None:
        raise GeneratorError(f"{sample.id} has no image; give one")
    return image
