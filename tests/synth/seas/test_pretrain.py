"""Training of the base: another base's weights go over to a larger vocabulary; a killed training goes on."""

from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from synth.seas import pretrain
from synth.seas.base import MICRO, build_untrained
from synth.seas.pretrain import take_over, train_unet


def test_words_that_an_older_base_knows_mean_the_same_after_its_weights_are_taken_over() -> None:
    older = build_untrained(MICRO, seed=1, words=("rubber", "stain"))
    newer = build_untrained(MICRO, seed=2, words=("asphalt", "burn", "rubber", "stain", "zinc"))
    take_over(newer, older)
    length = older.tokenizer.model_max_length
    states = []
    for pipeline in (older, newer):
        ids = pipeline.tokenizer("a rubber with stain", padding="max_length", max_length=length, return_tensors="pt")
        with torch.no_grad():
            states.append(pipeline.text_encoder(ids.input_ids).last_hidden_state)
    assert torch.allclose(*states, atol=1e-6)
    assert newer.text_encoder.get_input_embeddings().num_embeddings == len(newer.tokenizer)
    for part in ("unet", "vae"):
        old, new = (getattr(pipeline, part).state_dict() for pipeline in (older, newer))
        assert all(torch.equal(old[name], new[name]) for name in old)


def test_a_killed_training_ends_like_an_uninterrupted_one(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(pretrain, "resumed", partial(pretrain.resumed, every=2))
    side = MICRO.latent_size
    latents = torch.randn(6, 4, side, side, generator=torch.Generator().manual_seed(0))
    marks = torch.zeros(6, 1, side, side)
    marks[:3, :, 2:4] = 1
    captions = ["a rubber", "a rubber with defect", "a good part"] * 2

    def trained(work):
        work.mkdir(exist_ok=True)
        pipeline = build_untrained(MICRO, words=("rubber",))
        before = pipeline.unet.conv_in.weight.detach().clone()
        train_unet(pipeline, latents, marks, captions, steps=6, work=work, seed=0, batch=3, rate=4e-4)
        assert not torch.equal(before, pipeline.unet.conv_in.weight)
        return {**pipeline.unet.state_dict(), **pipeline.text_encoder.state_dict()}

    whole = trained(tmp_path / "whole")
    losses, calls = pretrain._diffusion_losses, []

    def killed(*args):
        calls.append(args)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return losses(*args)

    monkeypatch.setattr(pretrain, "_diffusion_losses", killed)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "killed")
    again = trained(tmp_path / "killed")
    assert len(calls) == 4 + 4
    assert all(torch.equal(again[name], value) for name, value in whole.items())


@torch.no_grad()
def test_pure_noise_has_to_become_the_captioned_picture_and_marks_count_more_with_less_noise():
    pipeline, draw = build_untrained(replace(MICRO, prediction_type="v_prediction")), torch.Generator().manual_seed(3)
    side = MICRO.latent_size
    latents, noise = (torch.randn(2, 4, side, side, generator=draw) for _ in range(2))
    marked = torch.zeros(2, 1, side, side)
    marked[:, :, :2] = 1
    ids = pipeline.tokenizer(["a part"] * 2, padding="max_length", return_tensors="pt").input_ids

    def losses(t, marks):
        return pretrain._diffusion_losses(pipeline, latents, marks, ids, torch.full((2,), t), noise)

    words = pipeline.text_encoder(ids).last_hidden_state
    drawn = -pipeline.unet(noise, 999, words).sample
    assert torch.allclose(losses(999, marked), (drawn - latents).square().mean((1, 2, 3)), rtol=1e-4)
    gains = [(losses(t, marked) - losses(t, torch.zeros_like(marked))).abs().mean() for t in (999, 800, 100)]
    assert gains[0] < 1e-6 < 2 * gains[1] < gains[2]


def test_latents_have_unit_deviation_or_the_scale_of_the_base_gone_on_from(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (4, MICRO.resolution, MICRO.resolution, 3), dtype=np.uint8)
    corpus = SimpleNamespace(images=lambda: pixels, masks=lambda: pixels[..., 0] > 250)
    vae = build_untrained(MICRO).vae
    latents, marks = pretrain.encode(vae, corpus, tmp_path / "new.pt", None)
    assert float(latents.std()) == pytest.approx(1, rel=1e-4)
    assert 0 < marks.mean() < 0.1
    own = vae.config.scaling_factor
    again, _ = pretrain.encode(vae, corpus, tmp_path / "on.pt", 2 * own)
    assert torch.allclose(again, 2 * latents)
    assert vae.config.scaling_factor == 2 * own
