"""Windows: nothing outside alpha changes, thin marks survive, small marks are enlarged."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.errors import GeneratorError
from synth.seas.window import (
    Window,
    cut,
    resample,
    window_anywhere,
    window_for,
)


def _noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _box_mask(shape: tuple[int, int], top: int, left: int, height: int, width: int) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    mask[top : top + height, left : left + width] = True
    return mask


@pytest.mark.parametrize("window", [Window(3, 5, 20), Window(-8, 40, 30), Window(-20, -10, 90)])
def test_a_window_at_its_own_size_shows_the_very_pixels_and_mirrors_beyond_the_border(
    window: Window,
) -> None:
    image = _noise(37, 53)
    patch = cut(image, window, window.side)
    rows, columns = window.overlap(image.shape)
    inner = patch[rows.start - window.top : rows.stop - window.top, columns.start - window.left :]
    assert np.array_equal(inner[:, : columns.stop - columns.start], image[rows, columns])
    padding = [(-window.top, 0), (-window.left, 0), (0, 0)]
    if window.top < 0 and window.left < 0:
        mirrored = np.pad(image, padding, mode="reflect")[: window.side, : window.side]
        assert np.array_equal(patch[: mirrored.shape[0], : mirrored.shape[1]], mirrored)


@given(st.integers(1, 60), st.integers(1, 90), st.integers(4, 40))
@settings(max_examples=40, deadline=None)
def test_one_pixel_survives_any_resampling(row_seed: int, side: int, resolution: int) -> None:
    mask = np.zeros((side, side), dtype=bool)
    mask[row_seed % side, (7 * row_seed) % side] = True
    small = cut(mask, Window(0, 0, side), resolution)
    assert small.shape == (resolution, resolution)
    assert small.any()


def test_shrinking_averages_and_keeps_the_mean() -> None:
    image = _noise(64, 64)
    assert resample(image, 16).mean() == pytest.approx(image.mean(), abs=1.0)
    assert np.array_equal(resample(image[..., 0].astype(np.float32), 64), image[..., 0])


@given(st.integers(0, 10_000), st.integers(1, 300), st.integers(1, 97))
@settings(max_examples=60, deadline=None)
def test_the_window_holds_the_mark_and_stays_in_the_image_where_it_fits(seed: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (300, 97)
    top, left = rng.integers(0, 300 - height + 1), rng.integers(0, 97 - width + 1)
    window = window_for(_box_mask(shape, top, left, height, width), 64, rng)
    assert window.top <= top
    assert window.left <= left
    assert window.top + window.side >= top + height
    assert window.left + window.side >= left + width
    if window.side <= 97:
        assert window.left >= 0
        assert window.left + window.side <= 97


def test_a_small_mark_is_enlarged_and_jittered() -> None:
    rng = np.random.default_rng(0)
    mask = _box_mask((400, 370), 200, 180, 12, 9)
    windows = [window_for(mask, 128, rng) for _ in range(40)]
    shares = [12 / w.side for w in windows]
    assert min(shares) >= 0.24
    assert max(shares) <= 12 / 32 + 0.01
    assert len({(w.top, w.left) for w in windows}) > 20


def test_marks_far_apart_are_windowed_one_at_a_time() -> None:
    mask = _box_mask((400, 370), 10, 10, 8, 8) | _box_mask((400, 370), 380, 350, 8, 8)
    windows = [window_for(mask, 128, np.random.default_rng(seed)) for seed in range(20)]
    assert {w.top < 200 for w in windows} == {True, False}
    assert max(w.side for w in windows) <= 34


def test_an_empty_mask_is_refused() -> None:
    with pytest.raises(GeneratorError, match="no True pixel"):
        window_for(np.zeros((37, 53), dtype=bool), 64, np.random.default_rng(0))


@pytest.mark.parametrize("side", [10, 37, 53, 80])
def test_a_window_anywhere_covers_the_image_or_lies_in_it(side: int) -> None:
    window = window_anywhere((37, 53, 3), side, np.random.default_rng(1))
    assert (window.top >= 0 and window.top + side <= 37) if side <= 37 else (window.top <= 0)
    assert (window.left >= 0 and window.left + side <= 53) if side <= 53 else (window.left <= 0)


def test_a_thin_mark_fills_more_of_its_window_than_a_round_one() -> None:
    rng = np.random.default_rng(0)
    line, disc = _box_mask((600, 600), 200, 300, 200, 6), _box_mask((600, 600), 200, 200, 200, 200)
    thin = [200 / window_for(line, 64, rng).side for _ in range(50)]
    round_ = [200 / window_for(disc, 64, rng).side for _ in range(50)]
    assert 0.54 < min(thin) < max(thin) < 0.91
    assert 0.24 < min(round_) < max(round_) < 0.61
