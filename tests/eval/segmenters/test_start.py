"""Weights that segmenters start from: shipped, small, and worth starting from."""

import numpy as np
import pytest

from eval import segmenters
from eval.metrics import average_precision
from eval.segmenters.pretrain import UNSEEN, captioned
from eval.segmenters.start import FOLDER, shipped
from eval.segmenters.training import probabilities


@pytest.mark.parametrize("name", ["bisenetv2", "lfd"])
def test_the_first_weights_mark_procedural_defects_that_they_have_not_seen(name):
    assert shipped(name, segmenters.configure(name)).is_file()
    unseen = [captioned(128, UNSEEN + 5_000 + index) for index in range(24)]
    images, masks = np.stack([one.image for one in unseen]), np.stack([one.mask for one in unseen])
    known, random = (segmenters.create(name, start=start)._network for start in ("marks", "random"))
    found, chance = (average_precision(probabilities(network, images), masks) for network in (known, random))
    assert found > 8 * chance


def test_a_width_without_shipped_weights_starts_at_random():
    config = segmenters.configure("lfd", width=0.25)
    assert not shipped("lfd", config).exists()
    one, other = (segmenters.create("lfd", width=0.25, start=start).weights() for start in ("marks", "random"))
    assert all(np.array_equal(one[key], other[key]) for key in one)


def test_the_weights_are_small():
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 5e6
