import builtins

import numpy as np
import pytest
import torch

from eval.features import fpfh
from eval.features.points import create_points
from eval.features.surface import eigen, surroundings


def bumpy(count=3000, seed=0, scale=1.0):
    """A bent sheet before a camera at the origin."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(-0.05, 0.05, (count, 2))
    z = 0.4 + 0.01 * np.sin(60 * xy[:, :1]) * np.cos(45 * xy[:, 1:])
    return torch.from_numpy(scale * np.concatenate([xy, z], axis=1)).float()


@pytest.fixture
def without_open3d(monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "open3d":
            raise OSError("libX11.so.6: cannot open shared object file")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)


@pytest.mark.parametrize(("voxel", "thin", "rotate"), [(None, True, False), (0.004, False, True), (0.05, False, False)])
def test_numpy_and_open3d_agree(voxel, thin, rotate, monkeypatch):
    pytest.importorskip("open3d")
    points = bumpy(2000)
    if rotate:
        points = points[:, [2, 0, 1]]
    network = create_points("fpfh", voxel=voxel, thin=thin)
    fast = network.tokens(points)
    kept = fast.centres.double().numpy()
    side = voxel or fpfh.voxel_of(points.double().numpy())
    _, _, normals = eigen(kept, surroundings(kept, 2 * side, 30))
    slow = fpfh._histograms(kept, normals, surroundings(kept, 5 * side, 100))
    assert fast.levels[0].shape == (len(kept), 33)
    assert np.abs(fast.levels[0].numpy() - slow).max() < 1e-3
    assert slow.std() > 5


def test_without_open3d_the_features_are_there_all_the_same(without_open3d):
    found = create_points("fpfh").tokens(bumpy())
    assert found.levels[0].shape == (len(found.index), 33)
    sums = found.levels[0].reshape(-1, 3, 11).sum(2)
    assert torch.allclose(sums, torch.full_like(sums, 200), atol=1e-3)
