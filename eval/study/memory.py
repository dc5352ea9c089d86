"""How much memory the trainings of a study need, known before the first of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from synth.errors import EvalError
from synth.io.memory import machine_memory

_BYTES_A_PIXEL = 4
"""Three of the image, one of the mask."""


def check_memory(real: int, made: Sequence[int], resolution: int, workers: int) -> None:
    """EvalError where the images to train on exceed the free memory of the machine: `real` images, and the `made` ones
    of each training set, at (resolution, resolution) px; `workers` trainings at once. Nothing where the system does not
    say what is free."""
    free = free_memory()
    needed = needed_bytes(real, made, resolution, workers)
    if free is None or needed <= free:
        return
    raise EvalError(
        f"training needs about {needed / 1e9:.1f} GB for {len(made)} training sets of up to {real + max(made)} images "
        f"at {resolution} px, {workers} at once, and {free / 1e9:.1f} GB are free; choose a smaller resolution "
        f"(--set resolution={max(32, resolution // 64 * 32)}), fewer at once (--workers 1), or fewer training sets "
        "or images (request.per_defect and source.good_limit in the recipe)"
    )


def needed_bytes(real: int, made: Sequence[int], resolution: int, workers: int) -> int:
    """All samples once; and for each training that runs at the same time its pool, and in a process of its own the
    samples once more."""
    largest = real + max(made)
    copies = workers * (1 if workers == 1 else 2)
    return (real + sum(made) + copies * largest) * resolution**2 * _BYTES_A_PIXEL


def free_memory() -> int | None:
    """Bytes that this process may still take without swapping; all that it may use where only that is known, None where
    the system says nothing."""
    known = machine_memory()
    found = [] if known is None else [known]
    with suppress(OSError, KeyError, ValueError):
        text = Path("/proc/meminfo").read_text(encoding="ascii")
        lines = dict(line.split(":", 1) for line in text.splitlines())
        found.append(int(lines["MemAvailable"].split()[0]) * 1024)
    return min(found, default=None)
