"""Which images make a batch: synthetic defects are injected, and never replace a real one.

Half of a batch shows real defects and half is good. Types take turns, so that a rare one weighs as much as a common
one; within a type, and among good images, each comes once in every shuffled round. Synthetic images take the places of
good ones, at the end of the batch: a share of the batch, in which types take turns as well and which falls to zero over
the last part of the training. All other places hold what they would without synthetic images. Where no defect is real,
synthetic images take the places of the real ones instead.

Batch k is always the same, whatever happened before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np

from synth.errors import EvalError
from synth.sample import Provenance


class Described(Protocol):
    """What a sample says of itself without its pixels."""

    @property
    def product(self) -> str | None: ...
    @property
    def defect(self) -> str | None: ...
    @property
    def provenance(self) -> Provenance | None: ...


_GOOD, _REAL, _SYNTHETIC = range(3)


@dataclass(frozen=True)
class Groups:
    """Indices of good images, and those of real and of synthetic defective ones, an array for each product and type."""

    good_images: np.ndarray
    real: list[np.ndarray]
    synthetic: list[np.ndarray]

    @classmethod
    def of(cls, samples: Iterable[Described]) -> Groups:
        """The groups of samples, or of a run's records, by position; those with a provenance are synthetic."""
        good: list[int] = []
        defective: dict[bool, dict[tuple[str, str], list[int]]] = {False: {}, True: {}}
        for index, sample in enumerate(samples):
            if sample.defect is None:
                good.append(index)
            else:
                types = defective[sample.provenance is not None]
                types.setdefault((str(sample.product), sample.defect), []).append(index)
        real, synthetic = ([np.array(own) for _, own in sorted(defective[made].items())] for made in (False, True))
        return cls(np.array(good, int), real, synthetic)


class Injection:
    """The batches of a training: `share` of a batch is synthetic, falling to nothing over the last `anneal` of all
    batches. Where that is no whole number of places, it is met on average. EvalError where synthetic images find no
    place."""

    def __init__(self, groups: Groups, batch: int, batches: int, seed: int, share: float, anneal: float) -> None:
        if not (len(groups.good_images) or groups.real or groups.synthetic):
            raise EvalError("there are no images to train on; give shots, synthetic samples or both")
        self.groups, self.batches, self._seed = groups, batches, seed
        self._defective = groups.real or groups.synthetic
        self._good_places = batch // 2 if self._defective else batch
        if not len(groups.good_images):
            self._good_places = 0
        self._marked_places = batch - self._good_places
        injected = bool(share and groups.real and groups.synthetic)
        if injected and self._good_places < 2:
            why = "there are no good images" if not self._good_places else f"a batch of {batch} has only one"
            raise EvalError(
                f"synthetic images take places of good ones, and {why}; give good images and batches of at least 4"
            )
        places = min(share * batch, self._good_places - 1) if injected else 0.0
        left = np.arange(batches, 0, -1) / batches
        falling = np.minimum(1.0, left / anneal) if anneal else np.ones(batches)
        self._before = np.floor(np.concatenate([[0.0], np.cumsum(places * falling)]) + 1e-9).astype(int)

    def rows(self, number: int) -> list[int]:
        """Indices of the images of batch `number`: defective, good, synthetic."""
        first, last = int(self._before[number]), int(self._before[number + 1])
        kind = _REAL if self.groups.real else _SYNTHETIC
        start, good_start = number * self._marked_places, number * self._good_places
        rows = [self._of_types(kind, self._defective, start + place) for place in range(self._marked_places)]
        for place in range(self._good_places - (last - first)):
            rows.append(self._taken((_GOOD,), self.groups.good_images, good_start + place))
        return rows + [self._of_types(_SYNTHETIC, self.groups.synthetic, turn) for turn in range(first, last)]

    def _of_types(self, kind: int, types: list[np.ndarray], turn: int) -> int:
        own, which = divmod(turn, len(types))
        return self._taken((kind, which), types[which], own)

    def _taken(self, group: tuple[int, ...], indices: np.ndarray, turn: int) -> int:
        rounds, position = divmod(turn, len(indices))
        return int(indices[_shuffled((self._seed, *group, rounds), len(indices))[position]])


@lru_cache(maxsize=256)
def _shuffled(seed: tuple[int, ...], count: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(count)
