"""The verdict: does the synthetic data help? Gains over training on real data alone, with intervals, or "no evidence".

All training sets get the same number of optimiser steps; weights and threshold are chosen on validation shots; the gain
is the difference of mean IoU over the same test images, with seed variance counted in
(`eval.metrics.bootstrap`). Every interval stands for itself: of twenty that say "helps" or "hurts" where nothing is to
be found, one is expected.
"""

from __future__ import annotations

from pathlib import Path

from eval.study.judging import LEAST_IMAGES, QUICK, Verdict, judge
from eval.study.study import Conduct, StudiedRun, Study
from eval.study.training_sets import check_training_sets
from eval.study.verdict_page import write_pages
from synth.errors import EvalError

LEAST_SEEDS = 3


def verdict(
    run: str | Path, study: Study, out: str | Path, conduct: Conduct, quick: bool = False, leave_out: str | None = None
) -> Verdict:
    """Run the study on a finished run and judge it; writes verdict.json, verdict.md and verdict.svg into `out`. Resumes
    after an interruption. quick: one training each, without intervals; leave_out: a defect type, or "all" in turn, left
    out of the training for the gain on unseen types.

    EvalError for fewer than three seeds but in a quick look, for fewer than three test images, and for a run without
    validation shots; LeakError where a validation or test image was seen in training, with both names."""
    if quick and study.seeds != 1:
        raise EvalError(f"{study.seeds} seeds for a {QUICK}; leave out the seeds, or quick")
    if not quick and study.seeds < LEAST_SEEDS:
        raise EvalError(
            f"{study.seeds} seeds, wanted at least {LEAST_SEEDS}: fewer do not show the seed variance; --quick is a "
            f"{QUICK}"
        )
    study = Study(study.segmenters, check_training_sets(study.training_sets), study.seeds)
    studied = StudiedRun(run, Path(out), conduct, LEAST_IMAGES)
    measured = studied.measure(study)
    unseen = None if leave_out is None else studied.measure_unseen(study, leave_out)
    if leave_out is not None and unseen is None:
        raise EvalError(f"no defect type of {run} can be left out: another one needs shots and validation shots")
    judged = judge(str(run), study, measured, unseen)
    write_pages(judged, Path(out))
    return judged
