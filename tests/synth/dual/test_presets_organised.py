"""Formulas of the schemes for scans, on cases that one can count."""

import numpy as np
import pytest
from PIL import Image

from synth.dual.presets import ORGANISED, scheme
from synth.dual.presets.das3d import filtered, skew_kernel, tied_region
from synth.dual.presets.organised import Altered, View, blend, settle, with_depth
from synth.dual.presets.perlin_blend import random_relief, signed_relief
from synth.dual.presets.regions import drawn_signs, ternary, turned_noise, within_area
from synth.dual.presets.texture import CHANGES, OPERATIONS, varied
from synth.errors import GeneratorError


def view(height=96, width=128, scale=1.0, sigma=0.0):
    """A slanted plate of 6 mm depth range, 0.5 m away; `scale` multiplies every length."""
    rng = np.random.default_rng(1)
    depth = np.full((height, width), 0.5, np.float32)
    inside = np.zeros((height, width), bool)
    inside[12:84, 16:112] = True
    depth[inside] = np.broadcast_to(np.linspace(0.480, 0.486, width), depth.shape)[inside]
    return View(
        rng.random((height, width, 3)).astype(np.float32), depth * np.float32(scale), inside, sigma, 1e-3 * scale
    )


def test_blend_keeps_the_share_it_is_reported_within_the_region():
    image, texture = np.full((2, 2, 3), 0.2, np.float32), np.full((2, 2, 3), 1.0, np.float32)
    region = np.array([[True, False], [False, True]])
    mixed = blend(image, texture, region, 0.75)
    assert mixed[0, 0] == pytest.approx([0.4] * 3)
    assert np.array_equal(mixed[0, 1], image[0, 1])


def test_another_depth_leaves_every_pixel_on_its_ray():
    xyz = np.float32([[[0.1, -0.2, 0.5], [0, 0, 0], [0.3, 0.1, 0.6]]])
    moved = with_depth(xyz, np.float32([[0.25, 0.4, 0.6]]))
    assert moved[0, 0] == pytest.approx([0.05, -0.1, 0.25])
    assert not moved[0, 1].any()
    assert np.array_equal(moved[0, 2], xyz[0, 2])


def test_what_cannot_be_seen_is_put_back_and_not_labelled():
    good = np.full((1, 4, 3), 100, np.uint8)
    depth = np.float32([[0.5, 0.5, 0.5, 0]])
    seen = View(good / np.float32(255), depth, depth > 0, sigma=1e-3)
    made = good / np.float32(255)
    made[0, 0, 1] = 108 / 255
    made[0, 1, 1] = 109 / 255
    settled = settle(good, seen, Altered(made, depth + np.float32([[0.0019, 0.0021, -0.01, 0.1]]), depth > 0))
    assert settled.rgb.tolist() == [[False, True, False, False]]
    assert settled.geo.tolist() == [[False, True, True, False]]
    assert settled.image[0, :, 1].tolist() == [100, 109, 100, 100]
    assert settled.depth[0, [0, 3]].tolist() == [0.5, 0]


def test_noise_covers_what_was_measured_of_the_published_one():
    # Shares of 3,000 draws at 256 x 256: above 0.5, 5.5 % and 1 in 20 empty; either sign 11 %.
    rng = np.random.default_rng(0)
    drawn = np.stack([turned_noise((64, 96), rng) for _ in range(600)])
    above, either = (drawn > 0.5).mean((1, 2)), (np.abs(drawn) > 0.5).mean((1, 2))
    assert above.mean() == pytest.approx(0.055, abs=0.01)
    assert either.mean() == pytest.approx(0.11, abs=0.015)
    assert 0.8 < np.abs(drawn).max() <= 1.01


def test_noise_is_no_finer_than_its_cells():
    # One cell over the frame: a step of 1 / 64 of it changes little.
    coarse = [turned_noise((64, 96), np.random.default_rng(seed), max_power=0) for seed in range(40)]
    assert max(np.abs(np.diff(one, axis=0)).max() for one in coarse) < 0.08
    fine = [turned_noise((64, 96), np.random.default_rng(seed), max_power=5) for seed in range(40)]
    assert max(np.abs(np.diff(one, axis=0)).max() for one in fine) > 0.5


