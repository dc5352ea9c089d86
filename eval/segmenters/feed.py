"""Training pictures: squeezed once, kept in memory, augmented through albumentations one batch ahead of the optimiser.

Batch k is always the same, whatever happened before: its pictures come from an endless row of shuffled rounds, and each
picture's augmentation is seeded by (seed, its number in that row).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from synth.errors import EvalError
from synth.sample import Sample

# It asks a registry for its newest version when it is imported, unless told not to.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import albumentations
import cv2

Batch = tuple[np.ndarray, np.ndarray]
"""Images uint8 (B, r, r, 3) and masks bool (B, r, r)."""


class Pool:
    """Samples squeezed to (r, r), images (N, r, r, 3) uint8 and masks (N, r, r) bool. A mask pixel is defect where at
    least half of what lies under it is; a defect that would vanish by that rule keeps its most covered pixel."""

    def __init__(self, samples: Sequence[Sample], resolution: int) -> None:
        if not samples:
            raise EvalError("there are no pictures to train on; give shots, synthetic samples or both")
        pairs = [squeeze(sample, resolution) for sample in samples]
        self.images = np.stack([image for image, _ in pairs])
        self.masks = np.stack([mask for _, mask in pairs])

    def __len__(self) -> int:
        return len(self.images)


class Feed:
    """The batches of a pool. `waited` is the time in s that the optimiser spent waiting for them."""

    def __init__(self, pool: Pool, batch: int, seed: int) -> None:
        self._pool, self._batch, self._seed = pool, batch, seed
        self._augment = augmentation()
        self.waited = 0.0

    def batches(self, start: int, stop: int) -> Iterator[Batch]:
        """Batches number start .. stop - 1, each made in a thread of its own while the one before is being used."""
        with ThreadPoolExecutor(1) as ahead:
            coming = ahead.submit(self.batch, start)
            for number in range(start, stop):
                before = time.perf_counter()
                ready = coming.result()
                self.waited += time.perf_counter() - before
                if number + 1 < stop:
                    coming = ahead.submit(self.batch, number + 1)
                yield ready

    def batch(self, number: int) -> Batch:
        """Batch `number`, from its number and the seed alone."""
        pairs = [self._one(place) for place in range(number * self._batch, (number + 1) * self._batch)]
        return np.stack([image for image, _ in pairs]), np.stack([mask for _, mask in pairs])

    def _one(self, place: int) -> Batch:
        rounds, position = divmod(place, len(self._pool))
        order = np.random.default_rng((self._seed, rounds)).permutation(len(self._pool))
        index = int(order[position])
        self._augment.set_random_seed(int(np.random.SeedSequence((self._seed, place)).generate_state(1)[0]))
        made = self._augment(image=self._pool.images[index], mask=self._pool.masks[index].astype(np.uint8))
        return made["image"], made["mask"] > 0


def augmentation() -> albumentations.Compose:
    """Turns, mirror images, small shifts and changes of light: what leaves a defect a defect."""
    mirrored = cv2.BORDER_REFLECT_101
    return albumentations.Compose(
        [
            albumentations.SquareSymmetry(p=1),
            albumentations.Affine(
                scale=(0.8, 1.25), rotate=(-20, 20), translate_percent=(-0.1, 0.1), border_mode=mirrored, p=0.7
            ),
            albumentations.RandomBrightnessContrast(0.2, 0.2, p=0.5),
            albumentations.GaussianBlur(sigma_limit=(0.3, 1.0), p=0.1),
        ]
    )


def squeeze(sample: Sample, resolution: int) -> Batch:
    """Image (r, r, 3) uint8 and mask (r, r) bool of a sample; no mask means good."""
    if sample.image is None:
        raise EvalError(f"{sample.id} has no picture; a segmenter learns from pictures")
    image = np.asarray(Image.fromarray(sample.image).resize((resolution,) * 2, Image.Resampling.BOX))
    if sample.mask is None or not sample.mask.any():
        return image, np.zeros(image.shape[:2], bool)
    share = np.asarray(Image.fromarray(sample.mask.astype(np.float32)).resize(image.shape[:2], Image.Resampling.BOX))
    return image, share >= min(0.5, float(share.max()))
