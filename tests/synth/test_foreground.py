"""The product is found on plain backgrounds, bright or dark; a texture that fills the frame is all product."""

import numpy as np
import pytest
from scipy import ndimage

from synth.foreground import foreground
from synth.sources import read_source
from synth.sources.config import ProceduralSource

SHAPE = (137, 211)
DARK, MIDDLE, BRIGHT = (22.0, 24.0, 30.0), (120.0, 110.0, 90.0), (232.0, 230.0, 226.0)


def _grid(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    return rows / shape[0] - 0.5, columns / shape[1] - 0.5


def _above_table(depth: np.ndarray) -> np.ndarray:
    return (depth > 0) & (depth < depth.max() - 1e-3)


def _disc(shape: tuple[int, int], radius: float, inner: float = 0.0) -> np.ndarray:
    y, x = _grid(shape)
    distance = np.hypot(y, x * shape[1] / shape[0])
    return (distance < radius) & (distance >= inner)


def _image(part: np.ndarray, background: tuple[float, ...], seed: int = 0, slope: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y, x = _grid(part.shape)
    texture = ndimage.gaussian_filter(rng.normal(size=part.shape), 2) * 40
    image = np.array(background) + slope * (x + y)[..., None]
    image = np.where(part[..., None], np.array(MIDDLE) + texture[..., None], image)
    return np.clip(image + rng.normal(size=(*part.shape, 3)) * 3, 0, 255).astype(np.uint8)


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    return (a & b).sum() / (a | b).sum()


@pytest.mark.parametrize("background", [DARK, BRIGHT])
@pytest.mark.parametrize("slope", [0.0, 25.0])
@pytest.mark.parametrize("shape", [SHAPE, (411, 307)])
def test_a_part_on_a_plain_background_is_found(
    background: tuple[float, ...], slope: float, shape: tuple[int, int]
) -> None:
    part = _disc(shape, 0.33)
    assert _iou(foreground(_image(part, background, slope=slope)), part) > 0.95


def test_a_part_that_leaves_the_frame_keeps_its_pixels_at_the_border() -> None:
    part = np.zeros(SHAPE, dtype=bool)
    part[:, 70:140] = True
    found = foreground(_image(part, BRIGHT))
    assert _iou(found, part) > 0.95
    assert found[0, 80:130].all()
    assert found[-1, 80:130].all()


def test_a_large_hole_stays_open_and_a_small_bright_spot_is_closed() -> None:
    washer = _disc(SHAPE, 0.45, inner=0.2)
    found = foreground(_image(washer, BRIGHT))
    assert _iou(found, washer) > 0.9
    assert not found[SHAPE[0] // 2, SHAPE[1] // 2]
    part = _disc(SHAPE, 0.4)
    image = _image(part, BRIGHT)
    image[60:64, 100:104] = BRIGHT
    assert foreground(image)[60:64, 100:104].all()


@pytest.mark.parametrize("seed", range(6))
def test_a_texture_that_fills_the_frame_is_all_product(seed: int) -> None:
    rng = np.random.default_rng(seed)
    coarse = ndimage.gaussian_filter(rng.normal(size=(97, 153)), rng.uniform(1, 25))
    coarse = coarse / coarse.std() * rng.uniform(2, 40)
    image = np.clip(rng.uniform(40, 200) + coarse[..., None] + rng.normal(size=(97, 153, 3)) * 4, 0, 255)
    assert foreground(image.astype(np.uint8)).all()


def test_a_bright_spot_of_light_on_a_full_frame_is_not_a_part() -> None:
    y, x = _grid(SHAPE)
    image = 60 + 140 * np.exp(-(x**2 + y**2) / 0.08)
    assert foreground(np.repeat(image[..., None], 3, axis=2).astype(np.uint8)).all()


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (2, 300)])
def test_the_smallest_images_are_all_product(shape: tuple[int, int]) -> None:
    assert foreground(np.full((*shape, 3), 90, dtype=np.uint8)).all()


def test_a_rendered_part_with_dim_flanks_is_found_in_every_image() -> None:
    line = ProceduralSource(
        products=("flange",), good_images=12, shots_per_defect=1, test_per_defect=0, test_good_images=0
    )
    for good in (sample for sample in read_source(line) if sample.defect is None):
        assert good.image is not None
        assert good.xyz is not None
        found, part = foreground(good.image), _above_table(good.xyz[..., 2])
        assert (found & part).sum() > 0.95 * part.sum(), good.id
        assert (found & ~part).sum() < 0.2 * found.sum(), f"{good.id}: more than its shadow"
