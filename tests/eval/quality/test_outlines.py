"""Widths, lengths and edges of masks whose sizes are known."""

import cv2
import numpy as np
import pytest

from eval.quality.outlines import REACH, compare, edge_of, outline_of, width_of
from synth.errors import EvalError
from synth.sample import Sample

SIZE = (90, 130)


def bar(width: float, degrees: float = 0.0, length: float = 70.0) -> np.ndarray:
    """A bar about the middle of the image."""
    rows, columns = np.indices(SIZE) - (np.array(SIZE) - 1).reshape(2, 1, 1) / 2
    along = columns * np.cos(np.deg2rad(degrees)) + rows * np.sin(np.deg2rad(degrees))
    across = rows * np.cos(np.deg2rad(degrees)) - columns * np.sin(np.deg2rad(degrees))
    return (np.abs(along) <= length / 2) & (np.abs(across) <= width / 2)


def sample(mask: np.ndarray, blur: float = 0.0, depth: float = 80.0, defect: str = "crack") -> Sample:
    """A dark mark under a mask, its edge blurred, on plain ground with a little grain."""
    mark = mask.astype(np.float32)
    mark = cv2.GaussianBlur(mark, (0, 0), blur) if blur else mark
    grain = np.random.default_rng(3).normal(0, 1.5, mask.shape)
    image = np.rint(np.clip(150 - depth * mark + grain, 0, 255)).astype(np.uint8)
    return Sample("a", image[..., None].repeat(3, -1), mask, product="plate", defect=defect)


@pytest.mark.parametrize("width", [2, 3, 5, 6, 8, 15])
@pytest.mark.parametrize("degrees", [0, 30, 45, 77])
def test_the_width_of_a_bar_is_found_at_every_angle(width, degrees):
    mask = bar(width, degrees)
    assert width_of(mask) == pytest.approx(mask.sum() / 70, abs=0.12 * width + 0.3)


def test_the_width_of_a_disc_and_of_a_strip_from_border_to_border():
    disc = np.hypot(*(np.indices(SIZE) - 44.5)) <= 20
    assert width_of(disc) == pytest.approx(40, rel=0.06)
    strip = np.zeros(SIZE, bool)
    strip[40:46] = True
    assert width_of(strip) == pytest.approx(6, abs=0.2)
    assert width_of(np.ones(SIZE, bool)) == 90


def test_masks_twice_as_wide_as_the_shots_are_told_with_the_numbers_compared():
    shots = [outline_of(sample(bar(5, angle), 1)) for angle in (0, 20, 40)]
    wide = [outline_of(sample(bar(10, angle, 75), 1)) for angle in (10, 30)]
    same = [outline_of(sample(bar(5, angle), 1)) for angle in (10, 30)]
    (off,) = compare(wide, shots)
    assert off.width == pytest.approx(2, abs=0.15)
    assert off.far_off == ("width", "area")
    assert f"{off}".startswith("crack: width")
    assert "(2 pairs, 3 shots)" in f"{off}"
    (right,) = compare(same, shots)
    assert right.far_off == ()
    assert right.edges_apart < 0.05


def test_the_edge_says_how_far_out_an_outline_lies():
    true = sample(bar(10, 25), 1.5)
    tight, loose, core = (sample(bar(width, 25)) for width in (10, 14, 7))
    levels = []
    for masked in (core, tight, loose):
        edge = edge_of(true.image.astype(np.float32), masked.mask)
        levels.append(edge[REACH - 1 : REACH + 1].mean())
    assert levels[0] > levels[1] + 0.2 > levels[2] + 0.4
    assert levels[1] == pytest.approx(0.5, abs=0.12)


def test_a_faint_defect_has_no_edge_to_follow_and_says_so():
    faint = outline_of(sample(bar(12), 1, depth=2))
    assert np.isnan(faint.edge).all()
    (found,) = compare([faint], [faint])
    assert "too faint to follow its edge" in f"{found}"
    assert found.to_json()["outline"] is None


def test_sizes_count_by_the_image_where_all_shots_have_another_size():
    small = outline_of(sample(bar(6)))
    twice = cv2.resize(bar(6).astype(np.uint8), (260, 180), interpolation=cv2.INTER_NEAREST) > 0
    (found,) = compare([outline_of(sample(twice))], [small])
    assert found.width == pytest.approx(1, abs=0.05)
    assert found.area == pytest.approx(1, abs=0.05)
    crop = sample(bar(6)[:, 20:])
    (found,) = compare([outline_of(sample(twice))], [small, outline_of(crop)])
    assert found.width == pytest.approx(2, abs=0.1)


def test_an_empty_mask_has_no_outline():
    with pytest.raises(EvalError, match="no outline"):
        outline_of(Sample("a", np.zeros((*SIZE, 3), np.uint8), np.zeros(SIZE, bool)))
