"""`flawsmith.run`: the pipeline's `run` with a judge for what a recipe leaves open."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from eval.judge import SegmenterJudge
from synth.pipeline import runs

if TYPE_CHECKING:
    from synth.generators import Progress
    from synth.pipeline.executors import ExecutorName
    from synth.recipe import Recipe


def run(
    recipe: Recipe | str | Path,
    out: str | Path | None = None,
    progress: Progress | None = None,
    workers: int = 1,
    executor: ExecutorName = "local",
) -> runs.Run:
    """As `synth.pipeline.runs.run`; choices that the recipe leaves open are made by what helps a small segmenter."""
    return runs.run(recipe, out, progress, workers, executor, SegmenterJudge())
