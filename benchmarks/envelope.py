"""Does the real size fit? Time and peak memory of each profile at the shape of Stable Diffusion 1.5.

    python benchmarks/envelope.py [--resolution 512] [--profile lora|full|draw]

Each profile runs in a process of its own, on an untrained model of the exact shape (860 M U-Net, 123 M text encoder,
84 M VAE) built locally: `lora` and `full` are two fine-tuning updates of one defective and one good window each (the
second one is timed) and one update of the mask head, `draw` is a two-step generation with its mask. Exit code 1 when
one needs more than 20 GiB.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from synth.sample import Sample
from synth.seas.base import SD15, build_untrained
from synth.seas.config import SeasConfig
from synth.seas.denoiser import train_denoiser
from synth.seas.drawing import draw_windows
from synth.seas.finetune import Finetuned, resolve
from synth.seas.mask_training import build_mask_head, train_mask_head
from synth.seas.plan import Start
from synth.seas.pool import build_pool
from synth.seas.prompts import UnbalancedPrompts, add_tokens
from synth.seas.updates import Training

ALLOWED_GIB = 20.0
TWO_UPDATES = {"batch": 1, "updates_per_defect": 2, "mask_updates_per_defect": 1, "windows_per_defect": 1}
FINE_TUNING = {
    "lora": {**TWO_UPDATES, "unet_mode": "lora", "gradient_checkpointing": True, "precision": "bf16"},
    "full": {**TWO_UPDATES, "gradient_checkpointing": True, "precision": "bf16"},
}
PROMPTS = UnbalancedPrompts.plan("plate", ["dent"], 1, 4)


def fine_tune(name: str, resolution: int) -> dict[str, float]:
    """Two updates of U-Net and tokens, one of the mask head; seconds of the last of each."""
    shots, good_images = [_random_sample(resolution, "dent")], [_random_sample(resolution, None)]
    pipeline = build_untrained(SD15)
    config = resolve(SeasConfig(**FINE_TUNING[name], resolution=resolution), pipeline)
    first = add_tokens(pipeline.tokenizer, pipeline.text_encoder, PROMPTS, {}, from_names=False)
    pool = build_pool(pipeline.vae, shots, good_images, PROMPTS.defects, config, seed=0)
    ticks: dict[str, list[float]] = {"denoiser": [], "mask": []}
    with tempfile.TemporaryDirectory() as folder:

        def tick(stage: str, _done: int, _total: int) -> None:
            ticks[stage].append(time.perf_counter())

        training = Training(Path(folder), "envelope", 0, Accelerator(mixed_precision="no"), tick)
        train_denoiser(pipeline, PROMPTS, first, pool, config, training)
        before = time.perf_counter()
        train_mask_head(pipeline, PROMPTS, pool, config, training)
    return {"update": ticks["denoiser"][1] - ticks["denoiser"][0], "mask update": ticks["mask"][0] - before}


def draw(resolution: int) -> dict[str, float]:
    """One sample in two steps, its mask read off the last."""
    pipeline = build_untrained(SD15)
    config = resolve(SeasConfig(steps=2, resolution=resolution, precision="bf16"), pipeline)
    add_tokens(pipeline.tokenizer, pipeline.text_encoder, PROMPTS, {}, from_names=False)
    model = Finetuned(pipeline, build_mask_head(pipeline).eval(), PROMPTS, config)
    pipeline.unet.to(torch.bfloat16)
    good = _random_sample(resolution, None).image
    assert good is not None
    begin = time.perf_counter()
    draw_windows(model, [Start(good, None, "dent", seed=0, taken=config.steps)], config)
    return {"draw": time.perf_counter() - begin}


PROFILES: dict[str, Callable[[int], dict[str, float]]] = {
    "lora": lambda resolution: fine_tune("lora", resolution),
    "full": lambda resolution: fine_tune("full", resolution),
    "draw": draw,
}


def _random_sample(resolution: int, defect: str | None) -> Sample:
    rng = np.random.default_rng(0)
    mask = np.zeros((resolution, resolution), dtype=bool)
    mask[100:180, 90:200] = defect is not None
    image = rng.integers(0, 255, (resolution, resolution, 3), dtype=np.uint8)
    return Sample(id=str(defect), image=image, mask=mask, product="plate", defect=defect)


def _run_alone(name: str, resolution: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--profile", name, "--resolution", str(resolution), "--json"]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return json.loads(lines[-1])


def main() -> int:
    """Run the profiles, one after the other, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resolution", type=int, default=512)
    parser.add_argument("--profile", choices=sorted(PROFILES), help="this one only")
    parser.add_argument("--json", action="store_true", help="measure in this process and print one JSON line")
    args = parser.parse_args()
    if args.json:
        seconds = PROFILES[args.profile](args.resolution)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(json.dumps({**seconds, "peak GiB": peak}))
        return 0
    print("| profile | seconds | peak memory |\n|---|---|---|", flush=True)
    worst = 0.0
    for name in [args.profile] if args.profile else PROFILES:
        row = _run_alone(name, args.resolution)
        peak = row.pop("peak GiB")
        worst = max(worst, peak)
        print(f"| {name} | {', '.join(f'{k} {v:.0f}' for k, v in row.items())} | {peak:.1f} GiB |", flush=True)
    return int(worst > ALLOWED_GIB)


if __name__ == "__main__":
    sys.exit(main())
