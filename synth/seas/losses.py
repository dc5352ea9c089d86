"""The losses of SeaS as functions of tensors; one number per sample wherever samples are independent.

With A_ob, A_df the maps of the product's and of the defect's tokens, M the mask at the maps' size r:

    L_DA = sum_r  mean_p (A_df - M)^2  +  mean_{p in M} (A_ob - (1 - M))^2        decoupled anomaly alignment
    L_df, L_NA = mean (target_theta(z_t, t, prompt) - target)^2                   of defective and of good windows
    L = L_df + weight_da L_DA + weight_na L_NA
    L_M = focal(full, mask) + focal(coarse, mask at latent size)                  of the mask head

Changes against the published code, each undone by the argument named in brackets: every map is stretched to [0, 1]
alone and never divided by zero (over="batch"); masks are max-pooled, so a thin mark survives ("bilinear"); a window
without defect pixels adds nothing where the code's mean over an empty set is NaN (no undo); noise losses carry a
weight like Min-SNR of Hang et al. 2023 (gamma=0), and may weigh the defect's own latents more (cells=None).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from diffusers import DDPMScheduler
from torch import Tensor
from torch.nn import functional

Over = Literal["sample", "batch"]


def stretch(maps: Tensor, over: Over) -> Tensor:
    """Shift and scale maps (B, r, r) to [0, 1], each alone or the batch as one. Gradients flow through the extremes.

    A map that is flat to a millionth stays near 0; over="batch" divides by the bare range, as published."""
    axes = (1, 2) if over == "sample" else (0, 1, 2)
    low, high = maps.amin(axes, keepdim=True), maps.amax(axes, keepdim=True)
    span = high - low + 1e-6 if over == "sample" else (high - low).clamp(min=1e-12)
    return (maps - low) / span


def shrink_masks(masks: Tensor, side: int, latent: int, how: Literal["max", "bilinear"]) -> Tensor:
    """Masks (B, H, W) in [0, 1] at the size of a map: (B, side, side).

    "max": the largest value under each cell. "bilinear": the published pyramid, bilinear to the latent size (without
    antialiasing), then max-pooled in halves."""
    if how == "bilinear":
        masks = functional.interpolate(masks[:, None], (latent, latent), mode="bilinear", align_corners=False)[:, 0]
    return functional.adaptive_max_pool2d(masks, side)


def alignment_loss(defect_map: Tensor, product_map: Tensor, masks: Tensor, over: Over = "sample") -> Tensor:
    """L_DA at one resolution: maps (B, r, r) as captured, masks (B, r, r) in [0, 1]; returns (B,), its mean is L_DA.

    The second term is a mean over the pixels where the mask is one: of each sample, or, over="batch", of all."""
    match = (stretch(defect_map, over) - masks).square().mean((1, 2))
    region = (masks >= 1).to(masks.dtype)
    error = ((stretch(product_map, over) - (1 - masks)).square() * region).sum((1, 2))
    pixels = region.sum((1, 2))
    if over == "batch":
        pixels = (pixels.sum() / len(masks)).expand_as(pixels)
    return match + error / pixels.clamp(min=1 / len(masks))


def decoupled_alignment(
    levels: Sequence[Tensor],
    product_tokens: int,
    masks: Tensor,
    latent: int,
    how: Literal["max", "bilinear"],
    over: Over,
) -> Tensor:
    """L_DA over all resolutions. levels: (B, r, r, P + D) maps, the product's P tokens first; masks (B, H, W).
    Returns (B,)."""
    total = torch.zeros(len(masks), device=masks.device)
    for maps in levels:
        small = shrink_masks(masks, maps.shape[1], latent, how)
        product, defect = maps[..., :product_tokens].mean(-1), maps[..., product_tokens:].mean(-1)
        total = total + alignment_loss(defect, product, small, over)
    return total


def noise_target(scheduler: DDPMScheduler, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
    """What the U-Net has to predict, in the shape of `latents`: the noise, or the velocity for v-prediction bases."""
    if scheduler.config.prediction_type == "v_prediction":
        return scheduler.get_velocity(latents, noise, timesteps)
    return noise


def min_snr_weight(scheduler: DDPMScheduler, timesteps: Tensor, gamma: float) -> Tensor:
    """Weight of a squared error at each timestep, (B,): min(1, gamma / SNR) for the noise, and for the velocity
    min(1, (gamma + 1) / (SNR + 1)). gamma 0 gives ones.

    For the velocity the paper has min(SNR, gamma) / (SNR + 1), which also falls with ratios below 1: a few minutes of
    fine-tuning then leave a base its own idea of what a defect looks like under heavy noise."""
    if gamma == 0:
        return torch.ones(len(timesteps), device=timesteps.device)
    kept = scheduler.alphas_cumprod.to(timesteps.device)[timesteps]
    snr = kept / (1 - kept)
    more = 1 if scheduler.config.prediction_type == "v_prediction" else 0
    return ((gamma + more) / (snr + more)).clamp(max=1)


def noise_loss(prediction: Tensor, target: Tensor, weight: Tensor, cells: Tensor | None = None) -> Tensor:
    """Weighted mean squared error of each sample: (B, C, h, w), (B, C, h, w), (B,) -> (B,). cells (B, h, w) weigh its
    latents against each other; not their sum, but their proportions count."""
    error = (prediction.float() - target.float()).square().mean(1)
    if cells is not None:
        error = error * cells / cells.mean((1, 2), keepdim=True)
    return weight * error.mean((1, 2))


def focal_loss(logits: Tensor, labels: Tensor, gamma: float = 2.0) -> Tensor:
    """Focal loss of two-channel logits (B, 2, H, W) against bool labels (B, H, W), mean over pixels; (B,).

    -(1 - p)^gamma log p for the probability p of the right class (Lin et al. 2017, without class weights)."""
    log_p = functional.log_softmax(logits.float(), dim=1).gather(1, labels[:, None].long())[:, 0]
    return -((1 - log_p.exp()).pow(gamma) * log_p).mean((1, 2))
