"""Training of the base: another base's weights go over to a larger vocabulary; a killed training resumes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from synth.errors import GeneratorError
from synth.seas.base import MICRO, build_untrained
from synth.seas.pool import encode
from synth.seas.pretraining import corpus
from synth.seas.pretraining import training as pretrain
from synth.seas.pretraining.captioned import make_captioned
from synth.seas.pretraining.corpus import Corpus, Examples, pool_size
from synth.seas.pretraining.training import check_settings, scale_latents, take_over, train_unet


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
    monkeypatch.setattr(pretrain, "SAVED_EVERY", 0.0)
    monkeypatch.setattr(corpus, "CHUNK", 2)

    def trained(work):
        work.mkdir(exist_ok=True)
        pipeline = build_untrained(MICRO, words=("rubber",))
        before = pipeline.unet.conv_in.weight.detach().clone()
        with Corpus(work / "images", 6, MICRO.resolution, seed=0) as collected:
            examples = Examples(pipeline.vae, pipeline.tokenizer, collected, work / "latents")
            train_unet(pipeline, examples, steps=6, work=work, seed=0, batch=3, rate=4e-4)
        assert examples.ready == 6
        assert not torch.equal(before, pipeline.unet.conv_in.weight)
        return {**pipeline.unet.state_dict(), **pipeline.text_encoder.state_dict()}

    whole = trained(tmp_path / "whole")
    losses, calls = pretrain._diffusion_losses, []

    def killed(*args):
        calls.append(args)
        if len(calls) == 3:
            monkeypatch.setattr(pretrain, "SAVED_EVERY", float("inf"))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return losses(*args)

    monkeypatch.setattr(pretrain, "_diffusion_losses", killed)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "killed")
    again = trained(tmp_path / "killed")
    assert len(calls) == 4 + 4  # the third step had not been saved
    assert all(torch.equal(again[name], value) for name, value in whole.items())


def test_a_folder_begun_with_other_settings_is_refused(tmp_path):
    check_settings(tmp_path / "work", {"start": None, "seed": 0})
    check_settings(tmp_path / "work", {"start": None, "seed": 0})
    with pytest.raises(GeneratorError, match=r"start was None, seed was 0.*--work"):
        check_settings(tmp_path / "work", {"start": "tiny", "seed": 1})


@torch.no_grad()
def test_pure_noise_has_to_become_the_captioned_image_and_marks_count_more_with_less_noise():
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


def test_latents_have_unit_deviation_or_the_scale_of_the_base_gone_on_from():
    pixels = np.random.default_rng(0).integers(0, 256, (4, MICRO.resolution, MICRO.resolution, 3), dtype=np.uint8)
    older, newer = (build_untrained(MICRO, seed) for seed in (1, 2))
    scale_latents(older.vae, pixels)
    assert float(encode(older.vae, pixels)[:, 0].std()) * older.vae.config.scaling_factor == pytest.approx(1, rel=1e-4)
    take_over(newer, older)
    assert newer.vae.config.scaling_factor == older.vae.config.scaling_factor


def test_images_join_a_training_in_order_and_none_is_rendered_or_encoded_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "CHUNK", 3)
    pipeline = build_untrained(MICRO)

    def examples():
        return Examples(pipeline.vae, pipeline.tokenizer, collected, tmp_path / "latents")

    with Corpus(tmp_path / "images", 8, MICRO.resolution, seed=5) as collected:
        first = examples()
        first.grow(4)
        assert first.ready == 6
        first.grow(8)
    images, captions = (
        [part for chunk in collected.chunks for part in collected.open(chunk)[name]] for name in ("images", "captions")
    )
    for index in range(8):
        made = make_captioned(index, MICRO.resolution, seed=5)
        assert np.array_equal(images[index], made.image)
        assert captions[index] == made.caption
        assert float(first.marks[index].mean()) == pytest.approx(made.mask.mean(), abs=1e-6)
    means = encode(pipeline.vae, np.stack(images))[:, 0]
    assert torch.allclose(first.latents, means * pipeline.vae.config.scaling_factor, atol=1e-6)
    with monkeypatch.context() as broken, Corpus(tmp_path / "images", 8, MICRO.resolution, seed=5) as collected:
        broken.setattr(corpus, "_render", None)
        broken.setattr(corpus, "encode", None)
        again = examples()
        again.grow(8)
    assert torch.equal(again.latents, first.latents)
    assert torch.equal(again.tokens, first.tokens)


def test_a_training_begins_with_a_twentieth_of_the_images_and_has_all_by_half():
    sizes = [pool_size(step, 1000, 40_000) for step in range(1000)]
    assert sizes[0] == 2000
    assert sizes == sorted(sizes)
    assert sizes[499] < 40_000 == sizes[500] == sizes[-1]


def test_damaged_images_and_latents_are_made_again_to_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "CHUNK", 2)
    pipeline = build_untrained(MICRO)

    def learnt():
        with Corpus(tmp_path / "images", 4, MICRO.resolution, seed=5) as collected:
            examples = Examples(pipeline.vae, pipeline.tokenizer, collected, tmp_path / "latents")
            examples.grow(4)
        return examples

    whole = learnt()
    for path in (*sorted((tmp_path / "images").iterdir())[:1], *sorted((tmp_path / "latents").iterdir())[1:]):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    again = learnt()
    for name in ("latents", "marks", "tokens"):
        assert torch.equal(getattr(again, name), getattr(whole, name)), name
