"""Cells, layers, training, regions and the detector made of them."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from eval import detectors
from eval.detectors import training as trainings
from eval.detectors.vote3deep.boxes import components, suppressed, volume_iou
from eval.detectors.vote3deep.network import HIDDEN, Vote3DeepNetwork
from eval.detectors.vote3deep.training import first_negatives, labelled, mine
from eval.detectors.vote3deep.voxels import voxel_side, voxelise
from synth.errors import EvalError
from synth.sample import Cloud
from tests.eval.detectors.scenes import DEFECTS, GOOD, plate

QUICK = {"side": 64, "steps": 30, "width": 4, "last": 3, "learning_rate": 0.03}


def points(seed=0, count=400):
    rng = torch.Generator().manual_seed(seed)
    flat = torch.rand(count, 2, generator=rng)
    return torch.cat([flat * 0.1, 0.4 + 0.001 * torch.randn(count, 1, generator=rng)], 1)


def as_cloud(sample):
    """The sample as an unorganised cloud, in an order of its own."""
    order = np.random.default_rng(0).permutation(sample.mask.size)
    labels = sample.mask.reshape(-1)[order]
    cloud = Cloud(sample.xyz.reshape(-1, 3)[order], labels=labels)
    return replace(sample, image=None, mask=None, xyz=None, cloud=cloud)


@pytest.fixture(scope="module")
def fitted():
    return detectors.create("vote3deep", **QUICK | {"steps": 60}).fit(GOOD[:2], DEFECTS[:2])


def test_cells_are_in_order_and_their_features_are_those_of_their_points():
    cloud = points()
    side = voxel_side(cloud)
    found = voxelise(cloud, side, 2)
    assert len(found.coords.unique(dim=0)) == len(found.coords)
    one = int(found.owner.bincount().argmax())
    inside = cloud[found.owner == one]
    assert found.features[one, 1] == torch.tensor(float(len(inside))).log1p()
    corner = found.origin + found.coords[one] * side
    torch.testing.assert_close(found.features[one, 2:5], (inside.mean(0) - corner) / side - 0.5, rtol=0, atol=1e-3)
    shape = found.features[:, 5:8].sum(1)
    assert ((shape - 1).abs() < 1e-5).logical_or(shape == 0).all()
    assert (found.features[:, 5:] >= 0).all()
    assert (found.features[:, 5:] <= 1 + 1e-6).all()


def test_a_plane_faces_one_way_and_translation_changes_no_feature():
    flat = points()
    flat[:, 2] = 0.4
    found = voxelise(flat, 0.01, 1)
    assert (found.features[:, 8] > 0.999).all()
    moved = voxelise(flat + torch.tensor([0.25, -0.5, 1.0]), 0.01, 1)
    same = (moved.owner == found.owner).float().mean()
    assert same > 0.95


@pytest.mark.parametrize("architecture", HIDDEN)
def test_layers_widen_by_their_kernels_and_keep_cells_with_a_positive_feature(architecture):
    torch.manual_seed(0)
    network = Vote3DeepNetwork(architecture, 4, 3)
    voxels = voxelise(points(count=60), 0.02, network.margin)
    passed = network(voxels.coords, voxels.dims, voxels.features)
    assert passed.scores.shape == (len(voxels.coords),)
    assert network.field == 3 + sum(side - 1 for side in HIDDEN[architecture])
    assert len(passed.costs) == len(HIDDEN[architecture]) + 1
    taken = [len(voxels.coords), *(cost.outputs for cost in passed.costs[:-1])]
    assert [cost.inputs for cost in passed.costs] == taken
    for cost, layer in zip(passed.costs, network.hidden, strict=False):
        outputs, inputs = layer.weight.shape[:2]
        assert cost.multiplications == cost.inputs * layer.kernel[0] ** 3 * inputs * outputs
    hidden = [*HIDDEN[architecture]]
    assert not hidden or passed.magnitude > 0


def test_a_bias_is_brought_back_to_0():
    network = Vote3DeepNetwork("B", 4, 3)
    network.hidden[0].bias.data += 1
    network.last.bias.data += 1
    network.clamp()
    assert (network.hidden[0].bias == 0).all()
    assert (network.last.bias == 1).all()


def test_negatives_begin_as_few_as_defects_and_the_hardest_clean_cells_are_added():
    clouds = []
    for seed, harmed in ((0, 80), (1, 0)):
        cloud = points(seed)
        labels = torch.zeros(len(cloud), dtype=torch.bool)
        labels[cloud[:, 0].argsort()[:harmed]] = True
        clouds.append(labelled(voxelise(cloud, 0.01, 1), labels, 0.3))
    negatives = first_negatives(clouds, 0)
    assert [int(one.sum()) for one in negatives] == [int(clouds[0].defect.sum())] * 2
    assert not any(bool((one & ~cloud.clean).any()) for one, cloud in zip(negatives, clouds, strict=True))
    torch.manual_seed(1)
    network = Vote3DeepNetwork("B", 4, 3)
    before = [one.clone() for one in negatives]
    scores = torch.cat([network(o.voxels.coords, o.voxels.dims, o.voxels.features).scores for o in clouds]).detach()
    left = torch.cat([one.clean for one in clouds]) & ~torch.cat(before)
    added = mine(network, clouds, negatives, 5)
    assert added == min(5, int((left & (scores > 0)).sum()))
    new = torch.cat(negatives) & ~torch.cat(before)
    assert int(new.sum()) == added > 0
    assert scores[new].min() >= scores[left & ~new].max()


def test_without_a_defect_cell_nothing_is_learnt():
    whole = labelled(voxelise(points(), 0.01, 1), torch.zeros(400, dtype=torch.bool), 0.3)
    with pytest.raises(EvalError, match="no cell of these clouds lies on a defect"):
        first_negatives([whole], 0)


def test_more_sparsity_leaves_fewer_cells():
    alive = []
    for sparsity in (0.0, 0.03, 0.3):
        detector = detectors.create("vote3deep", **QUICK, sparsity=sparsity).fit(GOOD[:2], DEFECTS[:2])
        alive.append(sum(cost.outputs for cost in detector.costs(DEFECTS[:1])[0][:-1]))
    assert alive == sorted(alive, reverse=True)
    assert alive[-1] < alive[0]


def test_cells_that_touch_at_a_corner_are_one_component():
    coords = torch.tensor([[0, 0, 0], [1, 1, 1], [3, 1, 1], [4, 1, 2]])
    assert components(coords, (6, 3, 3)).tolist() == [0, 0, 1, 1]


def test_suppression_keeps_the_best_box_and_none_that_overlaps_it():
    rng = torch.Generator().manual_seed(0)
    low = torch.rand(40, 3, generator=rng)
    boxes, scores = torch.cat([low, low + 0.4], 1), torch.rand(40, generator=rng)
    kept = suppressed(boxes, scores, 0.1)
    assert kept[0] == scores.argmax()
    for number, row in enumerate(kept):
        assert (volume_iou(boxes[row], boxes[kept[number + 1 :]]) <= 0.1).all()
    again = suppressed(boxes[kept], scores[kept], 0.1)
    assert torch.equal(kept[again], kept)
    assert 1 < len(kept) < 40
    assert volume_iou(boxes[0], boxes[:1]) == 1


def test_a_defect_is_boxed_where_it_is(fitted):
    shown = plate(90, dent=True)
    (found,), (none,) = fitted.regions([shown]), fitted.regions([plate(91)])
    assert found
    harmed = shown.xyz[shown.mask]
    assert np.all(np.array(found[0].low)[:2] < harmed.max(0)[:2])
    assert np.all(np.array(found[0].high)[:2] > harmed.min(0)[:2])
    assert np.all(np.array(found[0].high) - found[0].low < 0.03)
    assert found[0].score > max((one.score for one in none), default=0)
    judged = fitted.predict([shown, plate(91)])
    assert judged.parts["regions"].tolist() == [len(found), len(none)]
    assert judged.score[0] > judged.score[1]


def test_an_unorganised_cloud_gets_the_score_of_the_same_organised_one(fitted):
    shown = plate(92, dent=True)
    one, other = fitted.predict([shown]), fitted.predict([as_cloud(shown)])
    assert other.anomaly_map[0].shape == (1, shown.mask.size)
    np.testing.assert_allclose(one.score, other.score, rtol=1e-4)
    order = np.random.default_rng(0).permutation(shown.mask.size)
    np.testing.assert_allclose(other.anomaly_map[0][0], one.anomaly_map[0].reshape(-1)[order], rtol=1e-3, atol=1e-4)
    labels = as_cloud(shown).cloud.labels
    assert other.anomaly_map[0][0][labels].mean() > other.anomaly_map[0][0][~labels].mean()


def test_defects_without_a_mask_and_no_defects_are_refused():
    detector = detectors.create("vote3deep", **QUICK)
    with pytest.raises(EvalError, match="learns from labelled defects"):
        detector.fit(GOOD)
    with pytest.raises(EvalError, match=r"plate-000 is good; pass it with the good samples"):
        detector.fit(GOOD, GOOD[:1])
    bare = replace(as_cloud(DEFECTS[0]), cloud=replace(as_cloud(DEFECTS[0]).cloud, labels=None))
    with pytest.raises(EvalError, match="has a defect and no mask"):
        detector.fit(GOOD[:1], [bare])
    with pytest.raises(EvalError, match="odd number"):
        detectors.create("vote3deep", last=4)


def test_a_killed_training_ends_with_equal_weights(tmp_path):
    code = (
        "import sys, os, signal\n"
        "from pathlib import Path\n"
        "from eval import detectors\n"
        "from eval.detectors import training\n"
        "from tests.eval.detectors.vote3deep.test_localiser import QUICK, GOOD, DEFECTS\n"
        "training.SAVED_EVERY = 0\n"
        "detector = detectors.create('vote3deep', **QUICK, mine_every=5)\n"
        "detector.folder = Path(sys.argv[1])\n"
        "detector.progress = lambda _n, done, _t: done == 23 and os.kill(os.getpid(), signal.SIGKILL)\n"
        "detector.fit(GOOD[:2], DEFECTS[:2])\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env={**os.environ}, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert sorted(tmp_path.glob("*.safetensors"))
    steps = []
    resumed = detectors.create("vote3deep", **QUICK, mine_every=5)
    resumed.folder, resumed.progress = tmp_path, lambda _name, done, _total: steps.append(done)
    resumed.fit(GOOD[:2], DEFECTS[:2])
    whole = detectors.create("vote3deep", **QUICK, mine_every=5).fit(GOOD[:2], DEFECTS[:2])
    assert steps[0] == 24
    for name, value in whole.state().items():
        assert torch.equal(value, resumed.state()[name]), name
    assert trainings.SAVED_EVERY == 60
