"""How fast a machine learns and draws with the bundled base at its usual settings, and what follows for a recipe."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from synth.generators import Judge, Request
from synth.sample import Sample
from synth.seas.choosing import seconds_of_choosing
from synth.seas.config import SeasConfig
from synth.seas.freedom import CANDIDATES, LABELLED_BY_PASTE, largest
from synth.seas.generator import SeasGenerator
from synth.seas.trial import Learning, learn_a_little
from synth.sources.listing import size_of

COUNTS = frozenset({"freedom", "updates_per_defect", "mask_updates_per_defect", "windows_per_defect"})
"""Choices that a machine's speed does not depend on, but how often something is done."""
SIDE, LARGEST = 256, 512
"""Sides of the images that are measured, and of the largest that are taken to be like them."""


@dataclass(frozen=True, slots=True)
class Speed:
    """learning: of a fine-tuning; pasted, drawn: seconds a sample that is pasted, and one drawn freely; model_mb: of a
    product's model on disk."""

    learning: Learning
    pasted: float
    drawn: float
    model_mb: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Speed:
        """TypeError or KeyError for what another version wrote."""
        return cls(**{**found, "learning": Learning(**found["learning"])})

    def line(self) -> str:
        """For people."""
        return f"{self.learning.update:.2f} s an update, {self.drawn:.2f} s a drawn sample"


def measure(shots: Sequence[Sample], good_images: Sequence[Sample], folder: Path) -> Speed:
    """By a few updates and samples of the shots' first type, in `folder`."""
    free, pasting = (SeasConfig(freedom=freedom) for freedom in (1.0, 0.0))
    drawing, learning = learn_a_little(free, shots, good_images, folder / "drawn", seed=0)
    model = sum(file.stat().st_size for file in (folder / "drawn").rglob("*") if file.is_file())
    plain = SeasGenerator(pasting, folder / "pasted", seed=0)
    plain.fit(shots, good_images)
    return Speed(learning, _a_sample(plain, shots[0]), _a_sample(drawing, shots[0]), model / 1e6)


def known_seconds(
    speed: Speed,
    config: SeasConfig,
    shots: Sequence[Sample],
    good_images: Sequence[Sample],
    wanted: Mapping[tuple[str, str], int],
    judge: Judge | None,
) -> tuple[float, float, float] | None:
    """(seconds of fitting, of drawing as many samples of each (product, type) as wanted, MB of models on disk); None
    where a machine's speed does not say it: for other settings of what is learnt and drawn, for large images, and where
    nothing is drawn."""
    usual = SeasConfig().model_dump(exclude=set(COUNTS))
    sides = [side for good in good_images for side in size_of(good)]
    if config.model_dump(exclude=set(COUNTS)) != usual or max(sides, default=0) > LARGEST:
        return None
    freedom = max(CANDIDATES) if isinstance(config.freedom, str) else config.freedom
    limits = {kind: largest(freedom, kind[1]) for kind in {(str(shot.product), str(shot.defect)) for shot in shots}}
    drawn = [kind for kind, limit in limits.items() if limit > 0]
    if not drawn:
        return None
    products, reads = len({product for product, _ in drawn}), max(limits.values()) > LABELLED_BY_PASTE
    fitting = speed.learning.seconds(config, len(drawn), products, reads)
    if isinstance(config.freedom, str) and judge is not None:
        fitting += seconds_of_choosing(shots, good_images, fitting, judge)
    drawing = sum(count * _seconds(speed, limits.get(kind, 0.0)) for kind, count in wanted.items())
    return fitting, drawing, products * speed.model_mb


def _seconds(speed: Speed, limit: float) -> float:
    """Of a sample: below a freedom of 1 each has its own, half the largest on average, and takes as many steps."""
    return speed.pasted + (limit if limit == 1 else limit / 2) * max(0.0, speed.drawn - speed.pasted)


def _a_sample(generator: SeasGenerator, shot: Sample) -> float:
    """Seconds a sample of the shot's type, after the first."""
    requests = [Request(str(shot.product), str(shot.defect), index) for index in range(5)]
    generator.draw(requests[:1])
    began = time.perf_counter()
    generator.draw(requests[1:])
    return (time.perf_counter() - began) / len(requests[1:])
