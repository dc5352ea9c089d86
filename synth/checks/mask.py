"""Mask truth at birth: does the mask say where the image really differs from the good image it started from?

A segmenter trained on masks that are blank, off the product or beside the change learns the wrong thing in silence;
these checks keep such pairs out. All maps are float32 (H, W) in grey levels 0..255, all shares lie in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from scipy import ndimage

from synth.checks import ACCEPT, Reject, Verdict
from synth.checks.change import changed_points, difference, difference_between, smoothed
from synth.checks.config import ChecksConfig
from synth.sample import Cloud, Origin, Provenance, Sample

if TYPE_CHECKING:
    from synth.placing.surroundings import Surroundings

SCORES = (
    "area",
    "on_product",
    "misfit",
    "contrast",
    "agreement",
    "covered",
    "tight",
    "unchanged",
    "confidence",
)
"""What can be measured of a candidate, in the order of the checks. Of clouds, agreement and covered count points."""
_OUTLINE_PLAY, _TIGHT_PLAY, _COVERED_PLAY, _AGREEMENT_PLAY, _UNCHANGED_PLAY = 0.7, 0.6, 0.6, 0.9, 0.03
"""How much less than the shots' own is enough, and how much more is too much."""
_OUTSIDE, _LEAST_CHANGE = 0.5, 4.0
_ZONE = 0.35
_RIM_WIDTH = 0.2
_RIM_SHARE = 0.25
_RIM_SMOOTHING = 0.7
EDGE = 2
"""px around a mask over which a defect may fade."""
SLACK = 3
"""Dilation in px of the mask: soft edges and the smoothing's own spread still count as inside."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and the numbers behind it (only those that could be measured)."""

    verdict: Verdict
    scores: dict[str, float]

    @property
    def unmeasured(self) -> tuple[str, ...]:
        """Names of SCORES that were not measured."""
        return tuple(name for name in SCORES if name not in self.scores)


def widen(mask: np.ndarray) -> np.ndarray:
    """The mask grown by SLACK px in every direction."""
    return _widened(mask, SLACK)


def _widened(mask: np.ndarray, px: int) -> np.ndarray:
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * px + 1, 2 * px + 1), np.uint8)) > 0


def visible_above(change: np.ndarray, mask: np.ndarray, floor: float) -> float:
    """The level from which change is visible: median + 3 robust deviations (1.4826 MAD) of the change around the mask.

    Only pixels that changed at all are measured, so an untouched background does not hide the noise of the drawn
    zone. Kept between `floor` and 3 x `floor`: a defect that landed beside its mask must not pass for noise."""
    around = change[~widen(mask) & (change > 0.5)]
    if around.size == 0:
        return floor
    median = float(np.median(around))
    spread = 1.4826 * float(np.median(np.abs(around - median)))
    return min(max(floor, median + 3 * spread), 3 * floor)


def contrast(change: np.ndarray, mask: np.ndarray) -> float:
    """90th percentile of the change inside the mask, grey levels; a thin bright line in a generous mask still counts
    when it fills a tenth of it."""
    return float(np.percentile(change[mask], 90))


def strength(change: np.ndarray, mask: np.ndarray) -> float:
    """How much the defect changed: what a quarter of the mask's pixels exceed; rims and holes do not lower it."""
    return float(np.percentile(change[mask], 75))


def agreement(change: np.ndarray, mask: np.ndarray) -> float:
    """Share of the change that lies inside the mask, 1 if there is none: of all pixels that changed at least half as
    much as the defect did. An edge of EDGE px around the mask is left out, but not in holes of the mask."""
    changed = np.where(change >= max(_OUTSIDE * strength(change, mask), _LEAST_CHANGE), change, 0)
    inside = float(changed[mask].sum(dtype=np.float64))
    beyond = ~mask & ~_widened(ndimage.binary_fill_holes(mask), EDGE) | (ndimage.binary_fill_holes(mask) & ~mask)
    outside = float(changed[beyond].sum(dtype=np.float64))
    return inside / (inside + outside) if inside + outside > 0 else 1.0


def covered(change: np.ndarray, mask: np.ndarray, floor: float) -> float:
    """Share of the mask's pixels whose change is visible: above `visible_above` with this floor, or half of what the
    defect changed where that is less, since what changed around a mask may be more of the defect."""
    level = min(visible_above(change, mask, floor), max(floor, _OUTSIDE * strength(change, mask)))
    return float((change[mask] > level).mean())


def tight(difference: np.ndarray, mask: np.ndarray) -> float:
    """How closely a mask follows its defect: share of its rim that changed.

    The rim is a fifth of the mask's half width deep, one px at least, and does not run along the image's border.
    Changed means by a quarter of what the defect did, at least. A mask grown beyond its defect has a rim without
    change, however large the change inside it. difference float32 (H, W), mask bool (H, W)."""
    difference, mask = _around(difference, mask)
    depth = _depth(mask)
    rim = mask & (depth <= max(1.0, _RIM_WIDTH * float(depth.max())) + 0.5)
    return float(_changed(difference, mask)[rim].mean())


