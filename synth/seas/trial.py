"""A short training that shows, in a dry run, what the whole one will take on this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from synth.generators import Judge
from synth.sample import Sample
from synth.seas.choosing import seconds_of_choosing
from synth.seas.config import SeasConfig
from synth.seas.freedom import CANDIDATES, largest
from synth.seas.generator import SeasGenerator
from synth.seas.mixes import mixed_types

UPDATES, WINDOWS = 3, 8
"""Updates of each stage and windows in a trial."""


@dataclass(frozen=True, slots=True)
class Learning:
    """Seconds of a fine-tuning: of an update of each stage, of a window's encoding, and of what a product takes once
    besides."""

    update: float
    mask_update: float
    encoding: float
    once: float

    def seconds(self, config: SeasConfig, types: int, products: int, reads_masks: bool = True) -> float:
        """Of learning so many defect types of so many products."""
        masks = config.mask_updates_per_defect * self.mask_update if reads_masks else 0.0
        a_type = config.updates_per_defect * self.update + masks + config.windows_per_defect * self.encoding
        return types * a_type + products * self.once


class _Stopwatch:
    """A progress that remembers when each step was done."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.times: dict[str, list[float]] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        self.times.setdefault(stage, []).append(time.perf_counter() - self.began)

    def a_step(self, stage: str) -> float:
        """Seconds of a step after the first, which may compile or fill caches."""
        times = self.times[stage]
        return (times[-1] - times[0]) / (len(times) - 1)


def try_out(
    config: SeasConfig,
    shots: Sequence[Sample],
    good_images: Sequence[Sample],
    folder: Path,
    seed: int,
    judge: Judge | None = None,
) -> tuple[SeasGenerator, float]:
    """A generator that has learnt the first defect type of the first product by a few updates, in `folder`, and the
    seconds that fitting all of the shots as the config says would take on this machine, the choice of an open freedom
    by the judge among them. Where nothing is drawn, it is simply fitted."""
    freedom = config.freedom
    if isinstance(freedom, str):
        largest_drawn = config.model_copy(update={"freedom": max(CANDIDATES)})
        generator, fitting = try_out(largest_drawn, shots, good_images, folder, seed)
        choosing = 0.0 if judge is None else seconds_of_choosing(shots, good_images, fitting, judge)
        return generator, fitting + choosing
    kinds = sorted({(str(shot.product), str(shot.defect)) for shot in shots})
    mixed = {
        (product, defect)
        for product in {product for product, _ in kinds}
        for defect in mixed_types(config.mixes, [shot for shot in shots if shot.product == product])
    }
    drawn = [kind for kind in kinds if largest(freedom, kind[1]) > 0 or kind in mixed]
    if not drawn:
        generator, began = SeasGenerator(config, folder, seed), time.perf_counter()
        generator.fit(shots, good_images)
        return generator, time.perf_counter() - began
    tried = {kinds[0], drawn[0], *mixed}  # the forecast draws samples of the first kind
    own = [shot for shot in shots if (shot.product, shot.defect) in tried]
    generator, learning = learn_a_little(config, own, good_images, folder, seed)
    return generator, learning.seconds(config, len(drawn), len({product for product, _ in drawn}))


def learn_a_little(
    config: SeasConfig, shots: Sequence[Sample], good_images: Sequence[Sample], folder: Path, seed: int
) -> tuple[SeasGenerator, Learning]:
    """A generator after a few updates on shots of which some are drawn, and how long each part of that took."""
    counts = {"updates_per_defect": UPDATES, "mask_updates_per_defect": UPDATES, "windows_per_defect": WINDOWS}
    generator, clock = SeasGenerator(config.model_copy(update=counts), folder, seed), _Stopwatch()
    generator.fit(shots, good_images, clock)
    whole = time.perf_counter() - clock.began
    update, mask_update = clock.a_step("denoiser"), clock.a_step("mask") if "mask" in clock.times else 0.0
    encoding = max(0.0, clock.times["denoiser"][0] - clock.times["encode windows"][0] - update) / WINDOWS
    once = max(0.0, whole - UPDATES * (update + mask_update) - WINDOWS * encoding)
    return generator, Learning(update, mask_update, encoding, once)
