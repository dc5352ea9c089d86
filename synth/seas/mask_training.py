"""Stage 2 of fine-tuning: the mask head learns to read masks off the frozen, fine-tuned U-Net and VAE decoder.

Noise levels are drawn below `mask_timesteps` (300), since drawing reads masks at its last steps (t = 120, 80, 40);
the published code draws from all 1000, at most of which the mask is not yet decided.
"""

from __future__ import annotations

import torch
from diffusers import DDPMScheduler, StableDiffusionPipeline
from torch import Tensor
from torch.nn import functional

from synth.seas.config import SeasSettings
from synth.seas.features import (
    ancestral_step,
    clean_latents,
    decoder_features,
    feature_channels,
    tapped_features,
)
from synth.seas.losses import focal_loss
from synth.seas.mask_head import MaskHead, MaskLogits
from synth.seas.pool import WindowPool, draw_batch
from synth.seas.prompts import UnbalancedPrompts, token_ids
from synth.seas.updates import ParameterGroup, Stage, Training, run_stage, stream


def mask_loss(logits: MaskLogits, masks: Tensor) -> Tensor:
    """L_M of B defective windows, in that order before the good ones: masks (B, H, W) in [0, 1]; returns (n,).

    A pixel counts as defect where its mask is one, so that pixels a soft mask only touches do not."""
    good = len(logits.full) - len(masks)
    masks = torch.cat([masks, masks.new_zeros(good, *masks.shape[1:])])
    small = functional.adaptive_max_pool2d(masks, logits.coarse.shape[-2:])
    return focal_loss(logits.full, masks >= 1) + focal_loss(logits.coarse, small >= 1)


def train_mask_head(
    pipeline: StableDiffusionPipeline,
    prompts: UnbalancedPrompts,
    pool: WindowPool,
    config: SeasSettings,
    training: Training,
) -> MaskHead:
    """Train a mask head for a fine-tuned pipeline, from update 0 or the newest checkpoint."""
    device = training.accelerator.device
    scheduler = DDPMScheduler.from_config(pipeline.scheduler.config)
    head = build_mask_head(pipeline, training.seed).to(device)
    model = training.accelerator.prepare(head)
    texts = [prompts.good, *map(prompts.defective, prompts.defects)]
    with torch.no_grad():
        text = pipeline.text_encoder(token_ids(pipeline.tokenizer, texts).to(device))[0]

    with tapped_features(pipeline.unet) as features:

        def losses(rng: torch.Generator) -> dict[str, Tensor]:
            batch = draw_batch(pool, config.batch, config.mask_timesteps, pipeline.vae.config.scaling_factor, rng)
            batch = batch.part(training.accelerator.process_index, training.accelerator.num_processes).to(device)
            which = torch.cat([batch.types + 1, torch.zeros_like(batch.types)])
            noisy = scheduler.add_noise(batch.latents, batch.noise, batch.timesteps)
            with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
                with torch.no_grad():
                    prediction = pipeline.unet(noisy, batch.timesteps, text[which]).sample
                    pairs = slice(len(batch.masks))
                    seen = clean_latents(scheduler, noisy, prediction, batch.timesteps)
                    if config.decoder_input == "noisy":
                        seen = ancestral_step(scheduler, noisy, prediction, batch.timesteps, batch.fresh)
                    decoder = decoder_features(pipeline.vae, seen[pairs])
                logits = model(features.low, features.mid, decoder)
            return {"total": mask_loss(logits, batch.masks).mean()}

        run_stage(
            Stage(
                name="mask",
                updates=config.mask_updates_per_defect * len(prompts.defects),
                accumulate=config.accumulate,
                grad_clip=config.grad_clip,
                checkpoint_every=config.checkpoint_every,
            ),
            [ParameterGroup(dict(head.named_parameters()), config.lr_mask)],
            model,
            losses,
            training,
        )
    return head.eval()


def build_mask_head(pipeline: StableDiffusionPipeline, seed: int = 0) -> MaskHead:
    """An untrained mask head that fits a base, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (1,), generator=stream(seed, "mask head"))))
        return MaskHead(feature_channels(pipeline))
