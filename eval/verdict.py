"""The verdict: does the synthetic data help? Gains over training on real data alone, with intervals, or "no evidence".

All arms get the same number of optimiser steps; weights and threshold are chosen on validation shots; the gain is the
difference of mean IoU over the same test pictures, with the luck of training counted in (`eval.metrics.bootstrap`).
Every interval stands for itself: of twenty that say "helps" or "hurts" where nothing is to be found, one is expected.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval.arms import BASELINES, check_arms
from eval.campaign import Campaign, Measured, carry_out
from eval.metrics import SIZE_BINS, Interval, bootstrap, paired_gain
from synth.errors import EvalError
from synth.generator import Progress

LEAST_SEEDS = 3
LEAST_PICTURES = 3


@dataclass(frozen=True)
class Gain:
    """How much arm `arm` lies above arm `over` on the pictures of `what`: "all types" (the mean over types), a defect
    type, or a size bin. `interval` is None where there are too few pictures to tell."""

    segmenter: str
    arm: str
    over: str
    what: str
    pictures: int
    interval: Interval | None

    @property
    def verdict(self) -> str:
        return "too few pictures" if self.interval is None else self.interval.evidence

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "verdict": self.verdict}


@dataclass(frozen=True)
class Standing:
    """What an arm reaches: mean IoU over types with its interval, and means over trainings of other figures."""

    segmenter: str
    arm: str
    iou: Interval
    figures: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Verdict:
    """Standings of all arms, gains over `real`, and of ours_real over each baseline."""

    run: str
    campaign: Campaign
    pictures: dict[str, int]
    goods: int
    blank: list[str]
    standings: list[Standing]
    gains: list[Gain]
    training: dict[str, float]

    def gain(self, segmenter: str, arm: str, over: str = "real", what: str = "all types") -> Gain:
        """One of the gains."""
        wanted = (segmenter, arm, over, what)
        return next(g for g in self.gains if (g.segmenter, g.arm, g.over, g.what) == wanted)

    def to_json(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "segmenters": self.campaign.segmenters,
            "arms": self.campaign.arms,
            "seeds": self.campaign.seeds,
            "test_pictures": self.pictures,
            "test_goods": self.goods,
            "left_out_blank_masks": self.blank,
            "standings": [standing.to_json() for standing in self.standings],
            "gains": [gain.to_json() for gain in self.gains],
            "training": self.training,
        }

    def __str__(self) -> str:
        from eval.verdict_page import as_text

        return as_text(self)


def verdict(run: str | Path, campaign: Campaign, out: str | Path, progress: Progress, workers: int = 1) -> Verdict:
    """Carry the campaign out on a finished run, `workers` trainings at once, and judge it; writes verdict.json,
    verdict.md and verdict.svg into `out`. Goes on after an interruption. EvalError for fewer than three seeds
    or test pictures, LeakError where a test picture was seen in training, with both names."""
    from eval.verdict_page import write_pages

    if campaign.seeds < LEAST_SEEDS:
        raise EvalError(f"{campaign.seeds} seeds, wanted at least {LEAST_SEEDS}: fewer cannot tell a gain from luck")
    campaign = Campaign(campaign.segmenters, check_arms(campaign.arms), campaign.seeds)
    judged = judge(str(run), campaign, carry_out(run, campaign, Path(out), progress, workers, LEAST_PICTURES))
    write_pages(judged, Path(out))
    return judged


def judge(run: str, campaign: Campaign, measured: Measured) -> Verdict:
    """The verdict on what was measured."""
    gains = []
    for segmenter in campaign.segmenters:
        pairs = [(arm, "real") for arm in campaign.arms if arm != "real"]
        pairs += [("ours_real", b) for b in BASELINES if {"ours_real", b} <= set(campaign.arms)]
        gains += [gain for pair in pairs for gain in _gains(measured, segmenter, *pair)]
    standings = [_standing(measured, s, arm) for s in campaign.segmenters for arm in campaign.arms]
    pictures = dict(sorted(Counter(measured.defects).items()))
    training = _training(measured)
    return Verdict(run, campaign, pictures, measured.goods, measured.blank, standings, gains, training)


def _gains(measured: Measured, segmenter: str, arm: str, over: str) -> list[Gain]:
    ours, base = (measured.table("iou", segmenter, name) for name in (arm, over))
    types, sizes = np.array(measured.defects), np.array(measured.sizes)
    counts = Counter(measured.defects)
    judged = np.array([counts[kind] >= LEAST_PICTURES for kind in measured.defects])
    parts: list[tuple[str, np.ndarray, bool]] = [("all types", judged, True)]
    parts += [(kind, types == kind, False) for kind in sorted(counts)]
    parts += [(f"size {name}", sizes == name, False) for name in SIZE_BINS if name in measured.sizes]
    gains = []
    for what, chosen, by_type in parts:
        interval = None
        if chosen.sum() >= LEAST_PICTURES:
            strata = list(types[chosen]) if by_type else None
            interval = paired_gain(ours[:, chosen], base[:, chosen], strata)
        gains.append(Gain(segmenter, arm, over, what, int(chosen.sum()), interval))
    return gains


def _standing(measured: Measured, segmenter: str, arm: str) -> Standing:
    counts = Counter(measured.defects)
    judged = [counts[kind] >= LEAST_PICTURES for kind in measured.defects]
    if not any(judged):
        raise EvalError(f"no defect type has {LEAST_PICTURES} test pictures; a verdict needs more of them")
    strata = [kind for kind, kept in zip(measured.defects, judged, strict=True) if kept]
    table = measured.table("iou", segmenter, arm)[:, judged]
    keys = ["pixel_auroc", "pixel_ap", "pixel_f1_max", "aupro_30"]
    keys += ["image_auroc", "image_ap", "false_area"] if measured.goods else []
    figures = {key: float(measured.table(key, segmenter, arm).mean()) for key in keys}
    figures["best_iou"] = _mean_over(measured.table("best_iou", segmenter, arm)[:, judged], strata)
    return Standing(segmenter, arm, bootstrap(table, strata).within(0, 1), figures)


def _mean_over(table: np.ndarray, strata: Sequence[str]) -> float:
    names = np.array(strata)
    return float(np.mean([table[:, names == name].mean() for name in set(strata)]))


def _training(measured: Measured) -> dict[str, float]:
    """Minutes of all trainings, and how busy they kept the machine."""
    trained = [result["trained"] for result in measured.results]
    return {
        "trainings": len(trained),
        "minutes": sum(t["seconds"] for t in trained) / 60,
        "largest_share_of_time_waiting_for_pictures": max(t["starved"] for t in trained),
        "mean_cpu_cores_in_use": float(np.mean([t["cores"] for t in trained])),
    }
