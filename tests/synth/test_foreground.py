"""The product is found on plain backgrounds, bright or dark; a texture that fills the frame is all product.

foregrounds/ holds regions drawn by hand on ten good images of the training side of real sets, run by run from the
first pixel on: pixels outside and inside by turns."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from synth.foreground import foreground, learn
from synth.parts import MOST_LOOKED_AT
from synth.sources import read_source
from synth.sources.config import ProceduralSource
from synth.sources.procedural import make_part

DATA = Path(__file__).parents[2].parent / "shared" / "data"
DRAWN = Path(__file__).parent / "foregrounds"

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


def _drawn(name: str) -> dict[str, np.ndarray]:
    regions = {}
    for file, region in json.loads((DRAWN / f"{name}.json").read_text()).items():
        if file != "drawn":
            values = np.arange(len(region["runs"])) % 2 == 1
            regions[file] = np.repeat(values, region["runs"]).reshape(region["size"])
    return regions


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the real sets")
@pytest.mark.parametrize(("name", "whole"), [("tire", False), ("kolektor", True), ("magnetic_tile", True)])
def test_the_estimate_is_the_region_that_was_drawn_by_hand(name: str, whole: bool) -> None:
    good_images = json.loads((DATA / name / "split.json").read_text())["shots"]["good"]
    few = [good_images[i] for i in np.linspace(0, len(good_images) - 1, MOST_LOOKED_AT).round().astype(int)]

    def load(file: str) -> np.ndarray:
        return np.asarray(Image.open(DATA / name / "good" / file).convert("RGB"))

    learnt = learn(load(file) for file in few)
    found = {file: learnt.look.foreground(load(file)) for file in _drawn(name)}
    overlaps = [_iou(found[file], region) for file, region in _drawn(name).items()]
    assert len(overlaps) == 10
    assert np.mean(overlaps) >= 0.95
    assert min(overlaps) >= 0.9
    assert all(region.all() for region in found.values()) == whole
    assert all(share == 1 for share in learnt.shares) == whole


NIGHT = (120, 160)


def _dark_on_dark(seed: int, shift: tuple[int, int], shadow: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """A dark, structured block on a dark ground with noise and a fixed gleam, and where it is. With a shadow: the block
    has a flank in the dark with two bright lines of one grey level, and throws a shadow beyond it."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0 : NIGHT[0], 0 : NIGHT[1]]
    row, column = rows - shift[0], columns - shift[1]
    ground = 20 + 6 * np.exp(-(((rows - 15) / 14) ** 2) - ((columns - 30) / 20) ** 2)
    tread = (abs(row - 60) < 38) & (column >= 60) & (column < 112)
    blocks = np.where((row // 6 + column // 6) % 2 == 0, 34.0, 13.0)
    image = np.where(tread, blocks, ground)
    part = tread
    if shadow:
        band = (abs(row - 60) < 38) & (column >= 25) & (column < 60)
        edge = 46 - (seed % 3) * 3
        part = tread | (band & (column >= edge))
        level = 5 + 2.0 * (band & (column - edge < 3)) + 2.0 * (band & (column > 55))
        image = np.where(band, np.where(column >= edge, level, 5), image)
    noise = rng.normal(size=NIGHT) * np.where(image < 10, 0.2, 2.5)
    return np.repeat(np.clip(image + noise, 0, 255)[..., None], 3, axis=2).round().astype(np.uint8), part


@pytest.mark.parametrize("shadow", [False, True])
def test_a_dark_part_on_a_dark_ground_is_found_by_what_its_images_have_in_common(shadow: bool) -> None:
    play = np.random.default_rng(4).integers(-3, 4, (9, 2))
    made = [_dark_on_dark(seed, (int(y), int(x)), shadow) for seed, (y, x) in enumerate(play)]
    learnt = learn(image for image, _ in made)
    assert learnt.apart == ()
    for image, part in made:
        assert foreground(image).all(), "one image alone shows too little"
        assert _iou(learnt.look.foreground(image), part) >= 0.93


@pytest.mark.parametrize("light", ["even", "spot", "corner"])
def test_textures_under_one_fixed_light_have_no_background_in_common(light: str) -> None:
    y, x = _grid(NIGHT)
    field = {"even": 0 * x, "spot": 60 * np.exp(-(x**2 + y**2) / 0.05), "corner": 40 * (x + y)}[light]
    images = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        grain = ndimage.gaussian_filter(rng.normal(size=NIGHT), 1.5) * 12 + rng.normal(size=NIGHT) * 2
        images.append(np.repeat(np.clip(90 + field + grain, 0, 255)[..., None], 3, axis=2).astype(np.uint8))
    learnt = learn(images)
    assert learnt.look.common is None
    assert learnt.shares == (1.0,) * 8
    assert learnt.apart == ()


def test_a_part_that_lies_anywhere_is_found_in_small_images() -> None:
    made = [make_part("screw", None, seed, 128) for seed in range(6)]
    learnt = learn(part.image for part in made)
    found = [_iou(learnt.look.foreground(part.image), part.meta["foreground"]) for part in made]
    assert np.median(found) >= 0.86
    assert min(found) >= 0.8


def test_images_that_show_the_part_elsewhere_or_not_at_all_are_told() -> None:
    play = np.random.default_rng(4).integers(-3, 4, (12, 2))
    images = [_dark_on_dark(seed, (int(y), int(x)))[0] for seed, (y, x) in enumerate(play)]
    images[4] = _dark_on_dark(4, (0, 40))[0]
    images[9] = _dark_on_dark(9, (0, 200))[0]
    learnt = learn(images)
    assert learnt.look.common is not None
    assert learnt.apart == (4, 9)
