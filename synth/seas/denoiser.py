"""Stage 1 of fine-tuning: U-Net and tokens learn the product and its defects.

A batch holds B defective windows of any types and B good ones, each with its own prompt and noise level, and goes
through the U-Net once; the alignment loss reads the attention of the defective half.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from diffusers import DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor, nn

from synth.errors import GeneratorError
from synth.seas.attention import AttentionMaps, captured_maps
from synth.seas.config import SeasSettings
from synth.seas.losses import decoupled_alignment, min_snr_weight, noise_loss, noise_target, shrink_masks
from synth.seas.pool import Batch, WindowPool, draw_batch
from synth.seas.prompts import UnbalancedPrompts, token_ids
from synth.seas.token_rows import TrainedRows, trained_rows
from synth.seas.updates import ParameterGroup, Stage, Training, run_stage, stream


class Denoiser(nn.Module):
    """A U-Net with its text encoder, as one module whose gradients several processes can share."""

    def __init__(self, unet: UNet2DConditionModel, text_encoder: nn.Module) -> None:
        super().__init__()
        self.unet, self.text_encoder = unet, text_encoder

    def forward(self, noisy: Tensor, timesteps: Tensor, ids: Tensor, which: Tensor) -> Tensor:
        """U-Net output for noisy (n, C, h, w) at timesteps (n,); sample i has prompt ids[which[i]] of ids (m, L)."""
        used, chosen = which.unique(return_inverse=True)
        text = self.text_encoder(ids[used])[0][chosen]
        return self.unet(noisy, timesteps, text).sample


def stage_losses(
    batch: Batch,
    prediction: Tensor,
    maps: AttentionMaps,
    scheduler: DDPMScheduler,
    product_tokens: int,
    config: SeasSettings,
) -> dict[str, Tensor]:
    """Means of the losses of one forward pass: total = df + weight_na na + weight_da da."""
    target = noise_target(scheduler, batch.latents, batch.noise, batch.timesteps)
    weight = min_snr_weight(scheduler, batch.timesteps, config.snr_gamma)
    pairs, latent = len(batch.masks), batch.latents.shape[-1]
    error = noise_loss(prediction, target, weight, _cells(batch, config.weight_defect))
    df, na = error[:pairs].mean(), error[pairs:].mean()
    aligned = decoupled_alignment(
        maps.levels(), product_tokens, batch.masks, latent, config.mask_pyramid, config.map_range
    )
    da = aligned.mean()
    return {"total": df + config.weight_na * na + config.weight_da * da, "df": df, "na": na, "da": da}


def train_denoiser(
    pipeline: StableDiffusionPipeline,
    prompts: UnbalancedPrompts,
    first_token: int,
    pool: WindowPool,
    config: SeasSettings,
    training: Training,
) -> None:
    """Train in place, from update 0 or the newest checkpoint. prompts' tokens must be in the tokenizer from id
    `first_token` on. Afterwards the pipeline is stock again, with LoRA layers merged."""
    device, world = training.accelerator.device, training.accelerator.num_processes
    unet, text_encoder = pipeline.unet, pipeline.text_encoder
    scheduler = DDPMScheduler.from_config(pipeline.scheduler.config)
    ids = token_ids(pipeline.tokenizer, [prompts.good, *map(prompts.defective, prompts.defects)]).to(device)
    columns = prompts.product_columns + prompts.defect_columns
    pairs = config.batch // world
    text_encoder.requires_grad_(False)
    with (
        trained_rows(text_encoder, 0 if config.train_full_embedding else first_token) as tokens,
        _trained_unet(unet, config, training.seed),
        captured_maps(unet, pairs, columns, config.softmax_axis) as maps,
    ):
        groups = _groups(unet, tokens, config)
        model = training.accelerator.prepare(Denoiser(unet, text_encoder).to(device))

        def losses(rng: torch.Generator) -> dict[str, Tensor]:
            steps = scheduler.config.num_train_timesteps
            scale, focus = pipeline.vae.config.scaling_factor, config.noise_focus
            batch = draw_batch(pool, config.batch, steps, scale, rng, focus)
            batch = batch.part(training.accelerator.process_index, world).to(device)
            which = torch.cat([batch.types + 1, torch.zeros_like(batch.types)])
            noisy = scheduler.add_noise(batch.latents, batch.noise, batch.timesteps)
            with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
                prediction = model(noisy, batch.timesteps, ids, which)
            return stage_losses(batch, prediction, maps, scheduler, len(prompts.product_tokens), config)

        run_stage(
            Stage(
                name="denoiser",
                updates=config.updates_per_defect * len(prompts.defects),
                accumulate=config.accumulate,
                warmup=config.warmup_updates,
                grad_clip=config.grad_clip,
                ema_decay=config.ema_decay,
                checkpoint_every=config.checkpoint_every,
            ),
            groups,
            model,
            losses,
            training,
        )


def _cells(batch: Batch, extra: float) -> Tensor | None:
    """Weight of each latent of a batch (2B, h, w): 1, and `extra` more where a window shows its defect."""
    if extra == 0:
        return None
    marked = shrink_masks(batch.masks, batch.latents.shape[-1], batch.latents.shape[-1], "max")
    return torch.cat([1 + extra * marked, torch.ones_like(marked)])


def _groups(unet: UNet2DConditionModel, tokens: TrainedRows, config: SeasSettings) -> list[ParameterGroup]:
    trained = {f"unet.{name}": value for name, value in unet.named_parameters() if value.requires_grad}
    return [ParameterGroup(trained, config.lr_unet), ParameterGroup({"tokens": tokens.rows}, config.lr_tokens)]


@contextmanager
def _trained_unet(unet: UNet2DConditionModel, config: SeasSettings, seed: int) -> Iterator[None]:
    """Make the U-Net, or LoRA layers added to its attention, trainable; on leaving, merge those and freeze it."""
    unet.requires_grad_(config.unet_mode == "full")
    unet.train()  # a switch for activation checkpointing; Stable Diffusion has no dropout
    if config.gradient_checkpointing:
        unet.enable_gradient_checkpointing()
    if config.unet_mode == "lora":
        _add_lora(unet, config.lora_rank, seed)
    try:
        yield
    finally:
        if config.unet_mode == "lora":
            unet.fuse_lora()
            unet.unload_lora()
        if config.gradient_checkpointing:
            unet.disable_gradient_checkpointing()
        unet.requires_grad_(False)
        unet.eval()


def _add_lora(unet: UNet2DConditionModel, rank: int, seed: int) -> None:
    try:
        from peft import LoraConfig
    except ModuleNotFoundError as error:
        raise GeneratorError("unet_mode: lora needs the package peft: pip install peft") from error
    # peft draws its start from torch's global generator, in the order of the layers.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**62, (1,), generator=stream(seed, "lora"))))
        targets = ["to_q", "to_k", "to_v", "to_out.0"]
        unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=targets))
