"""Trainings of every segmenter on every training set with every seed, then one look at the test images for all of them.

FOLDER/
  study.json                                   what is compared; another study needs another folder
  trained/<segmenter>/<training set>/<seed>/               a segmenter, or the checkpoint of one that is being trained
  measured.json                                   what each of them did on each test image; written last

A killed study resumes the training it was in. Test images are opened once, when all trainings are complete.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval.metrics import aupro, auroc, average_precision, best_iou, iou, size_bin
from eval.metrics.pooled import pool
from eval.metrics.ranking import count
from eval.segmenters import configure
from eval.segmenters.config import TrainingConfig
from eval.segmenters.segmenter import Segmenter
from eval.study.training_sets import CONTROL_SEED, build_training_sets, check_training_sets
from eval.study.training_side import TrainingSide, read_training_side
from eval.study.trainings import Training, run_all
from synth.errors import EvalError
from synth.generators import Progress
from synth.io.atomic import replacing
from synth.sample import Sample
from synth.sources.listing import reopen


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
    """Test images, defective ones first, and what every training did on them. `iou` and `best_iou` have one value a
    defective image, `false_area` (share of the image that is marked) one a good image."""

    defects: list[str]
    sizes: list[str]
    good_images: int
    blank: list[str]
    results: list[dict[str, Any]]

    def table(self, key: str, segmenter: str, training_set: str) -> np.ndarray:
        """(seeds, images) of `iou`, `best_iou` or `false_area`, or (seeds,) of a figure for the whole test set."""
        rows = [r[key] for r in self.results if (r["segmenter"], r["training_set"]) == (segmenter, training_set)]
        return np.array(rows, float)


def run_study(
    run: str | Path, study: Study, folder: Path, progress: Progress, workers: int = 1, least_images: int = 1
) -> Measured:
    """Do what is left of the study in its folder, `workers` trainings at once; returns at once what is already
    measured. LeakError where a test image was seen in any training, EvalError where the folder holds another
    study or no defect type has `least_images` test images."""
    check_training_sets(study.training_sets)
    for training in study.trainings():
        study.config(*training)
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
    training_sets = build_training_sets(side, study.training_sets, resolutions.pop(), progress)
    _claim(folder, study, side)
    if (folder / "measured.json").exists():
        return Measured(**json.loads((folder / "measured.json").read_text(encoding="utf-8")))
    pools = {training_set.name: training_set.samples for training_set in training_sets}
    trainings = [
        Training(
            name,
            study.config(name, training_set, seed),
            pools[training_set],
            side.validation,
            _place(folder, name, training_set, seed),
        )
        for name, training_set, seed in study.trainings()
    ]
    run_all(trainings, workers, progress)
    measured = _measure(side.test, study, folder, progress)
    with replacing(folder / "measured.json") as temporary:
        temporary.write_text(json.dumps(asdict(measured)), encoding="utf-8")
    return measured


def _place(folder: Path, segmenter: str, training_set: str, seed: int) -> Path:
    return folder / "trained" / segmenter / training_set / str(seed)


def _claim(folder: Path, study: Study, side: TrainingSide) -> None:
    """Write what is compared, or see that the folder holds the same."""
    wanted = json.loads(json.dumps({**asdict(study), "recipe": side.run.recipe.sha256, "images": _hash(side)}))
    path = folder / "study.json"
    if not path.exists():
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(wanted, indent=1), encoding="utf-8")
    found = json.loads(path.read_text(encoding="utf-8"))
    changed = [f"{key}: {found.get(key)} -> {value}" for key, value in wanted.items() if found.get(key) != value]
    if changed:
        raise EvalError(f"{folder} holds another study ({'; '.join(changed)}); name another folder with --out")


def _hash(side: TrainingSide) -> str:
    """Of every real image, its role and its labels, and of every synthetic one."""
    real = [(row.id, row.role, row.sha256, row.labels) for row in side.real]
    made = [(record.id, record.image_sha256, record.mask_sha256) for record in side.run.manifest]
    return hashlib.sha256(json.dumps([real, made]).encode()).hexdigest()[:16]


def _measure(closed: Sequence[Sample], study: Study, folder: Path, progress: Progress) -> Measured:
    test = [reopen(sample) for sample in closed]
    defective = [s for s in test if s.defect is not None and s.mask is not None and s.mask.any()]
    good_images = [sample for sample in test if sample.defect is None]
    blank = [sample.id for sample in test if sample.defect is not None and sample not in defective]
    results = []
    trainings = study.trainings()
    for done, (name, training_set, seed) in enumerate(trainings):
        progress("measuring", done, len(trainings))
        segmenter = Segmenter.load(_place(folder, name, training_set, seed))
        results.append(
            {
                "segmenter": name,
                "training_set": training_set,
                "seed": seed,
                **measure(segmenter, defective, good_images),
            }
        )
    progress("measuring", len(trainings), len(trainings))
    sizes = [size_bin(sample.mask) for sample in defective if sample.mask is not None]
    return Measured([str(sample.defect) for sample in defective], sizes, len(good_images), blank, results)


def measure(segmenter: Segmenter, defective: Sequence[Sample], good_images: Sequence[Sample]) -> dict[str, Any]:
    """Everything about one trained segmenter on the test images, at their own size: `iou` at the threshold chosen on
    validation, `best_iou` at each image's best one, `false_area` of good images, and figures over all pixels and
    over images, whose score is their highest probability."""
    maps = segmenter.predict([*defective, *good_images])
    masks = [sample.mask for sample in defective if sample.mask is not None]
    masks += [np.zeros(found.shape, bool) for found in maps[len(defective) :]]
    threshold, split = segmenter.trained.threshold, len(defective)
    pairs = list(zip(maps[:split], masks[:split], strict=True))
    pixels = count(*pool(maps, masks))
    figures: dict[str, Any] = {
        "iou": [iou(m >= threshold, mask) for m, mask in pairs],
        "best_iou": [best_iou(m, mask)[0] for m, mask in pairs],
        "false_area": [float((m >= threshold).mean()) for m in maps[split:]],
        "pixel_auroc": pixels.auroc(),
        "pixel_ap": pixels.average_precision(),
        "pixel_f1_max": pixels.f1_max(),
        "aupro_30": aupro(maps, masks, 0.3),
        "trained": segmenter.trained.to_json(),
    }
    if good_images:
        scores, truth = [float(m.max()) for m in maps], [True] * split + [False] * len(good_images)
        figures |= {"image_auroc": auroc(scores, truth), "image_ap": average_precision(scores, truth)}
    return figures
