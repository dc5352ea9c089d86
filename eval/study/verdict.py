"""The verdict: does the synthetic data help? Gains over training on real data alone, with intervals, or "no evidence".

All training sets get the same number of optimiser steps; weights and threshold are chosen on validation shots; the gain
is the difference of mean IoU over the same test images, with seed variance counted in
(`eval.metrics.bootstrap`). Every interval stands for itself: of twenty that say "helps" or "hurts" where nothing is to
be found, one is expected.
"""

from __future__ import annotations

from pathlib import Path

from eval.study.judging import LEAST_IMAGES, Verdict, judge
from eval.study.study import Study, run_study
from eval.study.training_sets import check_training_sets
from eval.study.verdict_page import write_pages
from synth.errors import EvalError
from synth.generators import Progress

LEAST_SEEDS = 3


def verdict(run: str | Path, study: Study, out: str | Path, progress: Progress, workers: int = 1) -> Verdict:
    """Run the study on a finished run, `workers` trainings at once, and judge it; writes verdict.json, verdict.md and
    verdict.svg into `out`. Resumes after an interruption. EvalError for fewer than three seeds or test images, and for
    a run without validation shots; LeakError where a validation or test image was seen in training, with both names."""
    if study.seeds < LEAST_SEEDS:
        raise EvalError(f"{study.seeds} seeds, wanted at least {LEAST_SEEDS}: fewer do not show the seed variance")
    study = Study(study.segmenters, check_training_sets(study.training_sets), study.seeds)
    judged = judge(str(run), study, run_study(run, study, Path(out), progress, workers, LEAST_IMAGES, "verdict"))
    write_pages(judged, Path(out))
    return judged
