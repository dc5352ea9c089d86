"""Training images: resized once, kept in memory, augmented through albumentations one batch ahead of the optimiser.

Which images make a batch is `eval.segmenters.injection`'s to say. Batch k is always the same, whatever happened before:
each place's augmentation is seeded by (seed, its number).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from eval.segmenters.config import TrainingConfig
from eval.segmenters.injection import Groups, Injection
from eval.segmenters.resizing import resize
from eval.segmenters.tiles import cut, draw_corner, padded
from synth.errors import EvalError
from synth.sample import Sample

# It asks a registry for its newest version when it is imported, unless this says no.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations
import cv2

Batch = tuple[np.ndarray, np.ndarray]
"""Images uint8 (B, r, r, 3) and masks bool (B, r, r)."""


class Pool:
    """Samples at the size that a segmenter sees them at: images (H, W, 3) uint8 and masks (H, W) bool, sides of
    `resolution` without a tile. They take 4 bytes a pixel."""

    def __init__(self, samples: Sequence[Sample], resolution: int, tile: int | None = None) -> None:
        if not samples:
            raise EvalError("there are no images to train on; give shots, synthetic samples or both")
        pairs = [resize(sample, resolution, tile) for sample in samples]
        self.images, self.masks = [image for image, _ in pairs], [mask for _, mask in pairs]
        self.groups = Groups.of(samples)

    def __len__(self) -> int:
        return len(self.images)


class Feed:
    """The batches of a pool."""

    def __init__(self, pool: Pool, config: TrainingConfig) -> None:
        self._pool, self._batch, self._seed, self._side = pool, config.batch, config.seed, config.resolution
        share, anneal = config.synthetic_share, config.anneal
        self._injection = Injection(pool.groups, config.batch, config.steps, config.seed, share, anneal)
        self._augment = augmentation()

    def batches(self, start: int, stop: int) -> Iterator[Batch]:
        """Batches number start .. stop - 1, each made in a thread of its own while the one before is being used."""
        with ThreadPoolExecutor(1) as ahead:
            coming = ahead.submit(self.batch, start)
            for number in range(start, stop):
                ready = coming.result()
                if number + 1 < stop:
                    coming = ahead.submit(self.batch, number + 1)
                yield ready

    def batch(self, number: int) -> Batch:
        """Batch `number`, from its number and the seed alone."""
        rows = self._injection.rows(number)
        pairs = [self._augmented(row, number * self._batch + place) for place, row in enumerate(rows)]
        return np.stack([image for image, _ in pairs]), np.stack([mask for _, mask in pairs])

    def _augmented(self, row: int, number: int) -> Batch:
        seed = np.random.SeedSequence((self._seed, number))
        image, mask = (padded(array[row], self._side) for array in (self._pool.images, self._pool.masks))
        corner = draw_corner(mask, self._side, np.random.default_rng(seed))
        self._augment.set_random_seed(int(seed.generate_state(1)[0]))
        window = cut(mask, corner, self._side).astype(np.uint8)
        made = self._augment(image=cut(image, corner, self._side), mask=window)
        return made["image"], made["mask"] > 0


def augmentation() -> albumentations.Compose:
    """What differs between two photographs of one kind of part: mirrored, nudged, lit otherwise, a little out of focus.
    No quarter turns: they would mix up the directions of the surface's grain, which few shots cannot afford."""
    mirrored = cv2.BORDER_REFLECT_101
    return albumentations.Compose(
        [
            albumentations.HorizontalFlip(p=0.5),
            albumentations.VerticalFlip(p=0.5),
            albumentations.Affine(
                scale=(0.9, 1.1), rotate=(-5, 5), translate_percent=(-0.05, 0.05), border_mode=mirrored, p=0.5
            ),
            albumentations.RandomBrightnessContrast(0.2, 0.2, p=0.5),
            albumentations.GaussianBlur(sigma_limit=(0.3, 1.0), p=0.1),
        ]
    )
