"""Trainings of every segmenter on every arm with every seed, then one look at the test pictures for all of them.

FOLDER/
  campaign.json                                   what is compared; another campaign needs another folder
  trained/<segmenter>/<arm>/<seed>/               a segmenter, or the checkpoint of one that is being trained
  measured.json                                   what each of them did on each test picture; written last

A killed campaign goes on with the training it was in. Test pictures are opened once, when all trainings are complete.
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

from eval.arms import CONTROL_SEED, build_arms, check_arms
from eval.metrics import aupro, auroc, average_precision, best_iou, iou, size_bin
from eval.metrics.pooled import pool
from eval.metrics.ranking import count
from eval.segmenters import configure
from eval.segmenters.config import TrainingConfig
from eval.segmenters.segmenter import Segmenter
from eval.training_side import TrainingSide, read_training_side
from eval.trainings import Training, carry_out_all
from synth.atomic import replacing
from synth.errors import EvalError
from synth.generator import Progress
from synth.sample import Sample
from synth.sources.listing import reopen


@dataclass(frozen=True)
class Campaign:
    """What is compared: segmenters with their parameters, arms, and how often each is trained."""

    segmenters: dict[str, dict[str, Any]]
    arms: tuple[str, ...]
    seeds: int

    def config(self, segmenter: str, arm: str, seed: int) -> TrainingConfig:
        """The training config of one of them. Seeds of an arm are shared by all but the noise control."""
        asked = configure(segmenter, **self.segmenters[segmenter])
        own = asked.seed + seed + (CONTROL_SEED if arm == "noise_control" else 0)
        return asked.model_copy(update={"seed": own})

    def trainings(self) -> list[tuple[str, str, int]]:
        """(segmenter, arm, seed) of each training; all arms of a seed before the next seed."""
        return [(s, arm, seed) for seed in range(self.seeds) for s in self.segmenters for arm in self.arms]


@dataclass(frozen=True)
class Measured:
    """Test pictures, defective ones first, and what every training did on them. `iou` and `best_iou` have one value a
    defective picture, `false_area` (share of the picture that is marked) one a good picture."""

    defects: list[str]
    sizes: list[str]
    goods: int
    blank: list[str]
    results: list[dict[str, Any]]

    def table(self, key: str, segmenter: str, arm: str) -> np.ndarray:
        """(seeds, pictures) of `iou`, `best_iou` or `false_area`, or (seeds,) of a figure for the whole test set."""
        rows = [r[key] for r in self.results if (r["segmenter"], r["arm"]) == (segmenter, arm)]
        return np.array(rows, float)


def carry_out(
    run: str | Path, campaign: Campaign, folder: Path, progress: Progress, workers: int = 1, least_pictures: int = 1
) -> Measured:
    """Do what is left of the campaign in its folder, `workers` trainings at once; returns at once what is already
    measured. LeakError where a test picture was seen in any training, EvalError where the folder holds another
    campaign or no defect type has `least_pictures` test pictures."""
    check_arms(campaign.arms)
    for training in campaign.trainings():
        campaign.config(*training)
    side = read_training_side(run, progress)
    most = max(Counter(sample.defect for sample in side.test if sample.defect is not None).values())
    if most < least_pictures:
        raise EvalError(
            f"no defect type of {run} has {least_pictures} test pictures, the most is {most}; list more in the split "
            "file or keep back more with source.test_fraction, and run the recipe again"
        )
    resolutions = {campaign.config(name, "real", 0).resolution for name in campaign.segmenters}
    if len(resolutions) > 1:
        raise EvalError(f"segmenters have resolutions {sorted(resolutions)}; give all of them the same one")
    arms = build_arms(side, campaign.arms, resolutions.pop(), progress)
    _claim(folder, campaign, side)
    if (folder / "measured.json").exists():
        return Measured(**json.loads((folder / "measured.json").read_text(encoding="utf-8")))
    pools = {arm.name: arm.samples for arm in arms}
    trainings = [
        Training(name, campaign.config(name, arm, seed), pools[arm], side.validation, _place(folder, name, arm, seed))
        for name, arm, seed in campaign.trainings()
    ]
    carry_out_all(trainings, workers, progress)
    measured = _measure(side.test, campaign, folder, progress)
    with replacing(folder / "measured.json") as temporary:
        temporary.write_text(json.dumps(asdict(measured)), encoding="utf-8")
    return measured


def _place(folder: Path, segmenter: str, arm: str, seed: int) -> Path:
    return folder / "trained" / segmenter / arm / str(seed)


def _claim(folder: Path, campaign: Campaign, side: TrainingSide) -> None:
    """Write what is compared, or see that the folder holds the same."""
    wanted = json.loads(json.dumps({**asdict(campaign), "recipe": side.run.recipe.sha256, "pictures": _hash(side)}))
    path = folder / "campaign.json"
    if not path.exists():
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(wanted, indent=1), encoding="utf-8")
    found = json.loads(path.read_text(encoding="utf-8"))
    changed = [f"{key}: {found.get(key)} -> {value}" for key, value in wanted.items() if found.get(key) != value]
    if changed:
        raise EvalError(f"{folder} holds another campaign ({'; '.join(changed)}); name another folder with --out")


def _hash(side: TrainingSide) -> str:
    """Of every real picture, its role and its labels, and of every synthetic one."""
    real = [(row.id, row.role, row.sha256, row.labels) for row in side.real]
    made = [(record.id, record.image_sha256, record.mask_sha256) for record in side.run.manifest]
    return hashlib.sha256(json.dumps([real, made]).encode()).hexdigest()[:16]


def _measure(closed: Sequence[Sample], campaign: Campaign, folder: Path, progress: Progress) -> Measured:
    test = [reopen(sample) for sample in closed]
    defective = [s for s in test if s.defect is not None and s.mask is not None and s.mask.any()]
    goods = [sample for sample in test if sample.defect is None]
    blank = [sample.id for sample in test if sample.defect is not None and sample not in defective]
    results = []
    trainings = campaign.trainings()
    for done, (name, arm, seed) in enumerate(trainings):
        progress("measuring", done, len(trainings))
        segmenter = Segmenter.load(_place(folder, name, arm, seed))
        results.append({"segmenter": name, "arm": arm, "seed": seed, **measure(segmenter, defective, goods)})
    progress("measuring", len(trainings), len(trainings))
    sizes = [size_bin(sample.mask) for sample in defective if sample.mask is not None]
    return Measured([str(sample.defect) for sample in defective], sizes, len(goods), blank, results)


def measure(segmenter: Segmenter, defective: Sequence[Sample], goods: Sequence[Sample]) -> dict[str, Any]:
    """Everything about one trained segmenter on the test pictures, at their own size: `iou` at the threshold chosen on
    validation, `best_iou` at each picture's best one, `false_area` of good pictures, and figures over all pixels and
    over pictures, whose score is their highest probability."""
    maps = segmenter.predict([*defective, *goods])
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
    if goods:
        scores, truth = [float(m.max()) for m in maps], [True] * split + [False] * len(goods)
        figures |= {"image_auroc": auroc(scores, truth), "image_ap": average_precision(scores, truth)}
    return figures
