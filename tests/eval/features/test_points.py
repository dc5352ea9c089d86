"""What holds for every network of points."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from eval.features.points import PointFeatures, create_points, grid_of_points
from synth.errors import EvalError
from tests.eval.features import clouds

NAMES = ("fpfh", "fpfh:published", "xyz_stats", "point_mae")
OPTIONS = {"point_mae": {"groups": 96, "size": 24}}


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_file(clouds.checkpoint(), path)
    return path


def network(name, file):
    return create_points(f"{name}:{file}" if name == "point_mae" else name, **OPTIONS.get(name, {}))


@pytest.mark.parametrize("name", NAMES)
def test_centres_are_points_of_the_cloud_and_every_level_has_a_row_for_each(name, file):
    points, _ = clouds.sheet()
    made = network(name, file)
    found = made.tokens(points)
    assert torch.equal(found.centres, points[found.index])
    assert len(set(found.index.tolist())) == len(found.index) > 50
    assert all(level.shape[0] == len(found.index) and level.dtype == torch.float32 for level in found.levels)
    assert all(bool(level.isfinite().all()) and level.std() > 0 for level in found.levels)
    assert found.curvature.shape == found.index.shape
    assert 0 <= found.curvature.min() <= found.curvature.max() <= 1 / 3
    assert len(made.identity) == 64


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_the_points_does_not_matter_and_the_same_cloud_gives_the_same(name, file):
    points, _ = clouds.sheet(side=24)
    made = network(name, file)
    first, again = made.tokens(points), made.tokens(points)
    assert all(torch.equal(one, other) for one, other in zip(first.levels, again.levels, strict=True))
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(1))
    other = made.tokens(points[order])
    assert sorted(order[other.index].tolist()) == sorted(first.index.tolist())
    where = {row: number for number, row in enumerate(first.index.tolist())}
    same = torch.tensor([where[row] for row in order[other.index].tolist()])
    for one, two in zip(first.levels, other.levels, strict=True):
        assert torch.allclose(one[same], two, atol=1e-3 * float(one.abs().max()))


@pytest.mark.parametrize("name", ["fpfh", "xyz_stats", "point_mae"])
def test_a_part_of_another_size_before_the_camera_has_the_same_features(name, file):
    small, large = (network(name, file).tokens(clouds.sheet(scale=scale)[0]) for scale in (1.0, 64.0))
    assert torch.equal(small.index, large.index)
    for one, two in zip(small.levels, large.levels, strict=True):
        assert torch.allclose(one, two, atol=1e-3 * float(one.abs().max()))


@pytest.mark.parametrize("name", NAMES[:3])
def test_a_dent_is_what_differs_most_from_a_good_part(name, file):
    made = network(name, file)
    good = [made.tokens(clouds.sheet(seed=seed)[0]).levels for seed in (1, 2, 3)]
    bank = [torch.cat(level) for level in zip(*good, strict=True)]
    dented = made.tokens(clouds.sheet(dent=0.003, seed=9)[0])
    off = sum(torch.cdist(level, known).amin(1) for level, known in zip(dented.levels, bank, strict=True))
    points, places = clouds.sheet(dent=0.003, seed=9)
    row, column = places[dented.index[off.argmax()]].tolist()
    assert abs(row - 10) <= 5
    assert abs(column - 10) <= 5
    assert len(points) == 1600


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("points", "says"),
    [
        (torch.zeros(2, 3), "2 valid points, wanted"),
        (torch.full((50, 3), torch.nan), "not finite"),
        (torch.zeros(50, 2), r"shape \(50, 2\), wanted \(n, 3\)"),
    ],
    ids=["few", "nan", "flat"],
)
def test_a_cloud_that_is_none_is_one_clear_error(points, says, name, file):
    with pytest.raises(EvalError, match=says):
        network(name, file).tokens(points)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [5, 40])
def test_few_points_duplicates_and_a_single_place_have_finite_features(name, count, file):
    for points in (torch.rand(count, 3), torch.ones(count, 3), torch.rand(count, 3).repeat(2, 1)):
        found = network(name, file).tokens(points)
        assert all(bool(level.isfinite().all()) for level in found.levels)
        assert bool(found.curvature.isfinite().all())


def test_an_unknown_name_is_one_clear_error():
    for name in ("pfh", "point_mae", "fpfh:other"):
        with pytest.raises(EvalError, match=f"no network of points '{name}'; give fpfh, "):
            create_points(name)


def reference(features: PointFeatures, points, place, size, grid):
    """Point by point."""
    height, width = grid
    sums = torch.zeros(height, width, features.levels[0].shape[1])
    count = torch.zeros(height, width)
    for point, (row, column) in zip(points, place.tolist(), strict=True):
        off = (features.centres - point).square().sum(1)
        near = off.argsort(stable=True)[:3]
        weights = 1 / (off[near] + 1e-12)
        at = row * height // size[0], column * width // size[1]
        sums[at] += (features.levels[0][near] * weights[:, None]).sum(0) / weights.sum()
        count[at] += 1
    return (sums / count.clamp(min=1)[..., None]).permute(2, 0, 1), count > 0


@pytest.mark.parametrize("grid", [(5, 7), (1, 1), (40, 40)])
def test_the_grid_holds_the_mean_of_what_is_interpolated_to_its_points(grid):
    points, place = clouds.sheet()
    some = torch.arange(0, len(points), 3)
    points, place = points[some], place[some]
    index = torch.arange(0, len(points), 11)
    features = PointFeatures([torch.rand(len(index), 6), torch.rand(len(index), 2)], points[index], index)
    (first, second), valid = grid_of_points(features, points, place, (40, 40), grid)
    wanted, there = reference(features, points, place, (40, 40), grid)
    assert torch.allclose(first, wanted, atol=1e-3)
    assert second.shape == (2, *grid)
    assert torch.equal(valid, there)
    assert bool((first[:, ~valid] == 0).all())


def test_a_constant_stays_constant_on_the_grid_and_one_centre_will_do():
    points, place = clouds.sheet(side=12)
    for count in (1, 2, 9):
        features = PointFeatures([torch.full((count, 3), 4.0)], points[:count], torch.arange(count))
        (level,), valid = grid_of_points(features, points, place, (12, 12), (4, 4))
        assert valid.all()
        assert torch.allclose(level, torch.full((3, 4, 4), 4.0))
