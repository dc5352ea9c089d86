"""Random fields and distances on the pixel grid: fast forms agree with the plain ones, statistics are as stated."""

import numpy as np

from synth.sources.procedural.noise import (
    blob,
    blob_distance,
    cells,
    clouds,
    curve_distance,
    near_curve,
    random_field,
    wander,
)

SHAPE = (53, 71)


def test_a_curve_is_at_no_distance_from_itself():
    points = np.array([[10.0, 5.0], [10.0, 60.0]])
    distance, along = curve_distance(points, SHAPE)
    assert distance[10, 5:61].max() == 0
    assert distance[20, 30] == 10
    assert along[10, 10] < along[10, 50]


def test_near_a_curve_both_distances_agree_and_beyond_the_reach_there_is_none():
    points = wander(np.array([12.0, 8.0]), 0.6, 50, 0.1, 4, np.random.default_rng(3))
    exact, exact_along = curve_distance(points, SHAPE)
    distance, along = near_curve(points, SHAPE, 7.0)
    near = exact < 6
    assert np.abs(distance - exact)[near].max() < 1.0
    assert np.abs(distance - exact)[near].mean() < 0.4
    assert np.corrcoef(along[near], exact_along[near])[0, 1] > 0.99
    assert np.isinf(distance[exact > 8]).all()


def test_a_curve_outside_the_image_is_nowhere_near():
    distance, _ = near_curve(np.array([[-50.0, 5.0], [-50.0, 60.0]]), SHAPE, 6.0)
    assert np.isinf(distance).all()


def test_a_smooth_blob_is_an_ellipse_in_both_forms():
    for form in (blob_distance, blob):
        inside = form(np.array([26.0, 35.0]), (15.0, 8.0), 0.0, 0.0, SHAPE, np.random.default_rng(0)) < 0
        assert abs(inside.sum() - np.pi * 15 * 8) < 20
        assert np.ptp(np.nonzero(inside)[1]) > np.ptp(np.nonzero(inside)[0])


def test_a_steeper_spectrum_is_smoother():
    rough, smooth = (random_field(SHAPE, np.random.default_rng(1), slope) for slope in (0.5, 4.0))
    assert mean_step(smooth) < 0.3 * mean_step(rough)
    assert abs(smooth.std() - 1) < 1e-3


def test_clouds_have_unit_deviation_at_every_scale_and_larger_ones_are_smoother():
    steps = []
    for scale in (2.0, 5.0, 12.0):
        fields = [clouds((97, 120), np.random.default_rng(seed), scale) for seed in range(12)]
        assert 0.8 < np.mean([field.std() for field in fields]) < 1.2
        steps.append(mean_step(fields[0]))
    assert steps[0] > 2 * steps[1] > 4 * steps[2] * 0.9


def test_cells_number_the_nearest_point():
    number, nearest, second = cells(SHAPE, np.random.default_rng(4), 9.0)
    assert (nearest <= second).all()
    assert 20 < len(np.unique(number)) < 90
    border = np.abs(np.diff(number, axis=1)) > 0
    assert (second - nearest)[:, 1:][border].mean() < 0.4 * (second - nearest).mean()


def mean_step(field: np.ndarray) -> float:
    return float(np.abs(np.diff(field, axis=1)).mean())
