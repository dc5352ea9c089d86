"""Requested masks: never empty, never off the product or the legal region, sized and seated like the shots'."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from synth.errors import GeneratorError
from synth.seas.marks import Mark, describe, invent, survey, turn_limit
from synth.seas.placement import place

SIZES = [(37, 53), (300, 97), (260, 411)]


def _shot(size: tuple[int, int], area: tuple[slice, slice]) -> Mark:
    image = np.full((*size, 3), 120, dtype=np.uint8)
    mask = np.zeros(size, dtype=bool)
    mask[area] = True
    image[mask] = 40
    return describe(image, mask)


def _inner(place_at: int = 30) -> Mark:
    return _shot((120, 90), (slice(place_at, place_at + 12), slice(40, 48)))


def _edge() -> Mark:
    return _shot((120, 90), (slice(0, 20), slice(40, 46)))


def _disc(size: tuple[int, int]) -> np.ndarray:
    rows, columns = np.indices(size)
    return np.hypot(rows / size[0] - 0.5, columns / size[1] - 0.5) < 0.4


@given(st.integers(0, 2**32), st.sampled_from(SIZES), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_mask_is_never_empty_and_never_leaves_product_and_legal_region(
    seed: int, size: tuple[int, int], edge: bool
) -> None:
    product = _disc(size)
    allowed = np.zeros(size, dtype=bool)
    allowed[: 2 * size[0] // 3] = True
    placed = place([_edge() if edge else _inner()] * 4, product, np.random.default_rng(seed), allowed)
    assert placed.mask.any()
    assert not (placed.mask & ~(product & allowed)).any()


@given(st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_the_same_stream_places_the_same_mask(seed: int) -> None:
    marks = [_inner(), _edge()]
    first, second = (place(marks, np.ones((37, 53), dtype=bool), np.random.default_rng(seed)).mask for _ in range(2))
    assert np.array_equal(first, second)


def test_places_differ_and_sizes_follow_the_shots() -> None:
    marks = [_inner(at) for at in (10, 30, 50, 70)]
    product = np.ones((240, 180), dtype=bool)
    masks = [place(marks, product, np.random.default_rng(seed)).mask for seed in range(60)]
    assert len({mask.tobytes() for mask in masks}) == 60
    roots = np.sqrt([mask.sum() for mask in masks])
    # The shots' mark is 8 x 12 px on a part half as large, so about 16 x 24 here.
    assert np.median(roots) == pytest.approx(np.sqrt(16 * 24), rel=0.2)
    assert roots.std() > 1


def test_a_mark_that_grows_out_of_the_edge_is_put_on_an_edge() -> None:
    product = _disc((200, 150))
    rim = ndimage.distance_transform_edt(product)
    depths = [rim[place([_edge()] * 5, product, np.random.default_rng(s)).mask].min() for s in range(30)]
    assert np.median(depths) <= 3


def test_marks_inside_stay_near_the_places_of_the_shots() -> None:
    marks = [_inner(20 + shift) for shift in range(8)]
    rows = [
        ndimage.center_of_mass(place(marks, np.ones((240, 180), dtype=bool), np.random.default_rng(s)).mask)[0]
        for s in range(30)
    ]
    assert max(rows) < 120


def test_marks_that_lie_alike_are_turned_little_and_others_freely() -> None:
    alike = [_shot((120, 90), (slice(20, 60), slice(c, c + 3))) for c in (20, 40, 60)]
    mixed = [*alike[:2], _shot((120, 90), (slice(30, 33), slice(20, 70)))]
    assert turn_limit(alike) < 0.1
    assert turn_limit(mixed) == np.pi
    assert turn_limit(alike[:2]) == np.pi


def test_marks_on_directed_grain_stay_along_it_whatever_their_own_angles() -> None:
    lying = [_shot((120, 90), (slice(at, at + 3), slice(20, 70))) for at in (20, 50, 80)]
    standing = [_shot((120, 90), (slice(20, 70), slice(at, at + 3))) for at in (20, 45, 70)]
    marks, product = [*lying, *standing], np.ones((240, 180), dtype=bool)
    assert turn_limit(marks) == np.pi
    assert turn_limit(marks, directed=True) < 0.25

    def slant(directed: bool) -> float:
        """The largest angle, over 30 places, between a mark and the nearer of the image's axes."""
        placed = [place(marks, product, np.random.default_rng(s), directed=directed).mask for s in range(30)]
        angles = [np.arctan2(*np.linalg.svd(np.argwhere(m) - np.argwhere(m).mean(0))[2][0]) for m in placed]
        return max(abs(np.angle(np.exp(4j * angle))) / 4 for angle in angles)

    assert slant(directed=True) < 0.4
    assert slant(directed=False) > 0.5


