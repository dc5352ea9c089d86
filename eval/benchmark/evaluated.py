"""Anomaly maps at the size at which they are compared with masks, and the figures of a category.

Maps and masks are brought to a longer side of EVALUATION_SIDE px, so that figures of large images cost no more than
those of small ones; the reports state the size. A pixel of a smaller mask is defect where at least half of what lies
under it is, and a defect that would vanish keeps its most covered pixel.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from eval.detectors import Prediction
from eval.metrics import aupros, image_intervals, pixel_intervals
from eval.metrics.pooled import pool
from eval.metrics.ranking import count
from synth.sample import Sample
from synth.sources.listing import reopen

EVALUATION_SIDE = 256


@dataclass
class Scored:
    """What a detector says of test samples: ids, ids of the good images that they show (their own if real), scores,
    maps float32 and masks bool at the evaluation size, defect types (None = good)."""

    ids: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    maps: list[np.ndarray] = field(default_factory=list)
    masks: list[np.ndarray] = field(default_factory=list)
    defects: list[str | None] = field(default_factory=list)

    def add(self, samples: Sequence[Sample], found: Prediction) -> None:
        """Take in the prediction of these samples."""
        for sample, score, scored in zip(map(reopen, samples), found.score, found.anomaly_map, strict=True):
            of_points = _maps_points(sample, scored)
            size = scored.shape if of_points else evaluation_size(scored.shape)
            start = None if sample.provenance is None else sample.provenance.start
            self.ids.append(sample.id)
            self.shown.append(sample.id if start is None else start.id)
            self.scores.append(float(score))
            self.maps.append(resized_map(scored, size))
            self.masks.append(resized_mask(_point_labels(sample) if of_points else sample.mask, size))
            self.defects.append(sample.defect)

    @property
    def is_defective(self) -> np.ndarray:
        return np.array([defect is not None for defect in self.defects])


def _maps_points(sample: Sample, scored: np.ndarray) -> bool:
    """Whether a map (1, N) is of the points of an unorganised cloud."""
    return sample.xyz is None and sample.cloud is not None and scored.shape == (1, len(sample.cloud.points))


def _point_labels(sample: Sample) -> np.ndarray | None:
    return None if sample.cloud is None or sample.cloud.labels is None else sample.cloud.labels[None]


def evaluation_size(size: tuple[int, ...]) -> tuple[int, int]:
    """(H, W) with a longer side of at most EVALUATION_SIDE and the aspect of `size`."""
    scale = min(1.0, EVALUATION_SIDE / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def resized_map(scored: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A map (H, W) at a smaller size, averaged."""
    if scored.shape == size:
        return scored
    return np.asarray(Image.fromarray(scored).resize(size[::-1], Image.Resampling.BOX))


def resized_mask(mask: np.ndarray | None, size: tuple[int, int]) -> np.ndarray:
    """A mask (H, W) bool at a smaller size; None means good."""
    if mask is None or not mask.any():
        return np.zeros(size, bool)
    share = np.asarray(Image.fromarray(mask.astype(np.float32)).resize(size[::-1], Image.Resampling.BOX))
    return share >= min(0.5, float(share.max()))


def figures(scored: Scored) -> dict[str, Any]:
    """The figures of a category, and of each defect type against all good samples. NaN where one is undefined."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tables show NaN as a dash
        found: dict[str, Any] = {"all": _figures(scored, np.ones(len(scored.ids), bool), with_intervals=True)}
        for kind in sorted({str(defect) for defect in scored.defects if defect is not None}):
            chosen = np.array([defect in (None, kind) for defect in scored.defects])
            found[kind] = _figures(scored, chosen)
    return found


def _figures(scored: Scored, chosen: np.ndarray, with_intervals: bool = False) -> dict[str, float]:
    """Each figure by name; the 95 % interval of images' as NAME_low and NAME_high, and of pixels' where asked for."""
    places = np.flatnonzero(chosen)
    labels = scored.is_defective[places]
    maps, masks = [scored.maps[k] for k in places], [scored.masks[k] for k in places]
    shown = [scored.shown[k] for k in places]
    intervals = image_intervals(np.array(scored.scores)[places], labels, shared=shown)
    found: dict[str, float] = {"good": int((~labels).sum()), "defective": int(labels.sum())}
    if with_intervals:
        intervals |= pixel_intervals(maps, masks, shared=shown)
    else:
        found |= _pixel_figures(maps, masks)
    for name, interval in intervals.items():
        found |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
    return found


def _pixel_figures(maps: list[np.ndarray], masks: list[np.ndarray]) -> dict[str, float]:
    counts = count(*pool(maps, masks))
    found = {
        "pixel_auroc": counts.auroc(),
        "pixel_ap": counts.average_precision(),
        "pixel_f1_max": counts.f1_max(),
    }
    return found | {f"aupro_{100 * limit:g}": area for limit, area in aupros(maps, masks).items()}
