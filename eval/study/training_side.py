"""What a finished run lets be learnt from and what it must be judged on.

The training side is the run's shots, good images and synthetic samples. A validation part is cut from the shots before
anything trains; test samples stay closed, without pixels, until everything that could be chosen has been chosen.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from synth.checks.ledger import LedgerRow, find_duplicates
from synth.errors import EvalError
from synth.generators import Progress
from synth.pipeline.preparation import check_same_source, prepare
from synth.pipeline.runs import Run
from synth.sample import Sample

VALIDATION_SHARE = 0.25


@dataclass(frozen=True)
class TrainingSide:
    """Shots to train on and shots kept back to choose with, good images, and the test samples, still closed; `real` is
    the ledger of all of them."""

    run: Run
    shots: list[Sample]
    validation: list[Sample]
    good_images: list[Sample]
    test: list[Sample]
    real: list[LedgerRow]


def read_training_side(path: str | Path, progress: Progress) -> TrainingSide:
    """The training side of the run at `path`. LeakError where an image has two roles, SourceError where the source is
    no longer what the run was made from, EvalError where it has no shots or nothing was kept for testing."""
    run = Run(path)
    split, ledger, _ = prepare(run.recipe, progress)
    check_same_source(run.folder, ledger)
    if not split.shots:
        raise EvalError(
            f"{path} was drawn without real defects (generator: {run.recipe.generator.kind}), so there are none to "
            "compare with; measure a run whose generator learns from shots"
        )
    kinds = {(shot.product, shot.defect) for shot in split.shots}
    products = {product for product, _ in kinds}
    test = [s for s in split.test if (s.product, s.defect) in kinds or (s.defect is None and s.product in products)]
    if not any(sample.defect is not None for sample in test):
        raise EvalError(
            f"the source of {path} has no defective test images; list some in a split file, put them into a folder "
            "test, or set source.test_fraction, and run the recipe again"
        )
    again = _seen_twice(ledger)
    shots, validation = hold_back([s for s in split.shots if s.id not in again], VALIDATION_SHARE, run.recipe.seed)
    return TrainingSide(run, shots, validation, split.good_images, test, ledger)


def hold_back(shots: list[Sample], share: float, seed: int) -> tuple[list[Sample], list[Sample]]:
    """(to train on, kept back): of every product and defect type `share` of the shots, at least one, drawn by the seed.
    EvalError for a type with a single shot."""
    by_kind: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    for shot in sorted(shots, key=lambda shot: shot.id):
        by_kind[str(shot.product), str(shot.defect)].append(shot)
    rng = np.random.default_rng(seed)
    kept: set[str] = set()
    for (product, defect), members in sorted(by_kind.items()):
        if len(members) < 2:
            raise EvalError(f"{product}/{defect} has one shot, wanted two: one to train on, one to choose with")
        chosen = rng.permutation(len(members))[: max(1, round(share * len(members)))]
        kept |= {members[index].id for index in chosen}
    return [shot for shot in shots if shot.id not in kept], [shot for shot in shots if shot.id in kept]


def _seen_twice(ledger: list[LedgerRow]) -> set[str]:
    """Ids of shots that show the image of another shot of their type: one to learn from, its twin to choose with."""
    kinds: dict[tuple[str, str | None], list[LedgerRow]] = defaultdict(list)
    for row in ledger:
        if row.role == "shot":
            kinds[row.product, row.defect].append(row)
    return {pair.second.id for rows in kinds.values() for pair in find_duplicates(rows)}


def as_training(row: LedgerRow) -> LedgerRow:
    """The row with the one role that a verdict tells apart from "test"."""
    return replace(row, role="test" if row.role == "test" else "training")
