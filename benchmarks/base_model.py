"""How good is the bundled base? Reconstruction error on images it never saw, and samples to look at.

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
from PIL import Image, ImageDraw
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from synth.io.images import read_image
from synth.seas.base import load_base
from synth.seas.pretraining.captioned import make_captioned
from synth.seas.window import Window, cut

PROMPTS = (
    "a grey ground metal with small blowhole",
    "a grey ground metal with large crack",
    "a grey ground metal with large break on edge",
    "a grey ground metal with huge uneven",
    "a dark cast metal with large pit",
    "a silver brushed metal with large scratch",
    "a green circuit board with large burn",
    "a brown wood with large gouge",
    "a blue fabric with large stain",
    "a white ceramic with large chip",
    "a orange rubber with large cut",
    "a copper turned metal gear on dark background",
)
UNSEEN = 1_000_000
"""Captioned images from this index on were never trained on."""


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
    sheets = {"rendered": (rendered, reconstruct(pipeline, rendered))}
    if args.images:
        windows = np.stack([random_window(path, side, np.random.default_rng(i)) for i, path in enumerate(args.images)])
        sheets["images"] = (windows, reconstruct(pipeline, windows))
        figures["contrast_kept_by_4_px"] = contrast_kept(pipeline, windows)
    figures |= {name: likeness(*pair) for name, pair in sheets.items()}
    print(json.dumps(figures))
    if args.sheets:
        args.sheets.mkdir(parents=True, exist_ok=True)
        for name, (before, after) in sheets.items():
            rows = [np.hstack(list(part[:12])) for part in (before, after)]
            Image.fromarray(np.vstack(rows)).save(args.sheets / f"base_reconstructions_{name}.jpg", quality=90)
        Image.fromarray(sample_sheet(pipeline, args.each)).save(args.sheets / "base_samples.jpg", quality=90)


def random_window(path: Path, side: int, rng: np.random.Generator) -> np.ndarray:
    image = read_image(path)
    extent = min(image.shape[:2])
    top, left = (int(rng.integers(length - extent + 1)) for length in image.shape[:2])
    return cut(image, Window(top, left, extent), side)


@torch.inference_mode()
def reconstruct(pipeline: StableDiffusionPipeline, images: np.ndarray) -> np.ndarray:
    """decode(encode(x)) of uint8 (N, H, W, 3), the same shape and type."""
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
    decoded = torch.cat([pipeline.vae(part).sample for part in pixels.split(16)]).clamp(-1, 1)
    return ((decoded + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()


def likeness(before: np.ndarray, after: np.ndarray) -> dict[str, float]:
    """Mean PSNR in dB and SSIM of uint8 images (N, H, W, 3)."""
    psnr = [peak_signal_noise_ratio(one, other) for one, other in zip(before, after, strict=True)]
    ssim = [structural_similarity(one, other, channel_axis=2) for one, other in zip(before, after, strict=True)]
    return {"psnr": round(float(np.mean(psnr)), 2), "ssim": round(float(np.mean(ssim)), 3)}


def contrast_kept(pipeline: StableDiffusionPipeline, images: np.ndarray, wide: int = 4) -> dict[str, float]:
    """Share of its contrast that a mark keeps in the VAE: a dark line and a dot, `wide` px wide, in the middle of
    uint8 images (N, H, W, 3)."""
    rows, columns = (np.arange(side) - (side - 1) / 2 for side in images.shape[1:3])
    line = (np.abs(rows[:, None] + 0.3 * columns) * np.cos(np.arctan(0.3)) < wide / 2) & (np.abs(columns) < 30)
    dot = np.hypot(rows[:, None], columns) <= wide / 2
    plain = reconstruct(pipeline, images).astype(float)
    kept = {}
    for name, mark in (("line", line), ("dot", dot)):
        marked = np.where(mark[..., None], 0.6 * images, images).round().astype(np.uint8)
        change = (reconstruct(pipeline, marked) - plain)[:, mark].mean()
        kept[name] = round(float(change / (marked.astype(float) - images)[:, mark].mean()), 2)
    return kept


def sample_sheet(pipeline: StableDiffusionPipeline, each: int) -> np.ndarray:
    """One row a prompt, under its words, every drawing from noise of its own; 50 DPM-Solver++ steps, guidance 3.

    Guidance is rescaled by 0.7 (Lin et al. 2024, section 3.4), else what starts from pure noise is too bright."""
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    rows = []
    for number, prompt in enumerate(PROMPTS):
        seeds = [torch.Generator().manual_seed(number * each + i) for i in range(each)]
        drawn = pipeline(
            [prompt] * each,
            num_inference_steps=50,
            guidance_scale=3.0,
            guidance_rescale=0.7,
            generator=seeds,
            output_type="np",
        ).images
        row = np.hstack(list((255 * drawn).round().astype(np.uint8)))
        rows += [caption_strip(prompt, row.shape[1]), row]
    return np.vstack(rows)


def caption_strip(text: str, width: int, height: int = 16) -> np.ndarray:
    strip = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(strip).text((4, 2), text, fill="black")
    return np.asarray(strip)


if __name__ == "__main__":
    main()
