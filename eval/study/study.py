"""Trainings of every segmenter on every training set with every seed, then one look at the test images for all of them.

FOLDER/
  study.json                                  what is compared; another study needs another folder
  trained/<segmenter>/<training set>/<seed>/  a segmenter, or the checkpoint of one that is being trained
  measured.json                               what each of them did on each test image; written last

A killed study resumes the training it was in. Test images are opened when all trainings are complete.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval.segmenters import configure
from eval.segmenters.config import TrainingConfig
from eval.segmenters.segmenter import Segmenter
from eval.study.measuring import measure
from eval.study.memory import check_memory
from eval.study.training_sets import (
    CONTROL_SEED,
    SYNTHETIC,
    build_training_sets,
    check_training_sets,
    resized,
)
from eval.study.training_side import TrainingSide, read_training_side
from eval.study.trainings import Training, run_all
from synth.errors import EvalError
from synth.generators import Progress
from synth.io.json_text import json_text
from synth.io.own import check_free
from synth.io.sealed import read_sealed, write_sealed
from synth.pipeline.places import placeless
from synth.sample import Sample
from synth.sources.listing import reopen

MARK = "study.json"
"""The file that marks a folder as a study's."""


@dataclass(frozen=True)
class Study:
    """What is compared: segmenters with their parameters, training sets, and how often each is trained."""

    segmenters: dict[str, dict[str, Any]]
    training_sets: tuple[str, ...]
    seeds: int

    def config(self, segmenter: str, training_set: str, seed: int) -> TrainingConfig:
        """The training config of one of them. Seeds of a training set are shared by all but the noise control."""
        asked = configure(segmenter, **self.segmenters[segmenter])
        own = asked.seed + seed + (CONTROL_SEED if training_set == "noise_control" else 0)
        return asked.model_copy(update={"seed": own})

    def trainings(self) -> list[tuple[str, str, int]]:
        """(segmenter, training set, seed) of each training; all training sets of a seed before the next seed."""
        return [
            (s, training_set, seed)
            for seed in range(self.seeds)
            for s in self.segmenters
            for training_set in self.training_sets
        ]


@dataclass(frozen=True)
class Measured:
    """Test images, as in `eval.study.measuring`, and what every training did on them. `iou` and `best_iou` have one
    value a defective image, `false_area` (share of the image that is marked) one a good image. `validation`: validation
    shots of each defect type."""

    defects: list[str]
    sizes: list[str]
    good_images: int
    blank: list[str]
    validation: dict[str, int]
    results: list[dict[str, Any]]

    def table(self, key: str, segmenter: str, training_set: str) -> np.ndarray:
        """(seeds, images) of `iou`, `best_iou` or `false_area`, or (seeds,) of a figure for the whole test set."""
        rows = [r[key] for r in self.results if (r["segmenter"], r["training_set"]) == (segmenter, training_set)]
        return np.array(rows, float)


@dataclass(frozen=True)
class _Material:
    """What a study needs of a run: samples to train on by training set, and to validate with, both at the segmenters'
    resolution; test samples, still closed; validation shots of each type; and a hash of all images and labels."""

    pools: dict[str, list[Sample]]
    validation: list[Sample]
    test: list[Sample]
    validation_counts: dict[str, int]
    recipe: str
    images: str


def run_study(
    run: str | Path,
    study: Study,
    folder: Path,
    progress: Progress,
    workers: int = 1,
    least_images: int = 1,
    verb: str = "segmenters",
) -> Measured:
    """Do what is left of the study in its folder, `workers` trainings at once; returns at once what is already
    measured. LeakError where a validation or test image was seen in any training, WriterError where the folder
    is not one that `verb` wrote, EvalError where it holds another study, no defect type has `least_images` test images
    or the images to train on do not fit into memory."""
    if not (folder / MARK).exists():
        check_free(folder, "a study's")
    check_training_sets(study.training_sets)
    for training in study.trainings():
        study.config(*training)
    material = _read(run, study, progress, workers, least_images)
    _claim(folder, {"verb": verb, **asdict(study), "recipe": material.recipe, "images": material.images})
    with suppress(OSError, ValueError):  # damaged: measured again
        return Measured(**read_sealed(folder / "measured.json"))
    trainings = [
        Training(
            name,
            study.config(name, training_set, seed),
            material.pools[training_set],
            material.validation,
            _place(folder, name, training_set, seed),
        )
        for name, training_set, seed in study.trainings()
    ]
    run_all(trainings, workers, progress)
    measured = _measure(material, study, folder, progress)
    write_sealed(folder / "measured.json", asdict(measured))
    return measured


