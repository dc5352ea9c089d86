"""GLFM's three stages: stretched clouds, features and memories, scores."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from eval import detectors
from eval.detectors.glfm.adapting import Adapter, segmentation_loss
from eval.detectors.glfm.banks import PROJECTED, Banks, build
from eval.detectors.glfm.features import grouped, local_features
from eval.detectors.glfm.stretching import prepared, stretched
from eval.features.coreset import coreset
from eval.features.neighbours import nearest
from eval.features.point_grid import interpolation
from eval.features.point_mae import PointMae
from synth.dual.presets.stretch import SHARE
from synth.errors import EvalError
from synth.sample import Cloud
from tests.eval.detectors.scenes import GOOD, plate
from tests.eval.features.clouds import checkpoint, sheet

HEIGHT = (0.3, 0.9)
SMALL = {"side": 32, "groups": 48, "size": 12, "steps": 2, "share": 1.0, "blocks": (0,)}


def cloud(scale=1.0):
    return prepared(sheet(30, scale=scale)[0], organised=True)


def as_cloud(sample, seed=0):
    """The sample as an unorganised cloud, in an order of its own."""
    order = np.random.default_rng(seed).permutation(sample.mask.size)
    points = sample.xyz.reshape(-1, 3)[order]
    labels = sample.mask.reshape(-1)[order]
    return replace(sample, image=None, mask=None, xyz=None, cloud=Cloud(points, labels=labels))


def kind_of(centre, count=5, seed=0, spread=0.1):
    """Clouds (12, 8) of features about a centre."""
    rng = torch.Generator().manual_seed(seed)
    return [centre + spread * torch.randn(12, 8, generator=rng) for _ in range(count)]


def network(seed=0):
    torch.manual_seed(seed)
    return PointMae(64, 2).eval()


@pytest.mark.parametrize("compat", [False, True])
def test_a_stretched_region_moves_along_one_normal_falls_off_and_is_labelled(compat):
    whole = cloud()
    for seed in range(4):
        points, labels = stretched(whole, HEIGHT, np.random.default_rng(seed), compat)
        before = torch.from_numpy(whole.points).float()
        assert torch.equal(points[~labels], before[~labels])
        assert round(SHARE[0] * len(before)) <= labels.sum() <= SHARE[1] * len(before) + 1
        moved = (points.double() - torch.from_numpy(whole.points))[labels]
        away = moved.norm(dim=1)
        seed_row = int(labels.nonzero()[away.argmax()])
        along = moved @ torch.from_numpy(whole.normals[seed_row])
        torch.testing.assert_close(along.abs(), away, rtol=1e-3, atol=1e-7)
        assert len(along.sign().unique()) == 1
        if compat:
            steps = away.sort().values.diff()
            torch.testing.assert_close(steps, steps.mean().expand_as(steps), rtol=0.2, atol=2e-7)


def test_stretching_repeats_by_seed_and_both_signs_occur():
    whole = cloud()
    one, other = (stretched(whole, HEIGHT, np.random.default_rng(5))[0] for _ in range(2))
    assert torch.equal(one, other)
    signs = set()
    for seed in range(16):
        points, labels = stretched(whole, HEIGHT, np.random.default_rng(seed))
        signs.add(float((points.double() - torch.from_numpy(whole.points))[labels][:, 2].mean().sign()))
    assert signs == {-1.0, 1.0}


def test_a_scaled_cloud_gives_the_scaled_anomaly_unless_as_released():
    large, usual = cloud(2.0), cloud()
    found, wanted = (stretched(one, HEIGHT, np.random.default_rng(3)) for one in (large, usual))
    assert torch.equal(found[1], wanted[1])
    torch.testing.assert_close(found[0], 2 * wanted[0], rtol=1e-4, atol=1e-5)
    heights = [
        np.abs(stretched(one, HEIGHT, np.random.default_rng(3), compat=True)[0].numpy() - one.points).max()
        for one in (large, usual)
    ]
    assert heights[0] > 3 * heights[1]


def test_a_constant_field_is_interpolated_to_itself_and_others_stay_within_their_centres():
    points = sheet(20)[0]
    groups = grouped(points, 24, 8)
    constant = local_features(groups, [torch.full((24, 3), 2.5)])
    torch.testing.assert_close(constant, torch.full((24, 3), 2.5), rtol=0, atol=1e-6)
    varied = torch.randn(24, 3, generator=torch.Generator().manual_seed(0))
    found = local_features(groups, [varied])
    assert ((found >= varied.amin(0) - 1e-6) & (found <= varied.amax(0) + 1e-6)).all()
    owners, weights = interpolation(groups.centres, groups.points)
    slow = (varied[owners] * weights[..., None].float()).sum(1)[groups.members].mean(1)
    torch.testing.assert_close(found, slow, rtol=0, atol=1e-5)


def test_features_depend_neither_on_place_and_scale_nor_on_the_order_of_points():
    points, backbone = sheet(20)[0], network()

    def features(given):
        groups = grouped(given, 24, 8)
        with torch.no_grad():
            return local_features(groups, groups.levels(backbone, (0, 1)))

    found = features(points)
    torch.testing.assert_close(features(2 * points + torch.tensor([0.5, -1, 0.25])), found, rtol=0, atol=2e-3)
    shuffled = features(points[torch.randperm(len(points), generator=torch.Generator().manual_seed(0))])
    torch.testing.assert_close(shuffled, found, rtol=0, atol=1e-4)


def test_with_one_memory_it_is_patchcore_on_the_same_features():
    clouds = kind_of(torch.zeros(8))
    banks = build(clouds, 1, 0.2, 0)
    rows = torch.cat(clouds)
    bank = rows[coreset(rows, round(0.2 * len(rows)), 0, PROJECTED)]
    assert torch.equal(banks.bank(0), bank)
    query = torch.randn(9, 8)
    assert torch.equal(banks.scores(query, banks.route(query)), nearest(query, bank)[0][:, 0])


@pytest.mark.parametrize("centres", ["kcenter", "kmeans"])
def test_two_kinds_are_told_apart_and_what_is_normal_for_the_other_is_an_anomaly(centres):
    first, second = torch.zeros(8), torch.full((8,), 3.0)
    clouds = kind_of(first) + kind_of(second, seed=1)
    banks, alone = (build(clouds, count, 1.0, 0, centres) for count in (2, 1))
    routed = [banks.route(one) for one in clouds]
    assert len({*routed[:5]}) == len({*routed[5:]}) == 1
    assert routed[0] != routed[5]
    odd = clouds[0].clone()
    odd[3] = second
    assert banks.route(odd) == routed[0]
    assert banks.scores(odd, routed[0])[3] > 5
    assert alone.scores(odd, 0)[3] < 1


@pytest.mark.parametrize("centres", ["kcenter", "kmeans"])
def test_more_memories_than_kinds_leave_none_empty(centres):
    clouds = [one.clone() for one in kind_of(torch.zeros(8), 1) for _ in range(3)]
    banks = build(clouds, 3, 0.5, 0, centres)
    assert all(len(banks.bank(number)) for number in range(len(banks.centres)))


def test_the_order_of_clouds_changes_no_route():
    clouds = kind_of(torch.zeros(8)) + kind_of(torch.full((8,), 3.0), seed=1)
    one, other = build(clouds, 2, 1.0, 0, "kmeans"), build(clouds[::-1], 2, 1.0, 0, "kmeans")
    for query in clouds:
        mine, theirs = (banks.scores(query + 0.3, banks.route(query)) for banks in (one, other))
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)


def test_the_loss_is_least_where_every_point_is_right():
    labels = torch.tensor([True, False, False, True])
    right = torch.where(labels[:, None], torch.tensor([-9.0, 9.0]), torch.tensor([9.0, -9.0]))
    assert segmentation_loss(right, labels) < 1e-3
    assert segmentation_loss(torch.zeros(4, 2), labels) < segmentation_loss(-right, labels)
    nothing = segmentation_loss(right, torch.zeros(4, dtype=torch.bool))
    assert nothing.isfinite()


def test_adaptation_learns_to_find_stretched_points():
    torch.manual_seed(0)
    adapter, whole, losses = Adapter(PointMae(64, 1)), cloud(), []
    optimiser = torch.optim.Adam(adapter.parameters(), 1e-3)
    for step in range(24):
        points, labels = stretched(whole, (1.0, 1.0), np.random.default_rng(step % 4))
        loss = segmentation_loss(adapter(grouped(points, 48, 12)), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-4:]) < 0.85 * np.mean(losses[:4])


def test_an_unorganised_cloud_is_scored_point_by_point_and_by_their_mean_or_the_highest():
    train = [as_cloud(sample, number) for number, sample in enumerate(GOOD[:4])]
    detector = detectors.create("glfm", **{**SMALL, "groups": 96}).fit(train)
    shown = as_cloud(plate(90, dent=True), 9)
    found = detector.predict([shown, as_cloud(plate(91))])
    assert found.anomaly_map[0].shape == (1, len(shown.cloud.points))
    assert found.score[0] == pytest.approx(found.anomaly_map[0].mean(), rel=1e-5)
    highest = detectors.create("glfm", **SMALL, score="max").fit(train[:1]).predict([shown])
    assert highest.score[0] == highest.anomaly_map[0].max()
    assert found.score[0] > found.score[1]
    labels, scores = shown.cloud.labels, found.anomaly_map[0][0]
    assert scores[labels].mean() > 1.2 * scores[~labels].mean()
    again = detector.predict([as_cloud(plate(90, dent=True), 4)])
    np.testing.assert_allclose(again.score[0], found.score[0], rtol=1e-3)


def test_products_learnt_together_get_a_memory_each():
    bent = [replace(as_cloud(sample), id=f"bent-{k}", product="bent") for k, sample in enumerate(GOOD[:3])]
    for sample in bent:
        sample.cloud.points[:, 2] = 0.4 + 0.5 * np.square(sample.cloud.points[:, 0] * 10 - 0.3).astype(np.float32)
    flat = [as_cloud(sample) for sample in GOOD[:3]]
    detector = detectors.create("glfm", **SMALL).fit([*flat, *bent])
    routed = detector.predict([*flat, *bent]).parts["bank"]
    assert len({*routed[:3]}) == len({*routed[3:]}) == 1
    assert routed[0] != routed[3]


def test_it_begins_with_a_checkpoint_and_is_loaded_without_it(tmp_path):
    file = tmp_path / "point_mae.safetensors"
    save_file(checkpoint(depth=2), file)
    detector = detectors.create("glfm", **{**SMALL, "steps": 0, "points": f"point_mae:{file}"}).fit(GOOD[:2])
    weights = checkpoint(depth=2)
    assert torch.equal(detector.state()["network.norm.weight"], weights["norm.weight"])
    detector.save(tmp_path / "saved")
    file.unlink()
    loaded = detectors.load(tmp_path / "saved")
    np.testing.assert_array_equal(loaded.predict(GOOD[:1]).score, detector.predict(GOOD[:1]).score)
    with pytest.raises(EvalError, match=r"'small' or point_mae:FILE"):
        detectors.create("glfm", points="fpfh")


def test_a_memory_is_chosen_by_the_mean_alone():
    centres = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    banks = Banks(centres, torch.tensor([[0.0, 0.0], [9.0, 9.0]]), torch.tensor([0, 1, 2]))
    assert banks.route(torch.tensor([[0.0, 0.0], [1.6, 1.6]])) == 1