def test_marks_in_corners_stay_in_corners() -> None:
    corners = [(6, 6), (6, 72), (104, 6), (104, 72)]
    marks = [_shot((120, 90), (slice(r + d, r + d + 8), slice(c + d, c + d + 8))) for r, c in corners for d in (0, 2)]
    assert all(mark.outward is None for mark in marks)
    product = np.ones((240, 180), dtype=bool)
    middles = [ndimage.center_of_mass(place(marks, product, np.random.default_rng(s)).mask) for s in range(30)]
    away = np.abs(np.array(middles) / product.shape - 0.5)
    assert away.min() > 0.2


def test_a_mark_whose_edge_is_not_there_takes_the_edge_that_asks_for_the_least_turn() -> None:
    slanted = replace(_edge(), outward=(-np.sqrt(0.8), np.sqrt(0.2)))
    product = np.ones((240, 180), dtype=bool)
    masks = [place([slanted] * 5, product, np.random.default_rng(s), directed=True).mask for s in range(30)]
    assert all(mask[:3].any() or mask[-3:].any() for mask in masks)


def test_a_region_without_the_product_is_named_as_the_fault() -> None:
    product = np.zeros((37, 53), dtype=bool)
    product[:10] = True
    with pytest.raises(GeneratorError, match="legal region and the product share no pixel"):
        place([_inner()], product, np.random.default_rng(0), ~product)


def test_a_region_too_small_for_any_mark_ends_with_an_explanation() -> None:
    product = np.zeros((200, 150), dtype=bool)
    product[::40, ::40] = True
    with pytest.raises(GeneratorError, match="no place for a defect in 80 tries"):
        place([_edge()] * 4, np.ones_like(product), np.random.default_rng(0), product)


@pytest.mark.parametrize("mark", [_inner(), _edge()], ids=["inner", "edge"])
def test_a_small_region_limits_the_place_of_a_mark_and_not_its_size(mark: Mark) -> None:
    product = np.ones((240, 180), dtype=bool)
    allowed = np.zeros_like(product)
    allowed[:70, 110:] = True
    free, limited = (
        [place([mark] * 4, product, np.random.default_rng(seed), region).mask for seed in range(40)]
        for region in (None, allowed)
    )
    assert not any((mask & ~allowed).any() for mask in limited)
    assert np.median([m.sum() for m in limited]) > 0.6 * np.median([m.sum() for m in free])


def test_a_defect_that_alone_stands_out_is_not_taken_for_the_product() -> None:
    mark = _inner()
    assert not mark.touches
    assert mark.size == pytest.approx(12 / np.sqrt(120 * 90), rel=0.02)


@pytest.mark.parametrize("seed", range(8))
def test_invented_outlines_are_in_the_style_of_the_shots(seed: int) -> None:
    rng = np.random.default_rng(seed)
    line, blob = _shot((120, 90), (slice(20, 70), slice(40, 43))), _inner()
    assert invent([line], rng).elongation > 4
    assert invent([blob], rng).elongation < 4
    for style in (line, blob):
        drawn = invent([style], rng)
        assert drawn.image is None
        assert ndimage.label(drawn.outline, np.ones((3, 3)))[1] == 1
        assert not np.array_equal(drawn.outline, invent([style], rng).outline)


@pytest.mark.parametrize("size", [(37, 53), (600, 411)])
def test_relative_places_and_pixels_are_inverse(size: tuple[int, int]) -> None:
    ground = survey(_disc(size))
    pixel = np.array([size[0] * 0.4, size[1] * 0.6])
    assert np.allclose(ground.place(ground.relative(pixel)), pixel)
    assert ground.span == pytest.approx(np.sqrt(_disc(size).sum()), rel=0.03)
