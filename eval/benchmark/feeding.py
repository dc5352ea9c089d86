"""Whether a detector finds in a data set what it looks at and learns from."""

from __future__ import annotations

from collections.abc import Sequence

from eval import detectors
from eval.benchmark.data import Category
from eval.benchmark.measurement import Setting
from eval.detectors import Detector
from synth.sample import Sample
from synth.sources.listing import reopen


def lacking(setting: Setting, categories: Sequence[Category]) -> str | None:
    """Why a detector cannot be measured on these categories, as a sentence; None where it can. What the first good
    sample has, all are expected to have."""
    detector = detectors.create(setting.detector, **setting.params)
    for category in categories:
        missing = detector.modalities - _seen(reopen(category.good[0]), detector)
        if missing:
            named = {"image": "images", "xyz": "clouds" if detector.takes_clouds else "organised clouds"}
            wanted = " and ".join(named[one] for one in sorted(missing))
            return f"{setting.detector} looks at {wanted}, {category.name} has none"
        if detector.learns_from_defects and not category.defects:
            return f"{setting.detector} learns from labelled defects, {category.name} has none; name a run as the data"
    return None


def _seen(sample: Sample, detector: Detector) -> set[str]:
    """Of "image" and "xyz". The image of a cloud is drawn from its points (`synth.io.cloud_image`), from another side
    for each defect: it shows a detector nothing of its own."""
    found = set() if sample.image is None or sample.cloud is not None else {"image"}
    organised = sample.xyz is not None or (detector.takes_clouds and sample.cloud is not None)
    return found | {"xyz"} if organised else found
