"""A surface's direction is found where all good parts share it, and nowhere else."""

import numpy as np
import pytest
from scipy import ndimage

from synth.seas.grain import coherence, is_directed


def surface(seed: int, spread: tuple[float, float], size: tuple[int, int] = (90, 130)) -> tuple[np.ndarray, np.ndarray]:
    """Grain that is longer along one axis, on a product that leaves a bright border."""
    grain = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=size), spread)
    image = (120 + 25 * grain / grain.std()).clip(0, 255).astype(np.uint8)
    product = np.zeros(size, dtype=bool)
    product[12:-12, 12:-12] = True
    image[~product] = 255
    return np.repeat(image[..., None], 3, axis=-1), product


def test_streaks_are_directed_and_even_grain_is_not() -> None:
    assert coherence(surface(seed, (12, 1)) for seed in range(5)) > 0.7
    assert coherence(surface(seed, (3, 3)) for seed in range(5)) < 0.15
    assert is_directed([surface(0, (12, 1))])
    assert not is_directed([surface(0, (3, 3))])


def test_parts_that_lie_differently_in_every_image_share_no_direction() -> None:
    lying = [surface(seed, (12, 1)) for seed in range(4)]
    turned = [tuple(np.rot90(array).copy() for array in pair) for pair in lying]
    assert coherence([*lying, *turned]) < 0.1


@pytest.mark.parametrize("value", [0, 200])
def test_an_even_surface_and_a_tiny_product_have_none(value: int) -> None:
    image = np.full((60, 40, 3), value, dtype=np.uint8)
    assert coherence([(image, np.ones((60, 40), dtype=bool))]) == 0
    assert coherence([(image, np.zeros((60, 40), dtype=bool))]) == 0
