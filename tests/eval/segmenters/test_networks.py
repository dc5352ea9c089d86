import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from eval.segmenters import SEGMENTERS, configure
from eval.segmenters.losses import LOSSES, bce_dice, focal_tversky, ohem
from eval.segmenters.segmenter import count_parameters
from synth.errors import EvalError

SMALL = {
    "bisenetv2": {"width": 0.25},
    "lfd": {"width": 0.25},
    "lite_unet": {"start": "random"},
    "upernet": {"backbone": "resnet"},
    "segformer": {},
}


@pytest.mark.parametrize("name", sorted(SEGMENTERS))
def test_every_network_gives_logits_of_the_image_s_size_and_learns_with_all_of_itself(name):
    config = configure(name, resolution=64, **SMALL[name])
    network = SEGMENTERS[name][1](config)
    network.train()
    outputs = network(torch.rand(2, 3, 64, 96))
    assert {tuple(output.shape) for output in outputs} == {(2, 1, 64, 96)}
    sum(output.square().mean() for output in outputs).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    network.eval()
    assert len(network(torch.rand(1, 3, 64, 64))) == 1


@pytest.mark.parametrize("backbone", ["convnext", "swin"])
def test_upernet_takes_other_backbones(backbone):
    network = SEGMENTERS["upernet"][1](configure("upernet", backbone=backbone)).eval()
    assert network(torch.rand(1, 3, 64, 64))[0].shape == (1, 1, 64, 64)


def test_sizes_are_about_the_published_ones():
    assert count_parameters("lfd", width=1.0) == pytest.approx(0.94e6, rel=0.15)
    assert count_parameters("segformer") == pytest.approx(3.7e6, rel=0.05)
    assert 3e6 < count_parameters("bisenetv2", width=1.0) < 6e6
    assert count_parameters("upernet", size="base") > 40e6


def images():
    logits = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 1, 8, 12)))
    targets = torch.zeros(3, 1, 8, 12, dtype=logits.dtype)
    targets[0, 0, 2:5, 3:7] = targets[1, 0, 0, 0] = 1
    return logits, targets


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_a_loss_is_one_number_an_image_and_least_for_the_truth(name):
    logits, targets = images()
    loss = LOSSES[name](logits, targets)
    assert loss.shape == (3,)
    assert torch.isfinite(loss).all()
    right, wrong = (LOSSES[name](20 * sign * (2 * targets - 1), targets) for sign in (1, -1))
    assert (right < 0.05).all()
    assert (wrong > loss).all()
    alone = LOSSES[name](logits[1:2], targets[1:2])
    assert torch.allclose(alone, loss[1:2])


def test_bce_of_a_good_image_is_plain_cross_entropy_and_dice_joins_where_there_is_a_defect():
    logits, targets = images()
    chance = torch.sigmoid(logits)
    entropy = [
        log_loss(t.ravel().numpy(), c.ravel().numpy(), labels=[0, 1]) for t, c in zip(targets, chance, strict=True)
    ]
    loss = bce_dice(logits, targets).tolist()
    assert loss[2] == pytest.approx(entropy[2])
    hits, total = (chance[0] * targets[0]).sum(), chance[0].sum() + targets[0].sum()
    assert loss[0] == pytest.approx(entropy[0] + 1 - float((2 * hits + 2) / (total + 2)))


def test_a_missed_defect_of_one_pixel_still_costs_a_third_of_dice():
    _, targets = images()
    blank = torch.full_like(targets, -20.0)
    overlap = bce_dice(blank, targets) - 20 * targets.mean((1, 2, 3))
    assert overlap[0] > 0.8
    assert overlap[1] > 0.3
    assert overlap[2] == pytest.approx(0, abs=1e-6)


def test_ohem_counts_hard_pixels_only_and_never_none():
    targets = torch.zeros(1, 1, 4, 8)
    logits = torch.full_like(targets, -9.0)
    logits[0, 0, 0, :3] = 2.0
    assert ohem(logits, targets).item() == pytest.approx(float(np.log1p(np.exp(2.0))), rel=1e-5)
    assert ohem(torch.full_like(targets, -9.0), targets).item() == pytest.approx(np.log1p(np.exp(-9.0)), rel=1e-2)


def test_focal_tversky_minds_a_miss_more_than_a_false_alarm():
    targets = torch.zeros(1, 1, 10, 10)
    targets[0, 0, :, :5] = 1
    missed, alarmed = (targets * 40 - 20 for _ in range(2))
    missed[0, 0, :5, :5], alarmed[0, 0, :5, 5:] = -20, 20
    assert focal_tversky(missed, targets) > focal_tversky(alarmed, targets)


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("bisenet", {}, "segmenter 'bisenet' is unknown; .*did you mean bisenetv2"),
        ("lfd", {"widht": 2}, "lfd has no parameter widht; did you mean width"),
        ("lfd", {"steps": 0}, "lfd: steps is 0, wanted greater than or equal to 1"),
        ("upernet", {"backbone": "vgg"}, "backbone is 'vgg', wanted 'convnext', 'resnet' or 'swin'"),
        ("bisenetv2", {"resolution": 100}, "resolution is 100, wanted a multiple of 32"),
    ],
)
def test_a_wrong_name_or_parameter_is_one_sentence(name, params, message):
    with pytest.raises(EvalError, match=message):
        configure(name, **params)


def test_weights_that_are_not_there_are_one_sentence(tmp_path):
    with pytest.raises(EvalError, match=r"give the folder or Hub id of a Segformer\w+ as weights"):
        SEGMENTERS["segformer"][1](configure("segformer", weights=str(tmp_path)))


@pytest.mark.parametrize("name", sorted(SEGMENTERS))
def test_a_network_that_has_learnt_nothing_expects_little_defect(name):
    start = {"start": "random"} if "start" in SEGMENTERS[name][0].model_fields else {}
    network = SEGMENTERS[name][1](configure(name, resolution=64, **{**SMALL[name], **start})).eval()
    with torch.inference_mode():
        said = torch.sigmoid(network(torch.zeros(1, 3, 64, 64))[0])
    assert 0.02 < said.mean() < 0.3
