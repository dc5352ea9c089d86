"""The bundled base is there, small, of Stable Diffusion's layout, and good at images it has not seen."""

import numpy as np
import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline

from synth.errors import GeneratorError
from synth.seas.base import BUNDLED, MICRO, build_tokenizer, build_untrained, load_base
from synth.seas.pretraining.captioned import make_captioned, vocabulary


@pytest.fixture(scope="module")
def bundled():
    return load_base("tiny")


def test_the_bundled_base_is_at_most_50_megabytes():
    assert sum(file.stat().st_size for file in BUNDLED.rglob("*") if file.is_file()) < 50e6


def test_the_bundled_base_knows_every_word_of_its_captions_and_the_prompts(bundled):
    for word in (*vocabulary(), "defect", "object", "a", "with"):
        assert len(bundled.tokenizer(word).input_ids) == 3


@torch.inference_mode()
def test_the_bundled_vae_keeps_unseen_images_to_28_decibels(bundled):
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


def test_the_same_words_always_have_the_same_numbers():
    words = vocabulary()
    numbers = [build_tokenizer(order, 32).get_vocab() for order in (words, words[::-1], words, words)]
    assert all(one == numbers[0] for one in numbers[1:])


def test_a_word_that_cannot_be_one_token_is_named():
    with pytest.raises(GeneratorError, match="two words"):
        build_tokenizer(["crack", "two words"], 16)


def test_a_base_that_is_not_there_is_reported_with_the_layout_wanted(tmp_path):
    with pytest.raises(GeneratorError, match="holds model_index"):
        load_base(str(tmp_path))


def test_an_inpainting_base_is_refused_by_its_channels(tmp_path):
    pipeline = build_untrained(MICRO)
    pipeline.unet.register_to_config(in_channels=9)
    pipeline.unet.conv_in = torch.nn.Conv2d(9, 8, 3, padding=1)
    pipeline.save_pretrained(tmp_path)
    with pytest.raises(GeneratorError, match=r"9 channels.*inpainting"):
        load_base(str(tmp_path))


@torch.inference_mode()
def test_the_bundled_base_draws_in_the_colour_of_the_prompt(bundled):
    scheduler = DPMSolverMultistepScheduler.from_config(bundled.scheduler.config)
    pipeline = StableDiffusionPipeline(**{**bundled.components, "scheduler": scheduler})
    pipeline.set_progress_bar_config(disable=True)

    def mean_colour(words):
        seeds = [torch.Generator().manual_seed(index) for index in range(4)]
        drawn = pipeline([words] * 4, num_inference_steps=12, guidance_scale=2.0, generator=seeds, output_type="np")
        return drawn.images.mean((0, 1, 2))

    prompts = ("a white ceramic", "a black ceramic", "a red rubber", "a blue rubber")
    white, black, red, blue = map(mean_colour, prompts)
    assert white.mean() > black.mean() + 0.3
    assert red[0] - red[2] > 0.15
    assert blue[2] - blue[0] > 0.15
