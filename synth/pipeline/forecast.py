"""What a run will take on this machine, by what `flawsmith doctor --speed` measured or by a trial in a dry run:
minutes, memory and room for the model."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from synth.generators import GENERATORS, Generator, Judge, imported
from synth.io.memory import peak_mb
from synth.pipeline.calibration import calibration
from synth.pipeline.preparation import Prepared
from synth.pipeline.shards import Stream
from synth.recipe import Recipe
from synth.seas.config import SeasConfig

USUAL_YIELD = 0.8
"""Share of the candidates that usually pass the checks."""
LEAST_SECONDS, MOST_DRAWN = 3.0, 16
"""A trial draws until it has drawn this long, or this many."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """minutes: of the whole run, one worker; memory_mb: the most that what was measured held in memory, the GPU's
    apart, None where the system does not say; model_mb: of the models on disk; measured: the day of doctor's
    measurement, None where a trial was made."""

    minutes: float
    memory_mb: float | None
    model_mb: float
    measured: str | None = None

    def line(self, disk_mb: float) -> str:
        """For people."""
        memory = "" if self.memory_mb is None else f", {self.memory_mb / 1e3:.1f} GB of memory"
        model = f", {self.model_mb:.0f} MB of it the model" if self.model_mb else ""
        disk = disk_mb + self.model_mb
        by = "by a short trial" if self.measured is None else f"as doctor measured it on {self.measured}"
        return (
            f"about {duration(self.minutes)} on this machine, {by}, if {USUAL_YIELD:.0%} of what is drawn "
            f"passes{memory}; {disk:.0f} MB on disk{model}"
        )


def forecast(recipe: Recipe, prepared: Prepared, streams: Sequence[Stream], judge: Judge | None = None) -> Forecast:
    """By what is known of this machine; else fit, if need be for a few updates only, and draw a few samples of the
    first stream in a temporary folder. Raises what these raise."""
    known = _known(recipe, prepared, streams, judge)
    if known is not None:
        return known
    declared = GENERATORS[recipe.generator.kind]
    split = prepared.split
    with TemporaryDirectory() as place:
        folder = Path(place)
        if declared.trial is None:
            started = time.perf_counter()
            generator: Generator = declared.open(recipe.generator, folder, recipe.seed)
            generator.fit(split.shots, split.good_images)
            fitting = time.perf_counter() - started
        else:
            try_out = imported(declared.trial)
            generator, fitting = try_out(recipe.generator, split.shots, split.good_images, folder, recipe.seed, judge)
        first = streams[0]
        once, each = _drawing(generator, first)
        model = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and _is_kept(file, folder))
    wanted = sum(stream.quota for stream in streams)
    products = len({stream.product for stream in streams})
    seconds = fitting + len(streams) * once + wanted * each / USUAL_YIELD
    return Forecast(seconds / 60, peak_mb(), products * model / 1e6)


def _known(recipe: Recipe, prepared: Prepared, streams: Sequence[Stream], judge: Judge | None) -> Forecast | None:
    """By doctor's measurement; None where there is none, or where it does not say what this recipe takes."""
    if not isinstance(recipe.generator, SeasConfig):
        return None
    known = calibration()
    if known is None:
        return None
    from synth.seas.speed import known_seconds

    split, wanted = prepared.split, {(stream.product, stream.defect): stream.quota for stream in streams}
    found = known_seconds(known.speed, recipe.generator, split.shots, split.good_images, wanted, judge)
    if found is None:
        return None
    fitting, drawing, model_mb = found
    memory = [size for size in (known.memory_mb, peak_mb()) if size is not None]
    return Forecast((fitting + drawing / USUAL_YIELD) / 60, max(memory, default=None), model_mb, known.measured)


def _drawing(generator: Generator, stream: Stream) -> tuple[float, float]:
    """Seconds that the first draw takes more than others, and seconds a sample."""
    started = time.perf_counter()
    generator.draw(stream.shard(0).requests()[:1])
    first, drawn, began = time.perf_counter() - started, 0, time.perf_counter()
    while drawn < MOST_DRAWN and (not drawn or time.perf_counter() - began < LEAST_SECONDS):
        generator.draw(stream.shard(1 + drawn // stream.size).requests())
        drawn += stream.size
    each = (time.perf_counter() - began) / drawn
    return max(0.0, first - each), each


def _is_kept(file: Path, folder: Path) -> bool:
    """Whether a file of a model's folder is no checkpoint of its training."""
    return "checkpoints" not in file.relative_to(folder).parts


def duration(minutes: float) -> str:
    """For people, as in "90 minutes" or "2.5 hours"."""
    if minutes < 1.5:
        return "a minute"
    return f"{minutes:.0f} minutes" if minutes < 120 else f"{minutes / 60:.1f} hours"
