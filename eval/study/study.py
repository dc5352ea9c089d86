"""Trainings of every segmenter on every training set with every seed, then one look at the test images for all of them.

FOLDER/
  study.json                                  what is compared; another study needs another folder
  trained/<segmenter>/<training set>/<seed>/  a segmenter, or the checkpoint of one that is being trained
  measured.json                               what each of them did on each test image; written last
  without/<defect type>/                      the same where that type was left out of the training

A killed study resumes the training it was in. Test images are opened when all trainings are complete. What cannot
differ is trained once: trainings of one config on equal images and labels share a segmenter, in several studies too
where they are given one `store`, which has the trainings in folders named by a hash.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np

from eval.segmenters import configure
from eval.segmenters.config import TrainingConfig
from eval.segmenters.segmenter import Segmenter
from eval.study.expected import told_beforehand
from eval.study.measuring import measure
from eval.study.memory import check_memory
from eval.study.training_sets import (
    CONTROL_SEED,
    SYNTHETIC,
    build_training_sets,
    check_training_sets,
    resized,
)
from eval.study.training_side import read_training_side
from eval.study.trainings import Training, run_all
from synth.errors import EvalError
from synth.generators import Progress
from synth.io.json_text import json_text
from synth.io.own import check_free
from synth.io.sealed import read_sealed, write_sealed
from synth.pipeline.runs import Run
from synth.sample import Sample
from synth.sources.listing import reopen
from synth.suggest import did_you_mean

MARK, UNSEEN = "study.json", "unseen.json"
"""The file that marks a folder as a study's, and the defect types that can be left out of its training."""


@dataclass(frozen=True)
class Study:
    """What is compared: segmenters with their parameters, training sets, and how often each is trained."""

    segmenters: dict[str, dict[str, Any]]
    training_sets: tuple[str, ...]
    seeds: int
    without: str | None = None
    """The defect type that is left out of the training and measured on."""

    def config(self, segmenter: str, training_set: str, seed: int) -> TrainingConfig:
        """The training config of one of them. Seeds of a training set are shared by all but the noise control."""
        asked = configure(segmenter, **self.segmenters[segmenter])
        own = asked.seed + seed + (CONTROL_SEED if training_set == "noise_control" else 0)
        return asked.model_copy(update={"seed": own})

    def on(self, settings: Mapping[str, Mapping[str, Any]]) -> Study:
        """The study with parameters of its segmenters on one data set."""
        segmenters = {name: {**params, **settings.get(name, {})} for name, params in self.segmenters.items()}
        return replace(self, segmenters=segmenters)

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
class Material:
    """What a study needs of a run: samples to train on by training set, and to validate with, both at the segmenters'
    resolution; test samples, still closed; and validation shots of each type."""

    pools: dict[str, list[Sample]]
    validation: list[Sample]
    test: list[Sample]
    validation_counts: dict[str, int]

    def unseen_types(self) -> list[str]:
        """Defect types that can be left out of the training: others remain to learn from and to validate with."""
        shots, kept, tested = (
            {str(sample.defect) for sample in some if sample.defect is not None}
            for some in (self.pools["real"], self.validation, self.test)
        )
        return sorted(kind for kind in tested if shots - {kind} and kept - {kind})

    def without(self, kind: str) -> Material:
        """The same with nothing of a defect type to train on and validate with, and its images alone to test on.
        EvalError where no other type remains."""
        if kind not in self.unseen_types():
            known = self.unseen_types()
            remedy = did_you_mean(kind, known) if known else "add shots of a second type"
            raise EvalError(
                f"defect type {kind!r} cannot be left out: it needs test images, and another type shots and "
                f"validation shots; {remedy}"
            )
        pools = {name: [s for s in samples if s.defect != kind] for name, samples in self.pools.items()}
        validation = [sample for sample in self.validation if sample.defect != kind]
        counts = {name: count for name, count in self.validation_counts.items() if name != kind}
        return Material(pools, validation, [s for s in self.test if s.defect == kind], counts)


