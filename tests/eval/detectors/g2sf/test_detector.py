from dataclasses import replace

import numpy as np
import pytest
import torch

from eval import detectors
from synth.errors import EvalError
from tests.eval.detectors.scenes import GOOD, plate

FIELDS = {"features": "random", "side": 64, "points": "xyz_stats", "composites": 6, "steps": 4, "ranks": 2}


def test_background_is_scored_by_its_image_alone():
    detector = detectors.create("g2sf", **FIELDS, score="first", sigma=0).fit(GOOD[:3])
    holed = replace(GOOD[0], xyz=GOOD[0].xyz.copy())
    holed.xyz[16:32, 16:32] = 0
    encoded = next(detector.encoder.batches([GOOD[0], holed]))
    maps = detector._judge(encoded).maps
    image, _, valid = detector._parts(encoded)
    assert not valid[1, 2:4, 2:4].any()
    away = torch.cdist(detector._standardised(image[1, 2:4, 2:4].flatten(0, 1), 0), detector._banks.image).amin(1)
    wanted = detector._metric.shares[0] * away / detector._metric.typical[0]
    torch.testing.assert_close(maps[1, 2:4, 2:4].flatten(), wanted, rtol=1e-4, atol=1e-4)


def test_the_dual_synthesizer_trains_as_well():
    detector = detectors.create("g2sf", **FIELDS, synthesizer="dual", defects=("stain",)).fit(GOOD[:3])
    found = detector.predict([GOOD[4], plate(61, stain=True)]).score
    assert found[1] > found[0]


def test_parts_without_room_for_a_pseudo_anomaly_are_refused():
    kept = np.arange(64) % 8 == 4
    sparse = np.where((kept[:, None] & kept)[..., None], GOOD[0].xyz, np.float32(0))
    with pytest.raises(EvalError, match="no pseudo-anomaly fits"):
        detectors.create("g2sf", **FIELDS).fit([replace(GOOD[0], xyz=sparse)])


def test_an_unknown_type_of_defect_is_named():
    with pytest.raises(EvalError, match="did you mean dent"):
        detectors.create("g2sf", defects=("dents",))
