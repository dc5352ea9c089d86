"""What every defect generator offers: `fit(shots, goods)`, then `draw(requests)`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from synth.sample import Sample

Progress = Callable[[str, int, int], None]
"""Called as progress(stage, done, total) while something long runs."""


@dataclass(frozen=True, slots=True)
class Request:
    """One defect asked for. `index` counts within (product, defect); `run_seed` is the recipe's seed.

    What a generator draws depends on these four values alone, not on batch mates, workers or order."""

    product: str
    defect: str
    index: int
    run_seed: int = 0

    @property
    def id(self) -> str:
        return f"{self.product}-{self.defect}-{self.index:05d}"

    @property
    def seed(self) -> int:
        """A 63-bit seed that is the same on every machine and differs for every request."""
        text = f"{self.run_seed}/{self.product}/{self.defect}/{self.index}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


class Generator(Protocol):
    """Learns from a few defective shots and good parts, then draws labelled defects."""

    def fit(self, shots: Sequence[Sample], goods: Sequence[Sample], progress: Progress | None = None) -> None:
        """Learn. Continues from what an interrupted call left in the generator's folder; no-op when complete."""

    def draw(self, requests: Sequence[Request]) -> list[Sample]:
        """One candidate a request, in order; all requests of one call name the same product."""
