"""Point-MAE with small random weights under the names of the published checkpoint."""

import math
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from eval.features.point_groups import farthest_points, nearest_groups
from eval.features.point_mae import in_unit_sphere
from eval.features.points import create_points
from synth.errors import EvalError
from tests.eval.features import clouds

SMALL = {"groups": 60, "size": 20}


def published(path, weights, **more):
    """As the authors save it: beside the encoder a decoder, an optimizer and an accuracy of numpy's."""
    stored = {f"module.MAE_encoder.{name}": value for name, value in weights.items()}
    stored["module.MAE_decoder.blocks.0.mlp.fc1.weight"] = torch.zeros(3, 3)
    rest = {"optimizer": {"state": {}, "param_groups": [{"lr": 1e-3}]}, "epoch": 300}
    torch.save({"base_model": stored, "metrics": {"acc": np.float64(91.5)}, **rest, **more}, path)
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return published(tmp_path_factory.mktemp("weights") / "pretrain.pth", clouds.checkpoint())


def load(path, **options):
    return create_points(f"point_mae:{path}", **SMALL | options)


def linear(x, w, name):
    weight = w[f"{name}.weight"]
    return x @ weight.reshape(len(weight), -1).T + w.get(f"{name}.bias", torch.zeros(()))


def norm(x, w, name):
    off = x - x.mean(-1, keepdim=True)
    scaled = off / (off.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]


def gelu(x):
    return x * (1 + torch.erf(x / math.sqrt(2))) / 2


def batch_norm(x, w, name, own):
    """x (G, M, C)."""
    mean, variance = w[f"{name}.running_mean"], w[f"{name}.running_var"]
    if own:
        mean, variance = x.mean((0, 1)), x.flatten(0, 1).var(0, unbiased=False)
    return (x - mean) / (variance + 1e-5).sqrt() * w[f"{name}.weight"] + w[f"{name}.bias"]


def reference(points, w, taps, depth, own=False):
    """The network as the paper and the specification describe it, written out."""
    sphere = in_unit_sphere(points)
    index = farthest_points(sphere, SMALL["groups"])
    groups = sphere[nearest_groups(sphere, index, SMALL["size"])] - sphere[index][:, None]
    x = linear(
        batch_norm(linear(groups, w, "encoder.first_conv.0"), w, "encoder.first_conv.1", own).relu(),
        w,
        "encoder.first_conv.3",
    )
    x = torch.cat([x.amax(1, keepdim=True).expand_as(x), x], -1)
    x = batch_norm(linear(x, w, "encoder.second_conv.0"), w, "encoder.second_conv.1", own).relu()
    x = linear(x, w, "encoder.second_conv.3").amax(1)
    position = linear(gelu(linear(sphere[index], w, "pos_embed.0")), w, "pos_embed.2")
    found = []
    for number in range(depth):
        block = f"blocks.blocks.{number}"
        x = x + position
        query, key, value = linear(norm(x, w, f"{block}.norm1"), w, f"{block}.attn.qkv").chunk(3, dim=1)
        mixed = []
        for head in range(x.shape[1] // 64):
            part = slice(64 * head, 64 * head + 64)
            shares = (query[:, part] @ key[:, part].T / 8).softmax(1)
            mixed.append(shares @ value[:, part])
        x = x + linear(torch.cat(mixed, 1), w, f"{block}.attn.proj")
        x = x + linear(gelu(linear(norm(x, w, f"{block}.norm2"), w, f"{block}.mlp.fc1")), w, f"{block}.mlp.fc2")
        if number in taps:
            found.append(norm(x, w, "norm"))
    return found


@pytest.mark.parametrize("own", [False, True], ids=["eval", "train_compat"])
@pytest.mark.parametrize("width", [64, 128])
def test_it_is_the_network_of_the_paper(width, own, tmp_path):
    weights = clouds.checkpoint(width, 3, seed=4)
    network = load(published(tmp_path / "a.pth", weights), levels=[0, 2], train_compat=own)
    points, _ = clouds.sheet(side=20)
    found = network.tokens(points)
    wanted = reference(points, weights, (0, 2), 3, own)
    assert [level.shape for level in found.levels] == [(60, width)] * 2
    assert all(torch.allclose(one, other, atol=2e-4) for one, other in zip(found.levels, wanted, strict=True))


def test_in_evaluation_mode_a_group_does_not_depend_on_the_others_statistics_and_nothing_is_left_behind(file):
    one, other = clouds.sheet(side=20)[0], clouds.sheet(side=20, dent=0.01, seed=3)[0]
    for compat in (False, True):
        network = load(file, train_compat=compat)
        before = network.tokens(one)
        network.tokens(other)
        again = network.tokens(one)
        assert all(torch.equal(a, b) for a, b in zip(before.levels, again.levels, strict=True))
    assert load(file).identity != load(file, train_compat=True).identity


def test_groups_along_the_surface_give_other_features_of_the_same_centres(file):
    points, _ = clouds.sheet(side=20, dent=0.02)
    nearest, along = (load(file, grouping=grouping).tokens(points) for grouping in ("nearest", "surface"))
    assert torch.equal(nearest.index, along.index)
    assert torch.allclose(nearest.curvature, along.curvature, atol=1e-5)
    assert not torch.allclose(nearest.levels[0], along.levels[0])


def test_safetensors_under_the_same_names_are_the_same_network(file, tmp_path):
    save_file(clouds.checkpoint(), tmp_path / "a.safetensors")
    assert load(tmp_path / "a.safetensors").identity == load(file).identity


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_checkpoint_that_would_run_something_is_refused(tmp_path):
    marker = tmp_path / "ran"
    path = published(tmp_path / "evil.pth", clouds.checkpoint(), extra=Evil(marker))
    with pytest.raises(EvalError, match=r"evil\.pth cannot be read as a checkpoint of Point-MAE"):
        load(path)
    plain = tmp_path / "plain.pth"
    plain.write_bytes(pickle.dumps(Evil(marker)))
    with pytest.raises(EvalError, match=r"plain\.pth"):
        load(plain)
    assert not marker.exists()


@pytest.mark.parametrize("spoil", ["missing", "shape", "nan", "norm", "none", "list", "cut", "empty", "absent"])
def test_a_file_that_is_no_such_checkpoint_is_named(spoil, tmp_path):
    weights, path = clouds.checkpoint(), tmp_path / "a.pth"
    name = "blocks.blocks.1.mlp.fc1.weight"
    if spoil == "missing":
        del weights[name]
    elif spoil == "shape":
        weights[name] = weights[name][:5]
    elif spoil == "nan":
        weights[name][0, 0] = torch.nan
    elif spoil == "norm":
        weights["norm.weight"] = torch.ones(50)
    elif spoil == "none":
        weights = {}
    if spoil == "list":
        torch.save([1, 2], path)
    else:
        published(path, weights)
    if spoil == "cut":
        path.write_bytes(path.read_bytes()[:5000])
    elif spoil == "empty":
        path.write_bytes(b"")
    elif spoil == "absent":
        path.unlink()
    with pytest.raises(EvalError, match=r"a\.pth"):
        load(path)
