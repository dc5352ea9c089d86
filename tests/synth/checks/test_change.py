"""What changed, in geometry as in the image: samples of the dual synthesizer are checked like any other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from synth.checks import Accept
from synth.checks.change import LEAST_SHIFT, changed_points, difference_between
from synth.checks.config import ChecksConfig
from synth.checks.mask import judge
from synth.dual import DualSynthesizer
from synth.dual.generator import DualGenerator
from synth.generators import GENERATORS, Request
from synth.recipe import Recipe
from synth.sample import Origin, Provenance, Sample
from tests.synth.dual.scans import ball_cloud, plate

CHECKS = ChecksConfig(min_on_product=0, min_area=1)
EXACT = GENERATORS["dual"].unmeasured


def flat(mask: tuple[slice, slice] = (slice(10, 20), slice(15, 30))) -> Sample:
    """A plate 0.5 m away whose middle was pressed in by 1 mm, of which the image shows nothing."""
    image = np.full((37, 53, 3), 120, np.uint8)
    rows, columns = np.mgrid[:37, :53].astype(np.float32) * 1e-3
    xyz = np.stack([columns, rows, np.full((37, 53), 0.5, np.float32)], -1)
    pressed = xyz.copy()
    pressed[10:20, 15:30, 2] += 1e-3
    truth = np.zeros((37, 53), bool)
    truth[mask] = True
    start = Origin("good", "sha", image=image, xyz=xyz, depth_noise=1e-4)
    return Sample("a", image, truth, pressed, defect="dent", provenance=Provenance("dual", 1, start=start))


def reason(sample: Sample) -> str:
    verdict = judge(sample, CHECKS, unmeasured=EXACT).verdict
    return "accepted" if isinstance(verdict, Accept) else verdict.reason


def test_a_change_of_geometry_counts_where_the_image_shows_nothing():
    judged = judge(flat(), CHECKS, unmeasured=EXACT)
    assert isinstance(judged.verdict, Accept)
    assert judged.scores["contrast"] == pytest.approx(80, abs=1)  # ten times the noise, of which once is 8 grey levels
    assert judged.scores["agreement"] > 0.9
    assert {"tight", "unchanged"} <= set(judged.unmeasured)


def test_geometry_that_changed_beside_its_mask_or_not_at_all_is_rejected():
    assert reason(flat((slice(25, 35), slice(2, 12)))) == "invisible"
    assert reason(flat((slice(14, 34), slice(6, 26)))) in ("misplaced", "loose_mask")
    still = flat()
    assert reason(replace(still, xyz=still.provenance.start.xyz)) == "invisible"


def test_a_pixel_that_lost_its_depth_changed():
    sample = flat()
    gone = sample.xyz.copy()
    gone[12, 18] = 0
    found = difference_between(replace(sample, xyz=gone), sample.provenance.start, 8.0)
    assert found[12, 18] == 255
    assert found[0, 0] == 0
    tiny = sample.provenance.start.xyz + np.float32(0.5 * LEAST_SHIFT)
    assert 0 < difference_between(replace(sample, xyz=tiny), sample.provenance.start, 8.0).max() < 8


@pytest.mark.parametrize("kind", ["dent", "stain", "through_hole", "scratch", "bend"])
def test_what_the_synthesizer_draws_passes_and_with_another_samples_labels_does_not(kind):
    scan = plate(96, 128, seed=3)
    first, second = (DualSynthesizer(kind).draw(scan, seed=seed) for seed in (1, 4))
    assert reason(first) == "accepted"
    apart = second.mask & ~first.mask
    if apart.sum() > 0.7 * second.mask.sum():
        assert reason(replace(first, mask=apart)) in ("invisible", "misplaced", "loose_mask")
    assert reason(replace(first, image=scan.image, xyz=scan.xyz)) == "invisible"


@pytest.mark.parametrize("kind", ["dent", "hole", "crack", "bend"])
def test_points_of_a_cloud_are_checked_by_what_became_of_each(kind):
    generator = DualGenerator(_config(kind), None, 0)
    generator.fit([], [replace(ball_cloud(4000, seed=1), product="ball")])
    (sample,) = generator.draw([Request("ball", kind, 0)])
    judged = judge(sample, CHECKS, unmeasured=EXACT)
    assert isinstance(judged.verdict, Accept)
    assert judged.scores["agreement"] > 0.95
    assert judged.scores["covered"] > 0.5
    labels = np.roll(sample.cloud.labels, len(sample.cloud.labels) // 2)
    wrong = replace(sample, cloud=replace(sample.cloud, labels=labels))
    assert reason(wrong) in ("misplaced", "loose_mask")
    changed = changed_points(sample.cloud, sample.provenance)
    assert 0 < changed.sum() < len(changed)


def test_a_candidate_that_was_not_drawn_says_why():
    provenance = Provenance("dual", 1, failure="plate: no dent in 20 attempts, the last one because it is too large")
    judged = judge(Sample("a", mask=np.zeros((3, 4), bool), provenance=provenance), CHECKS)
    assert judged.verdict.reason == "no_place"
    assert "too large" in judged.verdict.detail


def _config(kind: str):
    return Recipe.model_validate({"generator": {"kind": "dual", "types": [kind]}}).generator