@dataclass(frozen=True)
class Conduct:
    """How a study is done: reporting to `progress`, `workers` trainings at once, in folders that `verb` wrote, with
    trainings in `store` where several studies share them; `tell` is told beforehand how long it will take."""

    progress: Progress
    workers: int = 1
    verb: str = "segmenters"
    store: Path | None = None
    tell: Callable[[str], None] | None = None


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
    return StudiedRun(run, folder, Conduct(progress, workers, verb), least_images).measure(study)


class StudiedRun:
    """A finished run that studies compare on, in one folder; it is read when there is something left to do."""

    def __init__(self, run: str | Path, folder: Path, conduct: Conduct, least_images: int = 1) -> None:
        self._run, self._folder, self._conduct, self._least_images = run, folder, conduct, least_images
        self._material: Material | None = None

    def measure(self, study: Study) -> Measured:
        """As `run_study`, with all defect types."""
        return self._measured(study, self._folder)

    def measure_unseen(self, study: Study, kinds: str | Sequence[str] = "all") -> Measured | None:
        """The same with one of the types left out at a time, each measured on its own images; "all": those that can
        be, None where there are none. EvalError for another that cannot."""
        known = self._folder / UNSEEN
        with suppress(OSError, ValueError):
            kinds = read_sealed(known) if kinds == "all" else kinds
        if kinds == "all":
            kinds = self._read(study).unseen_types()
            write_sealed(known, kinds)
        named = [kinds] if isinstance(kinds, str) else list(kinds)
        left_out = [replace(study, without=kind) for kind in named]
        found = [self._measured(one, self._folder / "without" / _folder_name(str(one.without))) for one in left_out]
        return joined(found) if found else None

    def _measured(self, study: Study, folder: Path) -> Measured:
        conduct = self._conduct
        check_training_sets(study.training_sets)
        for training in study.trainings():
            study.config(*training)
        if not (folder / MARK).exists():
            check_free(folder, "a study's")
            self._read(study)  # what cannot be judged leaves no folder
        _claim(folder, {"verb": conduct.verb, **asdict(study), **Run(self._run).made_from})
        with suppress(OSError, ValueError):  # damaged: measured again
            return Measured(**read_sealed(folder / "measured.json"))
        material = self._read(study)
        material = material if study.without is None else material.without(study.without)
        trainings = _trainings(material, study, folder, conduct.store)
        if conduct.tell is not None:
            conduct.tell(told_beforehand(list(trainings.values()), conduct.workers))
        each = {training.place: training for training in trainings.values()}
        run_all(list(each.values()), conduct.workers, conduct.progress)
        measured = _measure(material, study, trainings, conduct.progress)
        write_sealed(folder / "measured.json", asdict(measured))
        return measured

    def _read(self, study: Study) -> Material:
        if self._material is None:
            self._material = read_material(
                self._run, study, self._conduct.progress, self._conduct.workers, self._least_images
            )
        return self._material


def read_material(
    run: str | Path, study: Study, progress: Progress, workers: int = 1, least_images: int = 1
) -> Material:
    """Read the run, check that it can be judged, and build the training sets. Images at their own size are not kept."""
    side = read_training_side(run, progress)
    most = max(Counter(sample.defect for sample in side.test if sample.defect is not None).values())
    if most < least_images:
        raise EvalError(
            f"no defect type of {run} has {least_images} test images, the most is {most}; list more in the split "
            "file or keep back more with source.test_fraction, and run the recipe again"
        )
    configs = [study.config(name, "real", 0) for name in study.segmenters]
    for what in ("resolution", "tile"):
        found = {getattr(config, what) for config in configs}
        if len(found) > 1:
            raise EvalError(f"segmenters have {what}s {sorted(map(str, found))}; give all of them the same one")
    resolution, tile = configs[0].resolution, configs[0].tile
    real, synthetic = len(side.shots) + len(side.good_images), len(side.run.manifest)
    stored = resolution if tile is None else max(isqrt(s.image[..., 0].size) for s in side.shots if s.image is not None)
    check_memory(real, [synthetic * (name in SYNTHETIC) for name in study.training_sets], stored, workers)
    built = build_training_sets(side, study.training_sets, resolution, progress, tile)
    return Material(
        {training_set.name: training_set.samples for training_set in built},
        [resized(reopen(sample), resolution, tile) for sample in side.validation],
        side.test,
        side.validation_counts,
    )