def _read(run: str | Path, study: Study, progress: Progress, workers: int, least_images: int) -> _Material:
    """Read the run, check that it can be judged, and build the training sets. Images at their own size are not kept."""
    side = read_training_side(run, progress)
    most = max(Counter(sample.defect for sample in side.test if sample.defect is not None).values())
    if most < least_images:
        raise EvalError(
            f"no defect type of {run} has {least_images} test images, the most is {most}; list more in the split "
            "file or keep back more with source.test_fraction, and run the recipe again"
        )
    resolutions = {study.config(name, "real", 0).resolution for name in study.segmenters}
    if len(resolutions) > 1:
        raise EvalError(f"segmenters have resolutions {sorted(resolutions)}; give all of them the same one")
    resolution = resolutions.pop()
    real, synthetic = len(side.shots) + len(side.good_images), len(side.run.manifest)
    check_memory(real, [synthetic * (name in SYNTHETIC) for name in study.training_sets], resolution, workers)
    built = build_training_sets(side, study.training_sets, resolution, progress)
    return _Material(
        {training_set.name: training_set.samples for training_set in built},
        [resized(reopen(sample), resolution) for sample in side.validation],
        side.test,
        side.validation_counts,
        placeless(side.run.recipe).sha256,
        _hash(side),
    )


def _place(folder: Path, segmenter: str, training_set: str, seed: int) -> Path:
    return folder / "trained" / segmenter / training_set / str(seed)


def _claim(folder: Path, compared: dict[str, Any]) -> None:
    """Write what is compared, or see that the folder holds the same."""
    wanted = json.loads(json_text(compared))
    path = folder / MARK
    if not path.exists():
        write_sealed(path, wanted)
    try:
        found = read_sealed(path)
    except (OSError, ValueError) as problem:
        raise EvalError(
            f"{path} is damaged, of another version or no study's ({problem}): name another folder with --out"
        ) from problem
    changed = [f"{key}: {found.get(key)} -> {value}" for key, value in wanted.items() if found.get(key) != value]
    if changed:
        raise EvalError(f"{folder} holds another study ({'; '.join(changed)}); name another folder with --out")


def _hash(side: TrainingSide) -> str:
    """Of every real image, its role and its labels, and of the run's manifest, which names every synthetic one."""
    real = json.dumps([(row.id, row.role, row.sha256, row.labels) for row in side.real])
    return hashlib.sha256(real.encode() + side.run.folder.manifest.read_bytes()).hexdigest()[:16]


def _measure(material: _Material, study: Study, folder: Path, progress: Progress) -> Measured:
    """Test images are read once for each kind of segmenter, all trainings of which are in memory meanwhile."""
    results: list[dict[str, Any]] = []
    for number, name in enumerate(study.segmenters):
        trainings = [training for training in study.trainings() if training[0] == name]
        trained = [Segmenter.load(_place(folder, *training)) for training in trainings]
        images = _opened(material.test, number, len(study.segmenters), progress)
        seen, tallies = measure([(segmenter, segmenter.trained.threshold) for segmenter in trained], images)
        for (_, training_set, seed), segmenter, tally in zip(trainings, trained, tallies, strict=True):
            row = {"segmenter": name, "training_set": training_set, "seed": seed}
            results.append(row | tally.figures() | {"trained": segmenter.trained.to_json()})
    return Measured(**asdict(seen), validation=material.validation_counts, results=results)


def _opened(closed: Sequence[Sample], number: int, rounds: int, progress: Progress) -> Iterator[Sample]:
    """The samples with their pixels, one after the other, in round `number` of some."""
    for done, sample in enumerate(closed, start=number * len(closed)):
        progress("measuring", done, rounds * len(closed))
        yield reopen(sample)
    progress("measuring", (number + 1) * len(closed), rounds * len(closed))
