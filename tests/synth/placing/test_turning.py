import cv2
import numpy as np
import pytest

from synth.placing.turning import direction_profile, ellipse, lie_alike, turn_limit
from tests.synth.placing.scenes import grain

SIZE = (74, 106)


def part(degrees: float, seed: int) -> np.ndarray:
    """A dark bar with a notch on a bright table, turned and moved, with some noise."""
    rng = np.random.default_rng(seed)
    image = np.full(SIZE, 190, np.float32)
    image[30:44, 28:78], image[30:36, 50:58] = 70, 190
    turned = cv2.getRotationMatrix2D((53 + rng.uniform(-6, 6), 37 + rng.uniform(-6, 6)), degrees, 1.0)
    laid = cv2.warpAffine(image, turned, SIZE[::-1], borderMode=cv2.BORDER_REPLICATE)
    return (laid + rng.normal(0, 3, SIZE)).astype(np.float32)


def stripes(degrees: float, seed: int) -> np.ndarray:
    """Stripes along a direction, from another phase on for every seed, with some noise."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices(SIZE)
    across = rows * np.cos(np.deg2rad(degrees)) + columns * np.sin(np.deg2rad(degrees))
    return (128 + 40 * np.sin(across * 0.7 + rng.uniform(0, 6)) + rng.normal(0, 8, SIZE)).astype(np.float32)


def at_random(most: float) -> np.ndarray:
    return np.random.default_rng(3).uniform(-most, most, 12)


def test_parts_turned_a_little_are_turned_a_little():
    assert 3 <= turn_limit([part(angle, n) for n, angle in enumerate(at_random(5))]) <= 12


def test_parts_at_any_angle_may_be_turned_at_will():
    assert turn_limit([part(angle, n) for n, angle in enumerate(at_random(180))]) == 180


def test_grain_without_a_direction_may_be_turned_at_will():
    assert turn_limit([grain(SIZE, seed) for seed in range(8)]) == 180


def test_round_parts_may_be_turned_at_will_though_they_lie_alike():
    rows, columns = np.indices(SIZE)
    away = np.hypot(rows - 37, columns - 53)
    disc = (190 - 120 * np.clip(25.5 - away, 0, 1)).astype(np.float32)
    assert turn_limit([disc + shade for shade in range(8)]) == 180


@pytest.mark.parametrize("degrees", [0, 35, 90, 178])
def test_stripes_that_run_alike_may_hardly_be_turned(degrees):
    assert turn_limit([stripes(degrees, seed) for seed in range(8)]) <= 5


def test_more_spread_gives_a_larger_limit():
    limits = [turn_limit([part(a, n) for n, a in enumerate(at_random(most))]) for most in (2, 8, 16)]
    assert limits == sorted(limits)
    assert limits[2] > limits[0] + 8


def test_one_image_shows_no_turns():
    assert turn_limit([part(0, 0)]) == 3


def test_the_profile_of_stripes_has_its_peak_across_them():
    profile = direction_profile(stripes(30, 0))
    assert profile.mean() == pytest.approx(1)
    # Stripes along the rows have their gradient at 90 degrees; these are turned by 30, counter-clockwise.
    assert profile.argmax() * 180 / len(profile) == pytest.approx(90 + 30, abs=2.6)


@pytest.mark.parametrize(("scatter", "least", "most"), [(1, 3, 3), (6, 4.5, 7.5), (90, 180, 180)])
def test_directions_scatter_as_far_as_they_were_drawn(scatter, least, most):
    angles = np.deg2rad(88 + np.random.default_rng(0).normal(0, scatter, 40))
    assert least <= lie_alike(angles) <= most
    # A line has the same direction either way.
    assert lie_alike(np.where(np.arange(40) % 2, angles, angles + np.pi)) == pytest.approx(lie_alike(angles))


def test_two_directions_show_nothing():
    assert lie_alike(np.array([0.5, 0.5])) == 180
    assert lie_alike(np.array([])) == 180
    assert lie_alike(np.array([0.5, 0.5, 0.5])) == 3


@pytest.mark.parametrize("degrees", [0, 30, 80, 130])
def test_the_ellipse_of_a_bar_lies_along_it(degrees):
    mask = np.zeros((53, 67), np.uint8)
    along = 20 * np.array([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))])
    ends = [tuple(np.rint([33, 26] + sign * along).astype(int).tolist()) for sign in (-1, 1)]
    cv2.line(mask, ends[0], ends[1], 1, 5)
    angle, elongation = ellipse(mask.astype(bool))
    assert (np.rad2deg(angle) - degrees + 90) % 180 - 90 == pytest.approx(0, abs=2)
    assert 5 < elongation < 11


def test_the_ellipse_of_a_disc_and_of_a_dot_is_round():
    rows, columns = np.indices((37, 53))
    assert ellipse((rows - 18) ** 2 + (columns - 25) ** 2 < 80)[1] == pytest.approx(1, abs=0.02)
    assert ellipse((rows == 18) & (columns == 25))[1] == pytest.approx(1)
