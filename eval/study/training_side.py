"""What a finished run lets be learnt from, chosen with and judged on: the roles of its split, fixed before training.

Generator, baselines and segmenters learn from the same shots and good images. Validation shots, which none of them
learns from, choose a segmenter's weights and threshold. Validation and test samples stay closed, without pixels, until
they are needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from synth.checks.ledger import LedgerRow, read_ledger
from synth.errors import EvalError
from synth.generators import Progress
from synth.pipeline.guards import check_same_source
from synth.pipeline.places import check_there
from synth.pipeline.preparation import prepare
from synth.pipeline.runs import Run
from synth.sample import Sample
from synth.split import LEAST_SHOTS_TO_KEEP_ONE


@dataclass(frozen=True)
class TrainingSide:
    """Shots and good images to train on; validation and test samples, still closed; `real` is the ledger of all."""

    run: Run
    shots: list[Sample]
    validation: list[Sample]
    good_images: list[Sample]
    test: list[Sample]
    real: list[LedgerRow]

    @property
    def validation_counts(self) -> dict[str, int]:
        """Validation shots of each defect type that is learnt; 0 where thresholds are chosen on the other types."""
        kept = Counter(sample.defect for sample in self.validation)
        return {defect: kept[defect] for defect in sorted({str(shot.defect) for shot in self.shots})}


def read_training_side(path: str | Path, progress: Progress) -> TrainingSide:
    """The training side of the run at `path`. LeakError where an image has two roles, SourceError where the source is
    no longer what the run was made from, EvalError where it has no shots, no validation shots or no test images, or was
    made before validation shots were kept from the generator."""
    run = Run(path)
    check_there(run.folder, run.recipe)
    prepared = prepare(run.recipe, progress)
    split, ledger = prepared.split, prepared.ledger
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
    _check_validation(run, split.validation, ledger)
    check_same_source(run.folder, ledger)
    return TrainingSide(run, split.shots, split.validation, split.good_images, test, ledger)


def _check_validation(run: Run, validation: Sequence[Sample], ledger: Sequence[LedgerRow]) -> None:
    """EvalError where there is nothing to choose thresholds with that the generator has not learnt from."""
    if any(row.role == "validation" for row in ledger):
        if not any(row.role == "validation" for row in read_ledger(run.folder.ledger)):
            raise EvalError(
                f"{run.path} was made by an earlier version, whose generator learnt from the validation shots too, so "
                "that a verdict would favour it; run the recipe again with another --out"
            )
    if validation:
        return
    if not run.recipe.source.validation_fraction:
        why = "was made with source.validation_fraction=0, so no shots are left to choose thresholds with"
        raise EvalError(f"{run.path} {why}; set it to 0.25 and run the recipe again with another --out")
    raise EvalError(
        f"{run.path} has no validation shots to choose thresholds with: none is kept of a type with fewer than "
        f"{LEAST_SHOTS_TO_KEEP_ONE} shots or without test images; add shots, or list some as validation in a split "
        "file, and run the recipe again with another --out"
    )


def as_training(row: LedgerRow) -> LedgerRow:
    """The row with the one role that a verdict distinguishes from "validation" and "test"."""
    return replace(row, role=row.role if row.role in ("validation", "test") else "training")
