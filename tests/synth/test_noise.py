import numpy as np
import pytest

from synth.noise import Lattice, fade, turned_places


def longhand(lattice, x, y):
    """Perlin noise at one place, as the textbook has it."""
    rows, columns = lattice.gradients.shape[:2]
    i, j = int(np.floor(y)), int(np.floor(x))
    dots = {}
    for di in (0, 1):
        for dj in (0, 1):
            along, down = lattice.gradients[(i + di) % rows, (j + dj) % columns].astype(float)
            dots[di, dj] = along * (x - j - dj) + down * (y - i - di)
    upper = dots[0, 0] + fade(x - j) * (dots[0, 1] - dots[0, 0])
    lower = dots[1, 0] + fade(x - j) * (dots[1, 1] - dots[1, 0])
    return np.sqrt(2) * (upper + fade(y - i) * (lower - upper))


@pytest.mark.parametrize("size", [(32, 32), (6, 18), (4, 2)])
def test_noise_agrees_with_the_textbook_on_lattices_of_any_size(size):
    rng = np.random.default_rng(3)
    lattice, places = Lattice.draw(rng, size), rng.uniform(-40, 40, (200, 2))
    assert lattice.at(places) == pytest.approx([longhand(lattice, x, y) for x, y in places], abs=1e-5)


def test_places_are_turned_about_the_middle_of_any_image():
    straight, turned = turned_places((37, 53), (4, 8), 0.0), turned_places((37, 53), (4, 4), np.pi / 2, (1, 0))
    assert straight.dtype == np.float32
    assert np.ptp(straight[..., 0]) == pytest.approx(4 * 52 / 53, rel=1e-5)
    assert np.ptp(straight[..., 1]) == pytest.approx(8 * 36 / 37, rel=1e-5)
    assert np.abs(straight[18, 26]).max() < 1e-6
    assert turned[18, 26] == pytest.approx([1, 0], abs=1e-6)
    assert turned[18, 52] == pytest.approx([1, 4 * (52.5 / 53 - 0.5)], abs=1e-5)


def test_noise_at_places_is_zero_on_the_lattice_and_bounded_between():
    lattice = Lattice.draw(np.random.default_rng(1))
    whole = np.stack(np.meshgrid(np.arange(-5.0, 40), np.arange(-5.0, 40)), -1)
    assert np.abs(lattice.at(whole)).max() == 0
    between = lattice.at(np.random.default_rng(2).uniform(-50, 50, (20_000, 2)))
    assert 0.7 < np.abs(between).max() <= 1.0
    assert abs(between.mean()) < 0.02


def test_noise_is_continuous_across_cells():
    lattice = Lattice.draw(np.random.default_rng(1))
    line = np.stack([np.linspace(-3, 3, 6001), np.full(6001, 0.37)], 1)
    assert np.abs(np.diff(lattice.at(line))).max() < 0.01
