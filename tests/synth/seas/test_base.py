"""The bundled base is there, small, of Stable Diffusion's layout, and good at pictures it has not seen."""

import numpy as np
import pytest
import torch

from synth.errors import GeneratorError
from synth.seas.base import BUNDLED, MICRO, build_tokenizer, build_untrained, load_base
from synth.seas.captioned import make_captioned, vocabulary


@pytest.fixture(scope="module")
def bundled():
    return load_base("tiny")


def test_the_bundled_base_is_at_most_50_megabytes():
    assert sum(file.stat().st_size for file in BUNDLED.rglob("*") if file.is_file()) < 50e6


def test_the_bundled_base_knows_every_word_of_its_captions_and_the_prompts(bundled):
    for word in (*vocabulary(), "defect", "object", "a", "with"):
        assert len(bundled.tokenizer(word).input_ids) == 3


@torch.inference_mode()
def test_the_bundled_vae_keeps_unseen_pictures_to_28_decibels(bundled):
    unseen = np.stack([make_captioned(1_000_000 + index, 128).image for index in range(12)])
    pixels = torch.from_numpy(unseen).permute(0, 3, 1, 2).float() / 127.5 - 1
    decoded = bundled.vae(pixels).sample.clamp(-1, 1)
    psnr = -10 * torch.log10((decoded - pixels).square().mean((1, 2, 3)) / 4)
    assert psnr.mean() > 28


@torch.inference_mode()
def test_the_bundled_latents_have_unit_deviation(bundled):
    seen = np.stack([make_captioned(index, 128).image for index in range(24)])
    pixels = torch.from_numpy(seen).permute(0, 3, 1, 2).float() / 127.5 - 1
    latents = bundled.vae.encode(pixels).latent_dist.mean * bundled.vae.config.scaling_factor
    assert 0.8 < latents.std() < 1.25


def test_the_same_seed_builds_the_same_untrained_base():
    one, same, other = (build_untrained(MICRO, seed).unet.conv_in.weight for seed in (3, 3, 4))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_a_word_that_cannot_be_one_token_is_named():
    with pytest.raises(GeneratorError, match="two words"):
        build_tokenizer(["crack", "two words"], 16)


def test_a_base_that_is_not_there_is_told_with_the_layout_wanted(tmp_path):
    with pytest.raises(GeneratorError, match="holds model_index"):
        load_base(str(tmp_path))


def test_an_inpainting_base_is_refused_by_its_channels(tmp_path):
    pipeline = build_untrained(MICRO)
    pipeline.unet.register_to_config(in_channels=9)
    pipeline.unet.conv_in = torch.nn.Conv2d(9, 8, 3, padding=1)
    pipeline.save_pretrained(tmp_path)
    with pytest.raises(GeneratorError, match=r"9 channels.*inpainting"):
        load_base(str(tmp_path))