def unchanged(difference: np.ndarray, mask: np.ndarray) -> float:
    """Share of a mask that marks good surface: pieces of it that did not change, zones without change as wide as a
    third of the mask, and zones that are the good image bit for bit. Arguments as for `tight`."""
    difference, mask = _around(difference, mask)
    changed = _changed(difference, mask)
    pieces, count = ndimage.label(mask, structure=np.ones((3, 3)))
    seen = ndimage.mean(changed, pieces, np.arange(count + 1)) >= _RIM_SHARE
    radius = max(1, round(_ZONE * float(_depth(mask).max())))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    zones = cv2.morphologyEx((mask & ~changed).astype(np.uint8), cv2.MORPH_OPEN, disc) > 0
    same = cv2.erode((difference == 0).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return float(((~seen[pieces] | zones | same) & mask).sum() / mask.sum())


def _around(difference: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both, cropped to the mask and a few px around it."""
    box = tuple(slice(max(0, int(hit.min()) - 4), int(hit.max()) + 5) for hit in np.nonzero(mask))
    return difference[box], mask[box]


def _depth(mask: np.ndarray) -> np.ndarray:
    """Distance in px of the mask's pixels to its outline; the border of the array is none."""
    return ndimage.distance_transform_edt(np.pad(mask, 1, mode="edge"))[1:-1, 1:-1]


def _changed(difference: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Pixels that changed by a quarter of what the defect did, at least."""
    change = ndimage.gaussian_filter(difference, _RIM_SMOOTHING)
    return change >= _RIM_SHARE * max(strength(change, mask), 1e-3)


def on_product(part: np.ndarray, mask: np.ndarray) -> float:
    """Share of the mask that lies on the product, part (H, W) bool, or within SLACK px of it."""
    return float(widen(part)[mask].mean())


def all_finite(sample: Sample) -> bool:
    """False when a coordinate, organised or not, a normal, or a number anywhere in the sample's provenance, is NaN or
    infinite."""
    clouds = () if sample.cloud is None else (sample.cloud.points, sample.cloud.normals)
    arrays = (array for array in (sample.xyz, *clouds) if array is not None)
    made = sample.provenance
    numbers = () if made is None else (made.scores, [instance.parameters for instance in made.instances])
    return _finite(numbers) and all(bool(np.isfinite(array).all()) for array in arrays)


def judge(
    sample: Sample,
    config: ChecksConfig,
    surroundings: Surroundings | None = None,
    unmeasured: Collection[str] = (),
) -> Judgement:
    """Run every check in order; the first that fails names the reason.

    What is compared with the good sample that it started from, with the product's region or with the generator's own
    confidence is read from the sample's provenance; what is not known there is not measured, nor is what `unmeasured`
    names. surroundings: what the defect's context is compared with."""
    if not all_finite(sample):
        return Judgement(Reject("not_finite", "a score or a coordinate is NaN or infinite"), {})
    made = sample.provenance
    if made is not None and made.failure is not None:
        return Judgement(Reject("no_place", made.failure), {"area": 0.0})
    if sample.image is None or sample.mask is None or not sample.mask.any():
        return Judgement(Reject("blank_mask", "no pixel of the mask is set"), {"area": 0.0})
    scores = measure(sample, config)
    if surroundings is not None and config.max_misfit > 0:
        misfit = surroundings.misfit(str(sample.defect), sample.image, sample.mask)
        if math.isfinite(misfit):
            scores["misfit"] = round(misfit, 6)
    if surroundings is not None:
        config = _as_the_shots(config, surroundings, str(sample.defect))
    scores = {name: value for name, value in scores.items() if name not in unmeasured}
    return Judgement(decide(scores, int(sample.mask.sum()), config), scores)


@lru_cache(maxsize=256)
def _as_the_shots(config: ChecksConfig, surroundings: Surroundings, defect: str) -> ChecksConfig:
    """The config asking no more of a defect than the shots of its type show: some lie beside the product in part, since
    they change its outline, and some have masks that are wider than their defects, or narrower."""
    own = [(difference(image, start), mask) for image, start, mask in surroundings.examples(defect)]
    floor = max(config.min_contrast, 1.0)
    on_parts = [on_product(*shot) for shot in surroundings.on_parts(defect)]
    least = {
        "min_on_product": _OUTLINE_PLAY * min(on_parts, default=1.0),
        "min_tight": _TIGHT_PLAY * _quantile([tight(*shot) for shot in own], 0.1),
        "min_agreement": _AGREEMENT_PLAY * _quantile([agreement(smoothed(change), mask) for change, mask in own], 0.1),
        "min_covered": _COVERED_PLAY * _quantile([covered(smoothed(change), mask, floor) for change, mask in own], 0.1),
    }
    most = _UNCHANGED_PLAY + _quantile([unchanged(*shot) for shot in own], 0.9, 0.0)
    update = {name: min(getattr(config, name), value) for name, value in least.items()}
    return config.model_copy(update=update | {"max_unchanged": max(config.max_unchanged, min(most, 1.0))})


def _quantile(values: list[float], level: float, unknown: float = np.inf) -> float:
    return float(np.quantile(values, level)) if values else unknown


def measure(sample: Sample, config: ChecksConfig) -> dict[str, float]:
    """Those of SCORES that can be measured on a sample with a mask, all but misfit, rounded to 6 digits."""
    mask, made = sample.mask, sample.provenance
    assert mask is not None
    scores = {"area": float(mask.mean())}
    if made is not None and made.start is not None:
        if made.start.part is not None:
            scores["on_product"] = on_product(made.start.part, mask)
        if sample.cloud is not None and sample.xyz is None:
            scores |= _of_cloud(sample.cloud, made)
        else:
            scores |= _of_pixels(sample, mask, made.start, max(config.min_contrast, 1.0))
    if made is not None and "confidence" in made.scores:
        scores["confidence"] = float(made.scores["confidence"])
    return {name: round(value, 6) for name, value in scores.items()}


def _of_pixels(sample: Sample, mask: np.ndarray, start: Origin, floor: float) -> dict[str, float]:
    found = difference_between(sample, start, floor)
    if found is None:
        return {}
    change = smoothed(found)
    return {
        "contrast": contrast(change, mask),
        "agreement": agreement(change, mask),
        "covered": covered(change, mask, floor),
        "tight": tight(found, mask),
        "unchanged": unchanged(found, mask),
    }


def _of_cloud(cloud: Cloud, made: Provenance) -> dict[str, float]:
    """agreement and covered, counted in points."""
    changed = changed_points(cloud, made)
    if changed is None or cloud.labels is None:
        return {}
    total = int(changed.sum())
    return {
        "agreement": float((changed & cloud.labels).sum()) / total if total else 1.0,
        "covered": float(changed[cloud.labels].mean()) if cloud.labels.any() else 0.0,
    }


def decide(scores: Mapping[str, float], area_px: int, config: ChecksConfig) -> Verdict:
    """The verdict on scores as `measure` gives them; a score that is absent is not checked."""
    if area_px < config.min_area:
        return Reject("tiny_mask", f"{area_px} px, wanted at least {config.min_area} px")
    if scores["area"] > config.max_area:
        return Reject("large_mask", f"{scores['area']:.0%} of the image, wanted at most {config.max_area:.0%}")
    if scores.get("on_product", 1.0) < config.min_on_product:
        return Reject("off_product", f"{scores['on_product']:.0%} on the product, wanted {config.min_on_product:.0%}")
    if config.max_misfit and scores.get("misfit", 0.0) > config.max_misfit:
        wanted = f"wanted at most {config.max_misfit:.2f}"
        return Reject(
            "out_of_place", f"its surroundings fit {scores['misfit']:.2f} times as badly as they may, {wanted}"
        )
    if scores.get("contrast", math.inf) < config.min_contrast:
        wanted = f"wanted {config.min_contrast:.1f}"
        return Reject("invisible", f"{scores['contrast']:.1f} grey levels of change in the mask, {wanted}")
    if scores.get("agreement", 1.0) < config.min_agreement:
        wanted = f"wanted {config.min_agreement:.0%}"
        return Reject("misplaced", f"{scores['agreement']:.0%} of the change is inside the mask, {wanted}")
    if scores.get("covered", 1.0) < config.min_covered:
        return Reject("loose_mask", f"{scores['covered']:.0%} of the mask changed, wanted {config.min_covered:.0%}")
    if scores.get("tight", 1.0) < config.min_tight:
        return Reject("wide_mask", f"{scores['tight']:.0%} of the mask's rim changed, wanted {config.min_tight:.0%}")
    if scores.get("unchanged", 0.0) > config.max_unchanged:
        wanted = f"wanted at most {config.max_unchanged:.0%}"
        return Reject("wide_mask", f"{scores['unchanged']:.0%} of the mask lies in pieces without change, {wanted}")
    if scores.get("confidence", 1.0) < config.min_confidence:
        return Reject("low_confidence", f"mask score {scores['confidence']:.2f}, wanted {config.min_confidence:.2f}")
    return ACCEPT


def _finite(value: Any) -> bool:
    if isinstance(value, float | np.floating):
        return math.isfinite(value)
    if isinstance(value, np.ndarray):
        return not np.issubdtype(value.dtype, np.floating) or bool(np.isfinite(value).all())
    if isinstance(value, Mapping):
        return all(_finite(item) for item in value.values())
    return not isinstance(value, list | tuple) or all(_finite(item) for item in value)