def test_three_values_and_pieces_by_area():
    noise = np.float32([[0.7, 0.7, 0.1, -0.7], [0.7, 0.0, 0.0, -0.2], [0.0, 0.0, 0.9, 0.0]])
    where = np.ones((3, 4), bool)
    where[0, 0] = False
    signs = ternary(noise, 0.5, where)
    assert signs.tolist() == [[0, 1, 0, -1], [1, 0, 0, 0], [0, 0, 1, 0]]
    # The two hills touch at a corner: one piece of two px. The others have one.
    assert within_area(signs, 2, 9).tolist() == [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert within_area(signs, 1, 1).tolist() == [[0, 0, 0, -1], [0, 0, 0, 0], [0, 0, 1, 0]]


def test_regions_are_never_empty_and_say_why_they_cannot_be():
    rng = np.random.default_rng(0)
    inside = view().foreground
    for _ in range(300):
        noise, signs = drawn_signs(inside, (0.7, 0.8), 5, rng)
        assert np.count_nonzero(signs) >= 12
        assert (np.abs(noise[signs != 0]) > 0.7).all()
        assert not signs[~inside].any()
    with pytest.raises(GeneratorError, match="at most 0 px of the part in 50 draws"):
        drawn_signs(np.zeros((9, 11), bool), (0.5, 0.5), 5, rng)


def test_transfusion_starts_at_nothing_and_ends_at_one_on_either_side():
    relief = signed_relief(np.float32([[0.5, 0.75, 1.0], [-0.5, -0.6, 0.2]]), 0.5)
    assert relief[0] == pytest.approx([0, 0.5, 1])
    assert relief[1] == pytest.approx([0, -1, 0], abs=1e-6)
    assert not signed_relief(np.zeros((2, 2), np.float32), 0.5).any()


def test_a_step_of_transfusion_is_a_share_of_the_last_in_both_modalities():
    seen = view()
    made = scheme("transfusion").alter(seen, np.random.default_rng(3))
    share = made.parameters["step"] / made.parameters["steps"]
    span = 1.1 * 0.486 - 0.9 * 0.480
    assert np.abs(made.depth - seen.depth).max() <= 0.1 * span * share * 1.0001
    assert np.abs(made.depth - seen.depth)[made.region].max() > 0.05 * span * share
    assert np.array_equal(made.depth[~made.region], seen.depth[~made.region])


def test_the_relief_of_3dsr_covers_a_part_of_the_scale():
    rng = np.random.default_rng(2)
    drawn = [random_relief((31, 43), rng) for _ in range(100)]
    assert min(one.min() for one in drawn) >= 0
    assert max(one.max() for one in drawn) <= 1
    spans = [np.ptp(one) for one in drawn]
    assert np.mean(spans) == pytest.approx(0.5, abs=0.08)  # beta, uniform


@pytest.mark.parametrize("name", ORGANISED)
def test_depth_changes_with_the_size_of_the_scene(name):
    numbers = {"metric": False, "least_mm2": 0, "dropout": (1, 0, 0)} if name == "das3d_like" else {}
    for seed in range(5):
        small, large = (
            scheme(name, **numbers).alter(view(scale=scale), np.random.default_rng(seed)) for scale in (1, 8)
        )
        assert np.array_equal(small.region, large.region)
        assert np.array_equal(small.image, large.image)
        assert np.abs(large.depth / 8 - small.depth).max() < 1e-6


def test_draem_takes_its_texture_from_a_folder(tmp_path):
    Image.new("RGB", (20, 10), (250, 10, 10)).save(tmp_path / "red.png")
    seen = view()
    made = scheme("draem", textures=tmp_path, kept=(0, 0), depth_kept=(1, 1)).alter(seen, np.random.default_rng(4))
    assert np.ptp(made.image[made.region], axis=0).max() < 0.02
    assert np.array_equal(made.image[~made.region], seen.image[~made.region])
    assert np.abs(made.depth - seen.depth).max() < 1e-6


def test_textures_are_varied_by_three_of_ten_changes():
    assert len(CHANGES) == 10
    assert OPERATIONS == 3
    image = np.random.default_rng(0).random((23, 31, 3)).astype(np.float32)
    drawn = [varied(image, np.random.default_rng(seed)) for seed in range(40)]
    for one in drawn:
        assert one.shape == image.shape
        assert 0 <= one.min() <= one.max() <= 1
    assert sum(np.abs(one - image).mean() > 0.05 for one in drawn) > 30


@pytest.mark.parametrize(("alpha", "theta"), [(0.0, 0.0), (5.0, 0.7), (-3.0, 2.5)])
def test_the_skewed_filter_leans_without_moving_away(alpha, theta):
    kernel = skew_kernel(6.0, alpha, theta).astype(float)
    assert kernel.shape == (37, 37)
    assert kernel.sum() == pytest.approx(1)
    line = np.arange(-18, 19)
    along = line * np.cos(theta) + line[:, None] * np.sin(theta)
    assert (kernel * line).sum() == pytest.approx(0, abs=0.1)
    assert (kernel * line[:, None]).sum() == pytest.approx(0, abs=0.1)
    third = (kernel * along**3).sum() / 6.0**3
    # Skewness of the skew-normal, times (1 - mu^2)^1.5: (4 - pi) / 2 mu^3 with mu = sqrt(2 / pi) delta.
    mu = np.sqrt(2 / np.pi) * alpha / np.sqrt(1 + alpha**2)
    assert third == pytest.approx((4 - np.pi) / (4 / np.pi) * mu**3 * (2 / np.pi), abs=0.02)
    if alpha == 0:
        assert kernel[18, 24] / kernel[18, 18] == pytest.approx(np.exp(-0.5), rel=1e-4)


def test_every_piece_reaches_full_height_under_a_wide_filter():
    rows, columns = np.mgrid[:120, :160]
    signs = np.zeros((120, 160), np.int8)
    signs[np.hypot(rows - 60, columns - 40) < 8] = 1
    alone = filtered(signs, skew_kernel(12.0, 4.0, 1.0))
    assert alone.max() == pytest.approx(1)
    assert alone.min() > -1e-4
    assert np.hypot(*(np.array(np.unravel_index(alone.argmax(), alone.shape)) - (60, 40))) < 8
    signs[np.hypot(rows - 60, columns - 110) < 4] = -1
    both = filtered(signs, skew_kernel(6.0, 0.0, 0.0))
    assert both[50:70, 30:50].max() == pytest.approx(1, abs=0.02)
    assert both[50:70, 100:120].min() == pytest.approx(-1, abs=0.02)


def test_the_tied_region_meets_the_mask():
    signs = np.zeros((50, 70), np.int8)
    signs[10:20, 10:30], signs[30:40, 40:60] = 1, -1
    relief = filtered(signs, skew_kernel(3.0, 2.0, 0.3))
    areas = set()
    for seed in range(60):
        region = tied_region(signs, relief, np.random.default_rng(seed))
        assert region.dtype == bool
        assert region[signs != 0].mean() > 0.3
        areas.add(int(region.sum()))
    assert len(areas) >= 5


def test_das3d_heights_dropout_and_signs():
    seen = view(sigma=1e-4)
    shown, senses = [], set()
    for seed in range(150):
        made = scheme("das3d_like").alter(seen, np.random.default_rng(seed))
        change = made.depth - seen.depth
        parameters = made.parameters
        shown.append(parameters["kept_in"])
        assert 0.4 - 1e-9 <= parameters["amplitude_mm"] <= 3
        assert not change[~seen.foreground].any()
        if parameters["kept_in"] == "rgb":
            assert not change.any()
        else:
            assert np.abs(change).max() <= 1e-3 * parameters["amplitude_mm"] + 1e-7
            senses.add((bool((change > 2e-4).any()), bool((change < -2e-4).any())))
        if parameters["kept_in"] == "geo":
            assert np.array_equal(made.image, seen.image)
    assert senses == {(True, False), (False, True), (True, True)}
    assert min(shown.count(what) for what in ("both", "rgb", "geo")) > 30
