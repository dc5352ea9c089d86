"""What do attention capture and the alignment loss add to a fine-tuning step at the shape of Stable Diffusion 1.5?

    python benchmarks/attention_overhead.py [--resolution 512] [--repeats 3]

Forward and backward of one defective and one good window through an untrained 860 M U-Net, with and without them, in
turn; the minimum of the repeats counts. The optimiser step, which is the same in both, is left out, so the true share
is smaller than the printed one. Exit code 1 above 15 %.
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import nullcontext

import torch

from synth.seas.attention import AttentionMaps, captured_maps
from synth.seas.base import SD15, build_untrained
from synth.seas.config import SeasConfig
from synth.seas.denoiser import Denoiser, stage_losses
from synth.seas.finetune import resolve
from synth.seas.losses import noise_loss, noise_target
from synth.seas.pool import Batch
from synth.seas.prompts import UnbalancedPrompts, add_tokens, token_ids

ALLOWED = 0.15


def random_batch(latent: int, resolution: int, rng: torch.Generator) -> Batch:
    """One defective and one good window of noise, the mask a quarter of the window."""
    latents, noise, fresh = torch.randn(3, 2, 4, latent, latent, generator=rng)
    mask = torch.zeros(1, resolution, resolution)
    mask[:, : resolution // 2, : resolution // 2] = 1
    return Batch(latents, mask, torch.tensor([0]), torch.tensor([300, 700]), noise, fresh)


def main() -> int:
    """Time both forms and print their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resolution", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()

    pipeline = build_untrained(SD15)
    prompts = UnbalancedPrompts.plan("plate", ["dent"], 1, 4)
    add_tokens(pipeline.tokenizer, pipeline.text_encoder, prompts, {}, from_names=False)
    ids = token_ids(pipeline.tokenizer, [prompts.good, prompts.defective("dent")])
    batch = random_batch(args.resolution // 8, args.resolution, torch.Generator().manual_seed(0))
    noisy = pipeline.scheduler.add_noise(batch.latents, batch.noise, batch.timesteps)
    target = noise_target(pipeline.scheduler, batch.latents, batch.noise, batch.timesteps)
    model, settings = Denoiser(pipeline.unet, pipeline.text_encoder), resolve(SeasConfig(), pipeline)
    columns = prompts.product_columns + prompts.defect_columns

    def step(capture: bool) -> float:
        start = time.perf_counter()
        with captured_maps(pipeline.unet, 1, columns, "pixel") if capture else nullcontext(AttentionMaps()) as maps:
            prediction = model(noisy, batch.timesteps, ids, torch.tensor([1, 0]))
            if capture:
                loss = stage_losses(batch, prediction, maps, pipeline.scheduler, 1, settings)["total"]
            else:
                loss = noise_loss(prediction, target, torch.ones(2)).sum()
            loss.backward()
        seconds = time.perf_counter() - start
        model.zero_grad(set_to_none=True)
        return seconds

    times: dict[bool, list[float]] = {False: [], True: []}
    for repeat in range(args.repeats):
        for capture in (False, True) if repeat % 2 == 0 else (True, False):
            times[capture].append(step(capture))
            print(f"repeat {repeat + 1}, {'with' if capture else 'without'}: {times[capture][-1]:.1f} s", flush=True)
    plain, captured = min(times[False]), min(times[True])
    share = captured / plain - 1
    print(f"without {plain:.1f} s, with {captured:.1f} s: {100 * share:+.1f} % (allowed {100 * ALLOWED:.0f} %)")
    return int(share > ALLOWED)


if __name__ == "__main__":
    sys.exit(main())
