"""How dear is a sample, by its freedom? CPU seconds a window, and how many times quicker than before the dial.

    python benchmarks/generation.py [--batch 16] [--repeats 3] [--base tiny]

Before, every sample of a batch went through 18 of 25 steps and had its mask read off, whatever noise it started from.
Now each takes the steps of its own freedom, drawn evenly up to the recipe's, and masks are read above a freedom of 0.5
alone. The last line says what reading them adds (wanted at most 1.25), and whether it leaves the images as they are.
Weights do not matter here: without the bundled base its untrained shape is timed.
"""

from __future__ import annotations

import argparse
import time
import timeit
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np

from synth.seas.base import BUNDLED, TINY, build_untrained, load_base
from synth.seas.config import SeasConfig
from synth.seas.drawing import MaskReader, draw_windows
from synth.seas.finetune import Finetuned, resolve
from synth.seas.freedom import LABELLED_BY_PASTE, steps_taken
from synth.seas.mask_training import build_mask_head
from synth.seas.plan import Drawn, Start
from synth.seas.prompts import UnbalancedPrompts, add_tokens

BEFORE, FREEDOMS = 18, (0.2, 0.3, 0.5)


def build_model(base: str, config: SeasConfig) -> Finetuned:
    """A model with new tokens and an untrained mask head; the untrained bundled shape where it is not installed."""
    present = base != "tiny" or (Path(BUNDLED) / "model_index.json").is_file()
    pipeline = load_base(base) if present else build_untrained(TINY)
    prompts = UnbalancedPrompts.plan("plate", ["dent"], config.product_tokens, config.defect_tokens)
    add_tokens(pipeline.tokenizer, pipeline.text_encoder, prompts, {}, from_names=False)
    return Finetuned(pipeline, build_mask_head(pipeline).eval(), prompts, resolve(config, pipeline))


def build_starts(side: int, taken: Sequence[int], read: bool) -> list[Start]:
    """Noise images to draw in, each free in its middle; one for each number of steps that is not 0."""
    rng = np.random.default_rng(0)
    free = np.zeros((side, side), dtype=np.float32)
    free[side // 3 : side // 2, side // 3 : side // 2] = 1
    images = rng.integers(0, 256, (len(taken), side, side, 3), dtype=np.uint8)
    return [Start(image, free, "dent", seed, taken[seed], read) for seed, image in enumerate(images) if taken[seed]]


def steps_of(freedom: float, count: int, steps: int) -> list[int]:
    """What `count` samples take of all steps."""
    return [steps_taken(freedom, steps, np.random.default_rng(seed)) for seed in range(count)]


def without_masks(draw: Callable[[], list[Drawn]], side: int, count: int) -> list[Drawn]:
    """The same drawing with the mask head left out."""
    import torch

    silent = mock.patch.multiple(
        MaskReader, watch=lambda _self, _step: None, probability=lambda _self, _seen: torch.zeros(count, side, side)
    )
    with silent:
        return draw()


def main() -> None:
    """Print the times and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="tiny")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    config = SeasConfig(base=arguments.base)
    model = build_model(arguments.base, config)
    side, count, steps = model.settings.resolution, arguments.batch, config.steps

    def draw(taken: Sequence[int], read: bool) -> list[Drawn]:
        return draw_windows(model, build_starts(side, taken, read), model.settings)

    # Processor seconds and turn about, so that other work on the machine does not decide.
    clock = partial(timeit.timeit, timer=time.process_time, number=1)
    ways: dict[str, Callable[[], object]] = {"before": lambda: draw([BEFORE] * count, True)}
    for freedom in FREEDOMS:
        ways[f"freedom {freedom}"] = partial(draw, steps_of(freedom, count, steps), freedom > LABELLED_BY_PASTE)
    times = [{name: clock(way) for name, way in ways.items()} for _ in range(arguments.repeats)]
    best = {name: min(row[name] for row in times) / count for name in ways}
    for name, seconds in best.items():
        print(f"{name:12} {seconds:.3f} CPU s a sample, {best['before'] / seconds:.1f} times as quick", flush=True)
    whole = [steps] * count
    plain = partial(without_masks, lambda: draw(whole, True), side, count)
    equal = all(np.array_equal(a.image, b.image) for a, b in zip(draw(whole, True), plain(), strict=True))
    pairs = [(clock(lambda: draw(whole, True)), clock(plain)) for _ in range(arguments.repeats)]
    masked, bare = (min(column) for column in zip(*pairs, strict=True))
    print(f"masks read: {masked / bare:.3f} times as long (wanted at most 1.25), images equal: {equal}")


if __name__ == "__main__":
    main()
