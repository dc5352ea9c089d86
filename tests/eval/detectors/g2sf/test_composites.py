import numpy as np

from eval.detectors.g2sf.composites import Scan, Warp, composite, drawn_pieces, scan_of, warped
from eval.detectors.g2sf.defective import drawn, published
from tests.eval.detectors.scenes import GOOD

SIZE = (48, 56)
SCANS = [scan_of(sample, SIZE) for sample in GOOD[:3]]
STILL = Warp(turn=0, shift=0, scale=(1, 1), mirror=False)


def test_a_mask_says_where_image_and_depth_were_changed_and_x_and_y_stay():
    target, changes = SCANS[0], 0
    for seed in range(6):
        scan, mask = composite([target] * 3, STILL, np.random.default_rng(seed))
        assert mask.any()
        for changed in ((scan.image != target.image).any(-1), scan.xyz[..., 2] != target.xyz[..., 2]):
            assert not (changed & ~mask).any()
            changes += (changed & mask).sum() > 0.5 * mask.sum()
        np.testing.assert_array_equal(scan.xyz[..., :2], target.xyz[..., :2])
        raised = np.abs((scan.xyz - target.xyz)[..., 2][mask])
        assert raised.max() <= 2e-3 + np.ptp(target.xyz[..., 2])
    assert changes >= 10


def test_nothing_is_pasted_off_the_part():
    valid = np.zeros(SIZE, bool)
    valid[10:34, 14:40] = True
    part = Scan(SCANS[0].image, np.where(valid[..., None], SCANS[0].xyz, np.float32(0)), valid)
    for seed in range(6):
        scan, mask = composite([part], Warp(), np.random.default_rng(seed))
        assert (scan.valid & mask).sum() == mask.sum()
        assert (scan.xyz[~scan.valid] == 0).all()


def test_pieces_have_sizes_within_bounds_and_are_numbered():
    where = np.ones((96, 96), bool)
    for seed in range(4):
        pieces, count = drawn_pieces(where, np.random.default_rng(seed))
        sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
        assert sizes.min() >= 96**2 * 100 / 512**2
        assert sizes.max() <= 96**2 * 1600 / 512**2
        assert sizes.sum() >= 96**2 * 300 / 512**2


def test_no_room_gives_nothing():
    blank = Scan(SCANS[0].image, np.zeros_like(SCANS[0].xyz), np.zeros(SIZE, bool))
    assert composite([blank], Warp(), np.random.default_rng(0)) is None


def test_a_scan_that_is_moved_keeps_its_points_beside_its_pixels():
    still = warped(SCANS[0], STILL, np.random.default_rng(0))
    np.testing.assert_array_equal(still.image, SCANS[0].image)
    np.testing.assert_array_equal(still.xyz, SCANS[0].xyz)
    # An image that shows the column a point came from, in mm.
    ramp = np.repeat((2 * np.arange(SIZE[1]))[None, :, None], SIZE[0], 0).repeat(3, 2).astype(np.uint8)
    xyz = np.stack([ramp[..., 0] * 1e-3, np.zeros(SIZE), np.full(SIZE, 0.5)], -1).astype(np.float32)
    for seed in range(5):
        moved = warped(Scan(ramp, xyz, np.ones(SIZE, bool)), Warp(), np.random.default_rng(seed))
        apart = np.abs(moved.image[..., 0] - 1e3 * moved.xyz[..., 0])[moved.valid]
        assert 0.3 < moved.valid.mean() < 1
        assert apart.max() <= 3


def test_each_composite_is_drawn_from_its_number_alone():
    few, more = (list(published(GOOD[:3], SIZE, count, Warp(), 1)) for count in (2, 4))
    for one, other in zip(few, more, strict=False):
        assert one.id == other.id
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.xyz, other.xyz)
    other = next(iter(published(GOOD[:3], SIZE, 1, Warp(), 2)))
    assert (other.image != few[0].image).any()


def test_the_dual_synthesizer_draws_its_types_in_turn():
    made = list(drawn(GOOD[:2], 2, ("dent", "stain"), 0))
    assert [sample.defect for sample in made] == ["dent", "stain"]
    assert all(sample.mask.any() for sample in made)