def joined(measured: Sequence[Measured]) -> Measured:
    """The images of several as those of one, the figures of all images of one as the mean; without good images."""
    first = measured[0]
    results = []
    for rows in zip(*(one.results for one in measured), strict=True):
        means = {key: float(np.mean([row[key] for row in rows])) for key in ("pixel_ap", "pixel_auroc", "aupro_30")}
        lists = {key: [value for row in rows for value in row[key]] for key in ("iou", "best_iou")}
        results.append({key: rows[0][key] for key in ("segmenter", "training_set", "seed", "trained")} | means | lists)
    defects, sizes, blank = (
        [value for one in measured for value in getattr(one, name)] for name in ("defects", "sizes", "blank")
    )
    return Measured(defects, sizes, 0, blank, first.validation, results)


def _folder_name(kind: str) -> str:
    return hashlib.sha256(kind.encode()).hexdigest()[:12]


def _trainings(
    material: Material, study: Study, folder: Path, store: Path | None
) -> dict[tuple[str, str, int], Training]:
    """Every training of a study by segmenter, training set and seed; those that cannot differ end up in one place."""
    seen = {training_set: _digest(samples) for training_set, samples in material.pools.items()}
    judged = _digest(material.validation)
    places: dict[str, Path] = {}
    made = {}
    for name, training_set, seed in study.trainings():
        config = study.config(name, training_set, seed)
        text = f"{name} {config.model_dump_json()} {seen[training_set]} {judged}"
        key = hashlib.sha256(text.encode()).hexdigest()[:20]
        own = folder / "trained" / name / training_set / str(seed) if store is None else store / name / key
        place = places.setdefault(key, own)
        made[name, training_set, seed] = Training(
            name, config, material.pools[training_set], material.validation, place
        )
    return made


def _digest(samples: Sequence[Sample]) -> str:
    """A hash of all of samples that a training depends on."""
    digest = hashlib.sha256()
    for sample in samples:
        digest.update(f"{sample.product}/{sample.defect}/{sample.provenance is None}".encode())
        for array in (sample.image, sample.mask):
            if array is not None:
                digest.update(f"{array.shape}".encode())
                digest.update(array.tobytes())
    return digest.hexdigest()


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


def _measure(
    material: Material, study: Study, trainings: Mapping[tuple[str, str, int], Training], progress: Progress
) -> Measured:
    """Test images are read once for each kind of segmenter, all trainings of which are in memory meanwhile."""
    results: list[dict[str, Any]] = []
    for number, name in enumerate(study.segmenters):
        own = {key: training for key, training in trainings.items() if training.name == name}
        trained = [Segmenter.load(training.place) for training in own.values()]
        images = _opened(material.test, number, len(study.segmenters), progress)
        seen, tallies = measure([(segmenter, segmenter.trained.threshold) for segmenter in trained], images)
        for (_, training_set, seed), segmenter, tally in zip(own, trained, tallies, strict=True):
            row = {"segmenter": name, "training_set": training_set, "seed": seed}
            results.append(row | tally.figures() | {"trained": segmenter.trained.to_json()})
    return Measured(**asdict(seen), validation=material.validation_counts, results=results)


def _opened(closed: Sequence[Sample], number: int, rounds: int, progress: Progress) -> Iterator[Sample]:
    """The samples with their pixels, one after the other, in round `number` of some."""
    for done, sample in enumerate(closed, start=number * len(closed)):
        progress("measuring", done, rounds * len(closed))
        yield reopen(sample)
    progress("measuring", (number + 1) * len(closed), rounds * len(closed))
