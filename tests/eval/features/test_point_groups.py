import pytest
import torch

from eval.features.point_groups import curvatures, farthest_points, nearest_groups, surface_groups


def cloud(points: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(points, 3, generator=torch.Generator().manual_seed(seed))


def two_sheets() -> torch.Tensor:
    """Two parallel planes 2 mm apart, a point every 0.5 mm: (2 * 41 * 41, 3) metres."""
    side = torch.linspace(-0.01, 0.01, 41)
    return torch.cartesian_prod(torch.tensor([0.0, 0.002]), side, side)


@pytest.mark.parametrize("start", [None, 0])
def test_each_next_centre_is_the_farthest_from_those_before(start):
    points = cloud(53)
    rows = farthest_points(points, 17, start)
    first = (points - points.mean(0)).norm(dim=1).argmax() if start is None else 0
    assert rows[0] == first
    for position in range(1, 17):
        nearest = torch.cdist(points, points[rows[:position]]).amin(1)
        assert nearest[rows[position]] == nearest.max()


def test_centres_do_not_depend_on_the_order_of_the_points():
    points = cloud(53)
    order = torch.randperm(53, generator=torch.Generator().manual_seed(1))
    assert torch.equal(points[farthest_points(points, 9)], points[order][farthest_points(points[order], 9)])


def test_more_centres_than_points_give_every_point_once_even_among_duplicates():
    points = torch.cat([cloud(5), cloud(5)])
    assert sorted(farthest_points(points, 40).tolist()) == list(range(10))


@pytest.mark.parametrize("points", [1, 7, 40])
def test_nearest_groups_equal_a_full_sort_and_repeat_points_where_there_are_too_few(points):
    scene = cloud(points)
    groups = nearest_groups(scene, torch.arange(points), 11)
    expected = torch.cdist(scene, scene).sort(dim=1, stable=True).indices[:, : min(11, points)]
    assert groups.shape == (points, 11)
    assert torch.equal(groups[:, : expected.shape[1]], expected)
    assert int(groups.max()) < points


def test_curvature_is_nothing_on_a_plane_and_a_third_in_a_ball():
    plane = cloud(200) * torch.tensor([1.0, 1.0, 0.0])
    ball = torch.nn.functional.normalize(cloud(20_000), dim=1)
    assert curvatures(plane, torch.arange(200)[None]).item() < 1e-6
    assert curvatures(ball, torch.arange(20_000)[None]).item() == pytest.approx(1 / 3, abs=0.01)
    assert curvatures(torch.ones(9, 3), torch.arange(9)[None]).item() == 0


@pytest.mark.parametrize("dedup", [True, False])
def test_every_group_contains_its_centre_and_valid_rows(dedup):
    points = cloud(900)
    centres = farthest_points(points, 70)
    groups, curvature = surface_groups(points, centres, 32, 20, dedup=dedup)
    assert groups.shape == (70, 32)
    assert curvature.shape == (70,)
    assert torch.equal(groups[:, 0], centres)
    assert 0 <= int(groups.min())
    assert int(groups.max()) < 900
    distinct = [len(set(group)) for group in groups.tolist()]
    assert (min(distinct) == 32) == dedup


def test_a_flat_plane_is_grouped_by_nearest_points():
    points = cloud(400) * torch.tensor([1.0, 1.0, 0.0])
    centres = farthest_points(points, 12)
    assert torch.equal(surface_groups(points, centres, 32, 20)[0], nearest_groups(points, centres, 32))


def test_a_group_grown_in_rounds_equals_the_longhand():
    points = cloud(300)
    centres = farthest_points(points, 10)
    groups, _ = surface_groups(points, centres, size=30, start=12, flat=0)
    for centre, group in zip(centres.tolist(), groups.tolist(), strict=True):
        near = torch.cdist(points[centre][None], points)[0].argsort()[:60].tolist()
        members = near[:12]
        while len(members) < 30:
            rest = [row for row in near if row not in members]
            reach = torch.cdist(points[rest], points[members]).amin(1)
            members += [rest[k] for k in reach.argsort()[: min(12, 30 - len(members))]]
        assert set(group) == set(members)


def test_a_grown_group_stays_on_its_sheet_where_a_ball_takes_in_the_one_behind():
    points = two_sheets()
    centres = torch.arange(0, len(points), 97)
    grown, curvature = surface_groups(points, centres, 128, 9)
    sheets = points[grown][..., 0] == points[centres, None, 0]
    balls = points[nearest_groups(points, centres, 128)][..., 0] == points[centres, None, 0]
    assert float(curvature.min()) > 0.01
    assert bool(sheets.all())
    assert not bool(balls.all(1).any())


@pytest.mark.parametrize("points", [1, 2, 30, 33])
def test_clouds_smaller_than_a_group_are_grouped_all_the_same(points):
    groups, curvature = surface_groups(cloud(points), torch.arange(points), 32, 20)
    assert groups.shape == (points, 32)
    assert bool(curvature.isfinite().all())
