"""Does reading masks make drawing much dearer? Time of a batch with masks over without; wanted at most 1.25.

    python benchmarks/generation.py [--batch 8] [--repeats 5] [--base tiny]

The mask head runs once for each of the last steps, on features that drawing leaves behind anyway. Weights do not
matter here: without the bundled base its untrained shape is timed. Both kinds of drawing start from the same noise,
and must give the same images.
"""

from __future__ import annotations

import argparse
import time
import timeit
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np

from synth.seas.base import BUNDLED, TINY, build_untrained, load_base
from synth.seas.config import SeasConfig
from synth.seas.drawing import Drawn, MaskReader, Start, draw_windows
from synth.seas.finetune import Finetuned, resolve
from synth.seas.mask_training import build_mask_head
from synth.seas.prompts import UnbalancedPrompts, add_tokens


def build_model(base: str, config: SeasConfig) -> Finetuned:
    """A model with new tokens and an untrained mask head; the untrained bundled shape where it is not installed."""
    present = base != "tiny" or (Path(BUNDLED) / "model_index.json").is_file()
    pipeline = load_base(base) if present else build_untrained(TINY)
    prompts = UnbalancedPrompts.plan("plate", ["dent"], config.product_tokens, config.defect_tokens)
    add_tokens(pipeline.tokenizer, pipeline.text_encoder, prompts, {}, from_names=False)
    return Finetuned(pipeline, build_mask_head(pipeline).eval(), prompts, resolve(config, pipeline))


def build_starts(side: int, count: int) -> list[Start]:
    """Noise images to draw in, each free in its middle."""
    rng = np.random.default_rng(0)
    free = np.zeros((side, side), dtype=np.float32)
    free[side // 3 : side // 2, side // 3 : side // 2] = 1
    good_images = rng.integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    return [Start(good, good, free, "dent", seed) for seed, good in enumerate(good_images)]


def without_masks(draw: Callable[[], list[Drawn]], side: int, count: int) -> list[Drawn]:
    """The same drawing with the mask head left out."""
    import torch

    silent = mock.patch.multiple(
        MaskReader, watch=lambda _self, _step: None, probability=lambda _self, _seen: torch.zeros(count, side, side)
    )
    with silent:
        return draw()


def main() -> None:
    """Print both times, their ratio, and whether the images agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="tiny")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    config = SeasConfig(base=arguments.base)
    model = build_model(arguments.base, config)
    side, count = model.settings.resolution, arguments.batch
    starts = build_starts(side, count)

    def draw() -> list[Drawn]:
        return draw_windows(model, starts, model.settings)

    def plain() -> list[Drawn]:
        return without_masks(draw, side, count)

    equal = all(np.array_equal(a.image, b.image) for a, b in zip(draw(), plain(), strict=True))
    # Processor seconds and turn about, so that other work on the machine does not decide.
    clock = partial(timeit.timeit, timer=time.process_time, number=1)
    times = [(clock(draw), clock(plain)) for _ in range(arguments.repeats)]
    masked, bare = (min(column) for column in zip(*times, strict=True))
    print(f"batch of {count} at {side} px, {config.steps} steps at strength {model.settings.strength}")
    print(f"with masks {masked:.2f} CPU s, without {bare:.2f}: ratio {masked / bare:.3f} (wanted at most 1.25)")
    print(f"images equal: {equal}")


if __name__ == "__main__":
    main()
