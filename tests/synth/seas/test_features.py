import torch

from synth.seas.base import SD15, _build_unet, build_scheduler
from synth.seas.features import ancestral_step, tapped_features


def test_features_are_taken_at_half_and_at_full_latent_size(pipeline):
    latents = torch.randn(2, pipeline.unet.config.in_channels, 8, 8)
    text = torch.randn(2, 16, pipeline.unet.config.cross_attention_dim)
    with tapped_features(pipeline.unet) as features:
        pipeline.unet(latents, 7, text)
    assert features.low.shape[-2:] == (4, 4)
    assert features.mid.shape[-2:] == (8, 8)
    assert not any(block._forward_hooks for block in pipeline.unet.up_blocks)


def test_of_full_size_stable_diffusion_the_second_and_third_up_block_are_read():
    with torch.device("meta"):
        unet = _build_unet(SD15)
    with tapped_features(unet):
        assert [bool(block._forward_hooks) for block in unet.up_blocks] == [False, True, True, False]


def test_ancestral_steps_at_mixed_noise_levels_equal_the_schedulers_own():
    rng = torch.Generator().manual_seed(0)
    noisy, prediction, noise = torch.randn(3, 2, 4, 5, 7, generator=rng)
    for kind in ("epsilon", "v_prediction"):
        scheduler = build_scheduler(kind)
        steps = torch.tensor([901, 3])
        got = ancestral_step(scheduler, noisy, prediction, steps, noise)
        for i, step in enumerate(steps):
            # the scheduler draws its own noise, hence the same stream on both sides
            own = scheduler.step(prediction[i], int(step), noisy[i], generator=torch.Generator().manual_seed(i))
            drawn = torch.randn(noisy[i].shape, generator=torch.Generator().manual_seed(i))
            same = ancestral_step(scheduler, noisy[i][None], prediction[i][None], steps[i : i + 1], drawn[None])[0]
            assert torch.allclose(same, own.prev_sample, atol=1e-4)
        alone = ancestral_step(scheduler, noisy[1:], prediction[1:], steps[1:], noise[1:])
        assert torch.allclose(got[1:], alone)


def test_the_last_ancestral_step_adds_no_noise():
    scheduler, zero = build_scheduler("epsilon"), torch.tensor([0])
    noisy, prediction = torch.randn(2, 1, 4, 3, 5, generator=torch.Generator().manual_seed(1))
    quiet = ancestral_step(scheduler, noisy, prediction, zero, torch.zeros_like(noisy))
    loud = ancestral_step(scheduler, noisy, prediction, zero, torch.ones_like(noisy))
    assert torch.equal(quiet, loud)
