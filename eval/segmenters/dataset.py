"""A finished run as a torch Dataset, for a network of your own: its synthetic samples and real ones, in batches into
which synthetic defects are injected by the rule of `eval.segmenters.injection`.

    data = TrainingData("outputs/demo", resolution=256)
    batches = DataLoader(data, batch_sampler=InjectingSampler(data, batch=8, batches=300))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from eval.segmenters.injection import Groups, Injection
from eval.segmenters.resizing import resize
from synth.errors import EvalError
from synth.pipeline.guards import check_same_source
from synth.pipeline.places import check_there
from synth.pipeline.preparation import prepare, silent
from synth.pipeline.runs import Run
from synth.pipeline.stored import StoredSample
from synth.sample import Sample
from synth.sources.listing import closed, reopen
from synth.split import CLOSED

Transform = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Image uint8 (H, W, 3) and mask bool (H, W) -> the same, augmented."""


class TrainingData(Dataset[dict[str, Any]]):
    """Real samples, then those that the run has drawn. An item is a dict: image float32 (3, H, W) in [0, 1], mask
    float32 (1, H, W), 1 where defective; product, defect ("good" for none), synthetic (bool) and id. Pixels are read
    when an item is asked for.

    real: shots and good images; by default those of the training side of the run's source, never its validation or test
    images. resolution: resize to this side, in px. transform: your augmentation, applied last.

    RunError where the run is unfinished, SourceError where its source has changed, EvalError for a real sample that is
    not for training or has no image."""

    def __init__(
        self,
        run: Run | str | Path,
        real: Iterable[Sample] | None = None,
        resolution: int | None = None,
        transform: Transform | None = None,
    ) -> None:
        self._run = run if isinstance(run, Run) else Run(run)
        self._real = _training_side(self._run) if real is None else [_for_training(sample) for sample in real]
        self._made: list[StoredSample] = self._run.manifest
        self._resolution, self._transform = resolution, transform

    def __len__(self) -> int:
        return len(self._real) + len(self._made)

    def __getitem__(self, index: int) -> dict[str, Any]:
        sample = self.sample(index)
        image, mask = (sample.image, sample.mask) if self._resolution is None else resize(sample, self._resolution)
        if image is None:
            raise EvalError(f"{sample.id} has no image; a segmenter learns from images")
        mask = np.zeros(image.shape[:2], bool) if mask is None else mask
        if self._transform is not None:
            image, mask = self._transform(image, mask)
        return {
            "image": torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float() / 255,
            "mask": torch.from_numpy(np.ascontiguousarray(mask[None])).float(),
            "product": str(sample.product),
            "defect": sample.defect or "good",
            "synthetic": sample.provenance is not None,
            "id": sample.id,
        }

    def sample(self, index: int) -> Sample:
        """The sample itself, with its pixels at their own size."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        index %= len(self)
        if index < len(self._real):
            return reopen(self._real[index])
        return self._made[index - len(self._real)].load(self._run.path)

    @cached_property
    def groups(self) -> Groups:
        """The indices of good, real and synthetic samples."""
        return Groups.of([*self._real, *self._made])


class InjectingSampler(Sampler[list[int]]):
    """The batches of a training as lists of indices, a DataLoader's `batch_sampler`: half of each shows real defects,
    and synthetic ones take up to `share` of it in place of good images, less over the last `anneal` of all batches.
    The same seed gives the same batches; `first`: the batch to resume at. EvalError where synthetic images find no
    place."""

    def __init__(
        self,
        data: TrainingData,
        batch: int = 8,
        batches: int = 600,
        seed: int = 0,
        share: float = 0.25,
        anneal: float = 0.25,
        first: int = 0,
    ) -> None:
        self._injection = Injection(data.groups, batch, batches, seed, share, anneal)
        self._numbers = range(first, batches)

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[list[int]]:
        return map(self._injection.rows, self._numbers)


def _training_side(run: Run) -> list[Sample]:
    """Shots and good images of a run's source, without pixels where a file has them."""
    check_there(run.folder, run.recipe)
    prepared = prepare(run.recipe, silent)
    check_same_source(run.folder, prepared.ledger)
    return [closed(sample) for sample in (*prepared.split.shots, *prepared.split.good_images)]


def _for_training(sample: Sample) -> Sample:
    if sample.split in CLOSED:
        raise EvalError(f"{sample.id} is a {sample.split} image; give real samples that are for training")
    return sample
