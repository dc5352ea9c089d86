"""A short training that shows, in a dry run, what the whole one will take on this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from synth.sample import Sample
from synth.seas.config import SeasConfig
from synth.seas.generator import SeasGenerator

UPDATES, WINDOWS = 3, 8
"""Updates of each stage and windows in a trial."""


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
    config: SeasConfig, shots: Sequence[Sample], good_images: Sequence[Sample], folder: Path, seed: int
) -> tuple[SeasGenerator, float]:
    """A generator that has learnt the first defect type of the first product by a few updates, in `folder`, and the
    seconds that fitting all of the shots as the config says would take on this machine."""
    first = min(shots, key=lambda shot: (str(shot.product), str(shot.defect)))
    own = [shot for shot in shots if (shot.product, shot.defect) == (first.product, first.defect)]
    counts = {"updates_per_defect": UPDATES, "mask_updates_per_defect": UPDATES, "windows_per_defect": WINDOWS}
    generator = SeasGenerator(config.model_copy(update=counts), folder, seed)
    clock = _Stopwatch()
    generator.fit(own, [good for good in good_images if good.product == first.product], clock)
    whole = time.perf_counter() - clock.began
    update, mask_update = clock.a_step("denoiser"), clock.a_step("mask")
    encoding = max(0.0, clock.times["denoiser"][0] - clock.times["encode windows"][0] - update) / WINDOWS
    a_type = config.updates_per_defect * update + config.mask_updates_per_defect * mask_update
    a_type += config.windows_per_defect * encoding
    once = max(0.0, whole - UPDATES * (update + mask_update) - WINDOWS * encoding)
    types = len({(shot.product, shot.defect) for shot in shots})
    products = len({shot.product for shot in shots})
    return generator, types * a_type + products * once
