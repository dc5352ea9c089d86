import numpy as np
import pytest

from synth.dual import DefectSpec
from synth.dual.batch import draw_batch
from synth.dual.dense import change, stack
from synth.dual.patch import plan_patch
from synth.dual.scene import prepare
from synth.dual.seeds import defect_streams
from synth.errors import GeneratorError
from tests.synth.dual.scans import plate

SIZES = {"scale": "none", "radius_mm": (8, 14), "amp_mm": (1, 2)}


@pytest.fixture(scope="module")
def scenes():
    return [prepare(plate(61, 83)), prepare(plate(71, 59, seed=1)), prepare(plate(53, 97, tilt=0.5, seed=2))]


@pytest.mark.parametrize("kind", ["dent", "hole", "deposit", "chip"])
def test_a_batch_gives_what_each_sample_gives_alone(scenes, kind):
    spec = DefectSpec.of(kind, **SIZES)
    for one, scene, seed in zip(draw_batch(scenes, spec, [3, 4, 5]), scenes, [3, 4, 5], strict=True):
        patch = plan_patch(scene, spec, defect_streams(seed, 0))
        alone = change(stack([scene], [patch], 0.1))
        assert np.abs(one.xyz.numpy() - alone.xyz[0]).max() < 1e-5
        assert np.abs(one.linear.numpy() - alone.linear[0]).max() < 1e-5
        assert (one.mask_geo.numpy() != alone.mask_geo[0]).mean() < 1e-3
        assert alone.mask_geo.any()


def test_batch_mates_and_order_change_nothing(scenes):
    spec = DefectSpec.of("dent", **SIZES)
    together = draw_batch(scenes, spec, [3, 4, 5])
    turned = draw_batch(scenes[::-1], spec, [5, 4, 3])[::-1]
    for first, second in zip(together, turned, strict=True):
        assert (first.xyz - second.xyz).abs().max() < 1e-6


def test_a_bend_is_not_for_batches(scenes):
    with pytest.raises(GeneratorError, match="DualSynthesizer"):
        draw_batch(scenes[:1], DefectSpec.of("bend"), [0])
