"""Depth as an image, drawn defects, losses and networks, each on its own."""

from collections import Counter

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation

from eval.detectors.das3d_style.depth import Scan, scaled, span_of
from eval.detectors.das3d_style.drawing import PHYSICAL, DefectSource, withheld
from eval.detectors.das3d_style.learning import Draws
from eval.detectors.das3d_style.losses import focal, reconstruction, similarity
from eval.detectors.das3d_style.network import SIZES, Das3dNetwork, new_network
from synth.dual.types import TYPES
from tests.eval.detectors.scenes import plate

GOOD = [plate(number) for number in range(3)]
EVEN = (1.0, 1.0, 1.0)


def source(defects="das3d_like", dropout=EVEN, types=("dent", "stain")):
    return DefectSource(defects, types, dropout)


def same(one, other):
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("image", "xyz", "mask"))


def test_depth_is_measured_from_its_middle_and_a_bump_of_a_span_stays_inside():
    depth = 0.5 + 0.004 * torch.rand(9, 11, generator=torch.Generator().manual_seed(0))
    span = span_of([Scan(torch.zeros(3, 9, 11), depth)])
    assert span == pytest.approx(0.005, rel=0.02)  # a hundredth of the depth, which is more than its range
    found = scaled(depth, 0.502, span)
    assert scaled(depth + 0.2, 0.702, span) == pytest.approx(found, abs=1e-4)
    assert scaled(torch.full((2, 2), 0.502 + span), 0.502, span) == pytest.approx(torch.full((1, 2, 2), 0.9))


def test_small_holes_in_the_depth_are_closed_and_large_ones_stay_empty():
    depth = torch.full((12, 12), 0.5)
    depth[2, 2] = 0
    depth[5:, 5:] = 0
    found = scaled(depth, 0.5, 0.01)[0]
    assert found[2, 2] == pytest.approx(0.5)
    assert found[8, 8] == 0


@pytest.mark.parametrize("defects", ["das3d_like", "physical"])
def test_what_is_drawn_depends_on_the_seed_alone_and_is_labelled_truly(defects):
    made = source(defects)
    for seed in range(3):
        which, drawn = made.draw(GOOD, np.random.default_rng(seed))
        other, again = source(defects).draw(GOOD, np.random.default_rng(seed))
        assert which == other
        assert same(drawn, again)
        good = GOOD[which]
        changed = (drawn.image != good.image).any(2) | (drawn.xyz != good.xyz).any(2)
        assert drawn.mask.any()
        # Shading of our own types fades out within two pixels of what can be seen.
        assert not (changed & ~binary_dilation(drawn.mask, np.ones((5, 5)))).any()


@pytest.mark.parametrize("defects", ["das3d_like", "physical"])
@pytest.mark.parametrize(("dropout", "left"), [((0, 1, 0), "image"), ((0, 0, 1), "xyz")])
def test_a_withheld_modality_is_as_good_and_the_mask_marks_what_is_left(defects, dropout, left):
    made = source(defects, dropout, types=("pits",))
    other = {"image": "xyz", "xyz": "image"}[left]
    for seed in range(3):
        which, drawn = made.draw(GOOD, np.random.default_rng(seed))
        assert np.array_equal(getattr(drawn, other), getattr(GOOD[which], other))
        assert not ((getattr(drawn, left) != getattr(GOOD[which], left)).any(2) & ~drawn.mask).any()


def test_a_defect_that_one_modality_alone_shows_is_not_withheld_there():
    which, stain = source("physical", (1, 0, 0), ("stain",)).draw(GOOD, np.random.default_rng(0))
    assert same(withheld(stain, GOOD[which], "depth"), stain)


def test_dropout_is_drawn_with_its_weights():
    made = source("das3d_like", (2, 1, 1))
    seen = Counter()
    for seed in range(40):
        which, drawn = made.draw(GOOD, np.random.default_rng(seed))
        seen[np.array_equal(drawn.image, GOOD[which].image), np.array_equal(drawn.xyz, GOOD[which].xyz)] += 1
    assert 12 <= seen[False, False] <= 30
    assert min(seen[True, False], seen[False, True]) >= 3


def test_a_row_of_a_batch_depends_neither_on_the_other_rows_nor_on_earlier_steps():
    few, many = (Draws(GOOD, 0.005, source(), batch, seed=3) for batch in (2, 4))
    many.batch(0)
    for one, other in zip(few.batch(5).__dict__.values(), many.batch(5).__dict__.values(), strict=True):
        assert torch.equal(one, other[:2])


def test_about_half_of_a_batch_is_good_and_unchanged():
    pairs = Draws(GOOD, 0.005, source(), 24, seed=0).batch(0)
    is_good = ~pairs.mask.flatten(1).any(1)
    assert 6 <= int(is_good.sum()) <= 18
    assert torch.equal(pairs.image[is_good], pairs.good_image[is_good])
    assert torch.equal(pairs.depth[is_good], pairs.good_depth[is_good])


def test_the_default_types_are_types_of_ours():
    assert set(PHYSICAL) <= set(TYPES)


def test_losses_are_nothing_where_all_is_right_and_a_number_a_sample():
    one, other = torch.rand(2, 2, 3, 20, 24, generator=torch.Generator().manual_seed(0))
    everywhere = torch.ones(2, 1, 20, 24)
    assert similarity(one, one) == pytest.approx(torch.ones(2, 3, 20, 24), abs=1e-4)
    assert reconstruction(one, one, everywhere) == pytest.approx(torch.zeros(2), abs=1e-4)
    assert float(reconstruction(one, other, everywhere).min()) > 0.5
    masks = (one[:, :1] > 0.5).float()
    assert focal(40 * (masks - 0.5), masks) == pytest.approx(torch.zeros(2), abs=1e-6)
    assert focal(torch.zeros(2, 1, 20, 24), masks) == pytest.approx(torch.full((2,), 0.25 * np.log(2)))


def test_what_lies_off_the_scan_does_not_count():
    made, good = torch.rand(2, 1, 1, 24, 24, generator=torch.Generator().manual_seed(0))
    where = torch.zeros(1, 1, 24, 24)
    where[..., :8] = 1
    far = made.clone()
    far[..., 14:] = 0
    assert torch.equal(reconstruction(far, good, where), reconstruction(made, good, where))


def test_networks_give_maps_of_any_size_and_a_sample_never_feels_its_batch_mates():
    network = new_network("tiny", 0)
    image, depth = torch.rand(3, 3, 21, 34), torch.rand(3, 1, 21, 34)
    seen = network(image, depth)
    assert [tuple(each.shape) for each in seen] == [(3, 3, 21, 34), (3, 1, 21, 34), (3, 1, 21, 34)]
    alone = network(image[1:2], depth[1:2])
    for one, other in zip(alone, seen, strict=True):
        torch.testing.assert_close(one[0], other[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_every_size_can_be_built(size):
    with torch.device("meta"):
        network = Das3dNetwork(size)
    levels = len(SIZES[size].discriminator)
    assert len(network.discriminator.fuse) == len(network.discriminator.up.blocks) + 1 == levels
