"""A short training that shows, in a dry run, what the whole one will take on this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from synth.generators import Judge
from synth.sample import Sample
from synth.seas.choosing import seconds_of_choosing
from synth.seas.config import SeasConfig
from synth.seas.freedom import CANDIDATES, largest
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
    counts = {"updates_per_defect": UPDATES, "mask_updates_per_defect": UPDATES, "windows_per_defect": WINDOWS}
    generator = SeasGenerator(config.model_copy(update=counts), folder, seed)
    clock = _Stopwatch()
    kinds = sorted({(str(shot.product), str(shot.defect)) for shot in shots})
    drawn = [kind for kind in kinds if largest(freedom, kind[1]) > 0]
    if not drawn:
        generator.fit(shots, good_images, clock)
        return generator, time.perf_counter() - clock.began
    tried = {kinds[0], drawn[0]}  # the forecast draws samples of the first kind
    own = [shot for shot in shots if (shot.product, shot.defect) in tried]
    generator.fit(own, good_images, clock)
    whole = time.perf_counter() - clock.began
    update, mask_update = clock.a_step("denoiser"), clock.a_step("mask") if "mask" in clock.times else 0.0
    encoding = max(0.0, clock.times["denoiser"][0] - clock.times["encode windows"][0] - update) / WINDOWS
    a_type = config.updates_per_defect * update + config.mask_updates_per_defect * mask_update
    a_type += config.windows_per_defect * encoding
    once = max(0.0, whole - UPDATES * (update + mask_update) - WINDOWS * encoding)
    products = len({product for product, _ in drawn})
    return generator, len(drawn) * a_type + products * once
