"""How good is the bundled base? Reconstruction error on pictures it never saw, and samples to look at.

python benchmarks/base_model.py [--base FOLDER] [--images FOLDER ...] [--sheets docs/images]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
from PIL import Image

from synth.images import read_image
from synth.seas.base import load_base
from synth.seas.captioned import make_captioned
from synth.seas.window import Window, cut

PROMPTS = (
    "a grey cast metal with large crack",
    "a grey brushed metal with large scratch",
    "a dark cast metal with large pit",
    "a grey plastic with huge chip",
    "a blue fabric with large stain",
    "a brown wood with large dent",
    "a white ceramic with large thread",
    "a orange rubber with large smear",
    "a green printed sheet",
    "a grey plastic edge",
)
UNSEEN = 1_000_000
"""Captioned pictures from this index on were never trained on."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="tiny")
    parser.add_argument("--images", type=Path, nargs="*", default=[], help="images to reconstruct as 128 px windows")
    parser.add_argument("--sheets", type=Path, help="folder for contact sheets")
    parser.add_argument("--each", type=int, default=6, help="samples a prompt")
    args = parser.parse_args()
    started = time.perf_counter()
    pipeline = load_base(args.base)
    figures: dict[str, object] = {"load_seconds": round(time.perf_counter() - started, 2)}
    side = pipeline.vae.config.sample_size
    rendered = np.stack([make_captioned(UNSEEN + i, side).image for i in range(64)])
    figures["psnr_rendered"], decoded = reconstruct(pipeline, rendered)
    sheets = {"rendered": (rendered, decoded)}
    if args.images:
        windows = np.stack([random_window(path, side, np.random.default_rng(i)) for i, path in enumerate(args.images)])
        figures["psnr_images"], decoded = reconstruct(pipeline, windows)
        sheets["images"] = (windows, decoded)
    print(json.dumps(figures))
    if args.sheets:
        args.sheets.mkdir(parents=True, exist_ok=True)
        for name, (before, after) in sheets.items():
            rows = [np.hstack(list(part[:12])) for part in (before, after)]
            Image.fromarray(np.vstack(rows)).save(args.sheets / f"base_reconstructions_{name}.png")
        Image.fromarray(sample_sheet(pipeline, args.each)).save(args.sheets / "base_samples.png")


def random_window(path: Path, side: int, rng: np.random.Generator) -> np.ndarray:
    image = read_image(path)
    extent = min(image.shape[:2])
    top, left = (int(rng.integers(length - extent + 1)) for length in image.shape[:2])
    return cut(image, Window(top, left, extent), side)


@torch.inference_mode()
def reconstruct(pipeline: StableDiffusionPipeline, images: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean PSNR in dB of decode(encode(x)) over uint8 (N, H, W, 3), and what was decoded."""
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    decoded = torch.cat([pipeline.vae(part).sample for part in pixels.split(16)]).clamp(-1, 1)
    psnr = -10 * torch.log10((decoded - pixels).square().mean((1, 2, 3)) / 4)
    back = ((decoded + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    return round(float(psnr.mean()), 2), back


def sample_sheet(pipeline: StableDiffusionPipeline, each: int) -> np.ndarray:
    """One row a prompt, 25 DPM-Solver++ steps, guidance 3."""
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    rows = []
    for prompt in PROMPTS:
        seeds = [torch.Generator().manual_seed(i) for i in range(each)]
        drawn = pipeline(
            [prompt] * each, num_inference_steps=25, guidance_scale=3.0, generator=seeds, output_type="np"
        ).images
        rows.append(np.hstack(list((255 * drawn).round().astype(np.uint8))))
    return np.vstack(rows)


if __name__ == "__main__":
    main()
