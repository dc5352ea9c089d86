import json

import numpy as np
import pytest
import torch

from eval import features
from eval.features.network import FeatureNetwork, averaged
from synth.errors import EvalError

GREY = FeatureNetwork("grey", 16, lambda pixels: averaged([pixels.mean(1, keepdim=True)]))


def shown(value: int, size=(30, 44)) -> np.ndarray:
    return np.full((*size, 3), value, np.uint8)


def test_vectors_are_mean_and_deviation_of_every_map():
    striped = shown(0)
    striped[:15] = 200
    (plain, half) = features.embed(GREY, [shown(100), striped])
    assert plain == pytest.approx([100 / 255, 0], abs=1e-5)
    assert half == pytest.approx([100 / 255, 100 / 255], abs=0.02)


def test_inside_a_mask_only_the_defect_counts():
    image, mask = shown(50, (32, 48)), np.zeros((32, 48), bool)
    mask[8:24, 12:36] = True
    image[mask] = 250
    ((mean, deviation),) = features.embed(GREY, [image], [mask])
    assert mean == pytest.approx(250 / 255, abs=0.06)
    assert deviation < 0.12
    with pytest.raises(EvalError, match="mask is empty"):
        features.embed(GREY, [image], [mask & False])
    with pytest.raises(EvalError, match="1 images and 2 masks"):
        features.embed(GREY, [image], [mask, mask])


def test_a_batch_gives_what_its_images_give_alone():
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (21 + n, 40, 3), dtype=np.uint8) for n in range(19)]
    network = features.create()
    together = features.embed(network, images)
    levels = network.maps(torch.zeros(1, 3, network.side, network.side)).levels
    assert len(levels) >= 4
    assert together.shape == (19, 2 * sum(level.shape[1] for level in levels))
    assert np.allclose(together[17], features.embed(network, images[17:18])[0], atol=1e-5)
    assert network.name == "tiny_base"


def test_the_bundled_network_distinguishes_a_scratched_surface_from_a_plain_one():
    rng = np.random.default_rng(1)
    plain = [rng.normal(120, 4, (64, 64, 1)).clip(0, 255).astype(np.uint8).repeat(3, -1) for _ in range(6)]
    scratched = [image.copy() for image in plain[3:]]
    for image in scratched:
        image[30:33, 8:56] = 230
    vectors = features.embed(features.create(), [*plain, *scratched])
    apart = np.linalg.norm(vectors[:, None] - vectors[None], axis=-1)
    assert apart[:6, :6].max() < apart[:6, 6:].min()


def test_a_folder_of_a_backbone_is_a_network_named_after_it(tmp_path):
    from transformers import ResNetBackbone, ResNetConfig

    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1], layer_type="basic")
    torch.manual_seed(0)
    ResNetBackbone(config).save_pretrained(tmp_path / "parts_net")
    settings = {"image_mean": [0.5] * 3, "image_std": [0.25] * 3, "size": {"shortest_edge": 48}}
    (tmp_path / "parts_net" / "preprocessor_config.json").write_text(json.dumps(settings))
    network = features.create(str(tmp_path / "parts_net"))
    assert (network.name, network.side) == ("parts_net", 48)
    assert features.embed(network, [shown(9), shown(200)]).shape == (2, 2 * (8 + 12))


def test_a_folder_that_holds_no_network_is_one_clear_error(tmp_path):
    with pytest.raises(EvalError, match=r"give tiny_base, .* the folder of a network"):
        features.create(str(tmp_path))
