"""The training sets of a verdict: what a segmenter is trained on, all else being equal.

| training set  | trained on                                                         |
|---------------|--------------------------------------------------------------------|
| real          | shots and good images                                              |
| oversample    | the same, and as many repeated shots as ours has synthetic samples |
| perlin        | the same, and as many Perlin blots                                 |
| cutpaste      | the same, and as many CutPaste images                              |
| copy_paste    | the same, and as many pasted defects of the shots                  |
| ours          | the run's synthetic samples and good images                        |
| ours_real     | the same, and the shots                                            |
| noise_control | what `real` is trained on, with other seeds: a gain here is chance |

The run's generator and the baselines have learnt from the same shots, which are those of `real`; validation shots are
in no training set. What baselines draw passes the checks that ours passed, the repeated shots aside.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from eval.segmenters.feed import resize
from eval.study.training_side import TrainingSide, as_training
from synth.checks import Reject
from synth.checks.duplicates import check_leaks
from synth.checks.ledger import LedgerRow
from synth.checks.mask import judge
from synth.errors import EvalError
from synth.generators import GENERATORS, Progress, Request
from synth.io.images import content_hash, perceptual_hash
from synth.recipe import Recipe
from synth.sample import Provenance, Sample
from synth.sources.listing import reopen
from synth.suggest import did_you_mean

BASELINES = ("oversample", "perlin", "cutpaste", "copy_paste")
TRAINING_SETS = ("real", *BASELINES, "ours", "ours_real", "noise_control")
SYNTHETIC = (*BASELINES, "ours", "ours_real")
"""Those that hold as many synthetic samples as the run."""
CONTROL_SEED = 1_000_000
"""What is added to the seeds of the noise control."""
_MOST_ATTEMPTS = 20


@dataclass(frozen=True)
class TrainingSet:
    """A name, training samples at a segmenter's resolution, and the ledger rows of what was synthesised for it."""

    name: str
    samples: list[Sample]
    made: list[LedgerRow]


def check_training_sets(names: Sequence[str]) -> tuple[str, ...]:
    """The training sets in the order of TRAINING_SETS, `real` always among them. EvalError for an unknown one."""
    for name in names:
        if name not in TRAINING_SETS:
            raise EvalError(f"training set {name!r} is unknown; {did_you_mean(name, TRAINING_SETS)}")
    return tuple(name for name in TRAINING_SETS if name in names or name == "real")


def build_training_sets(
    side: TrainingSide, names: Sequence[str], resolution: int, progress: Progress, tile: int | None = None
) -> list[TrainingSet]:
    """The training sets of these names, for segmenters of this resolution and tile. LeakError, naming both files,
    where a validation or test image is in one."""
    real = [*side.shots, *side.good_images]
    small = {sample.id: resized(reopen(sample), resolution, tile) for sample in real}
    training_sets = []
    for done, name in enumerate(names):
        progress("building training sets", done, len(names))
        made = list(_made(side, name))
        kept = side.good_images if name == "ours" else real
        samples = [small[sample.id] for sample in kept] + [resized(sample, resolution, tile) for sample in made]
        training_sets.append(TrainingSet(name, samples, [_row(name, sample) for sample in made]))
    progress("building training sets", len(names), len(names))
    rows = [row for training_set in training_sets for row in training_set.made]
    accept = getattr(side.run.recipe.source, "duplicates", "error") == "warn"
    check_leaks([*map(as_training, side.real), *rows], accept)
    return training_sets


def _made(side: TrainingSide, name: str) -> Iterator[Sample]:
    if name in ("ours", "ours_real"):
        yield from side.run.samples()
    elif name in BASELINES:
        yield from draw_baseline(side, name)


def draw_baseline(side: TrainingSide, kind: str) -> Iterator[Sample]:
    """As many accepted samples of each product and defect type as the run has, from the training shots. EvalError where
    too few pass the run's checks, which compare with the good part: a repeated shot has none, and is right as it is."""
    recipe = side.run.recipe
    generator = GENERATORS[kind].open(baseline_config(kind), Path(), recipe.seed)
    generator.fit(side.shots, side.good_images)
    wanted = Counter((record.product, str(record.defect)) for record in side.run.manifest)
    for (product, defect), quota in sorted(wanted.items()):
        accepted = 0
        for index in range(_MOST_ATTEMPTS * quota):
            (sample,) = generator.draw([Request(product, defect, index, recipe.seed)])
            if kind == "oversample" or not isinstance(
                judge(sample, recipe.checks, generator.surroundings(product)).verdict, Reject
            ):
                accepted += 1
                yield sample
            if accepted == quota:
                break
        else:
            raise EvalError(
                f"{kind} had {accepted} of {quota} samples of {product}/{defect} accepted in "
                f"{_MOST_ATTEMPTS * quota} attempts; leave this training set out, or loosen the run's checks"
            )


def baseline_config(kind: str) -> Any:
    """The generator block of a baseline as a training set uses it."""
    return Recipe.model_validate({"generator": {"kind": kind}}).generator


def resized(sample: Sample, resolution: int, tile: int | None = None) -> Sample:
    """The sample with image and mask of (resolution, resolution) px, or as they are where segmenters cut tiles of them,
    and nothing else but whether it is synthetic."""
    image, mask = (sample.image, sample.mask) if tile is not None else resize(sample, resolution)
    made = sample.provenance
    origin = None if made is None else Provenance(made.generator, made.seed, made.index)
    return replace(sample, image=image, mask=mask, xyz=None, cloud=None, provenance=origin, meta={})


def _row(training_set: str, sample: Sample) -> LedgerRow:
    assert sample.image is not None
    return LedgerRow(
        id=f"{training_set}: {sample.id}",
        file=sample.meta.get("file"),
        role="training",
        product=str(sample.product),
        defect=sample.defect,
        sha256=content_hash(sample.image),
        perceptual_hash=perceptual_hash(sample.image).tobytes(),
    )
