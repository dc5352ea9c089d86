"""RAD: how much faster are the products than the loop over patches, what does half precision change, which layout reads
k images faster from a disk, and how much memory does a bank larger than the RAM take?

python benchmarks/rad.py                   the first three, and a bank of 100 images served from a file
python benchmarks/rad.py --images 3600     17 GB in half precision in the folder of temporary files, for minutes

The features are random: 28 x 28 cells, 768 channels, four levels, as of a ViT-B/16 at 448 px.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from timing import seconds
from torch import Tensor

from eval.detectors.rad import scoring
from eval.detectors.rad.maps import image_scores, smooth_maps
from eval.detectors.rad.memory import GrowingMemory

GRID, CHANNELS, LEVELS = (28, 28), 768, 4
CELLS = GRID[0] * GRID[1]
PROTOTYPES = 16


def tokens(images: int, seed: int, noise: float = 0.5) -> Tensor:
    """Tokens (images, L, C): a prototype by place, and noise of each image's own."""
    generator = torch.Generator().manual_seed(seed)
    prototypes = torch.randn(PROTOTYPES, CHANNELS, generator=torch.Generator().manual_seed(1))
    made = prototypes[torch.arange(CELLS) % PROTOTYPES]
    return scoring.directions(made + noise * torch.randn(images, CELLS, CHANNELS, generator=generator))


def by_patches(query: Tensor, memory: Tensor, rho: int) -> Tensor:
    """The usual form for one level: patch by patch, the window's rows gathered and normalised each time; (L,)."""
    height, width = GRID
    away = torch.empty(CELLS)
    for patch in range(CELLS):
        row, column = divmod(patch, width)
        rows = range(max(0, row - rho), min(height, row + rho + 1))
        columns = range(max(0, column - rho), min(width, column + rho + 1))
        places = [r * width + c for r in rows for c in columns]
        gathered = torch.nn.functional.normalize(memory[:, places], dim=-1)
        away[patch] = 1 - torch.einsum("c,kpc->kp", query[patch], gathered).max()
    return away


def speed(k: int, rho: int) -> dict[str, float]:
    query, memory = tokens(1, 0)[0], tokens(k, 2)
    window = scoring.window(GRID, rho)
    loop: list[Tensor] = []
    slow = seconds(lambda: loop.append(by_patches(query, memory, rho)), 1)
    fast = seconds(lambda: scoring.best_similarity(query, memory, window), 3)
    half = memory.half()
    fast_half = seconds(lambda: scoring.best_similarity(query, half, window), 3)
    apart = float((1 - scoring.best_similarity(query, memory, window) - loop[0]).abs().max())
    return {
        "loop_s": round(slow, 2),
        "products_s": round(fast, 3),
        "products_half_s": round(fast_half, 3),
        "times_faster": round(slow / fast, 1),
        "largest_difference": apart,
    }


def precision(images: int, queries: int) -> dict[str, object]:
    """Do the image scores of queries of growing noise, a few of them damaged, come in the same order?"""
    memory, window = tokens(images, 2), scoring.window(GRID, 1)
    scores: dict[torch.dtype, Tensor] = {}
    for kind in (torch.float32, torch.float16):
        bank, found = memory.to(kind), []
        for number in range(queries):
            query = tokens(1, 100 + number, 0.5 + 0.002 * number)[0]
            if number % 4 == 0:
                query[300:304] = tokens(1, 200 + number, 3)[0, :4]
            away = scoring.distances([query], [bank], torch.arange(images), window, [1.0])
            found.append(image_scores(smooth_maps(away.reshape(1, *GRID), 256, 1.0), 0.01))
        scores[kind] = torch.cat(found)
    full, half = scores[torch.float32], scores[torch.float16]
    return {
        "bytes_full_over_half": memory.nbytes / memory.half().nbytes,
        "same_order": bool((full.argsort() == half.argsort()).all()),
        "largest_difference": float((full - half).abs().max()),
        "least_gap": float(full.sort().values.diff().min()),
    }


def layouts(folder: Path, images: int, k: int) -> dict[str, float]:
    """Seconds to read k images of a mapped file that is not in memory, image by image or place by place."""
    bank, found = tokens(8, 2).half().numpy()[np.arange(images) % 8], {}
    rows = np.sort(np.random.default_rng(0).choice(images, k, replace=False))
    reads: dict[str, Callable[[np.ndarray], object]] = {
        "by_image": lambda mapped: mapped[rows],
        "by_place": lambda mapped: mapped[:, rows],
    }
    for name, read in reads.items():
        path = folder / f"{name}.bin"
        laid = np.ascontiguousarray(bank if name == "by_image" else bank.swapaxes(0, 1))
        laid.tofile(path)
        forget(path)
        began = time.perf_counter()
        read(np.memmap(path, np.float16, "r", shape=laid.shape))
        found[f"{name}_cold_s"] = round(time.perf_counter() - began, 3)
        began = time.perf_counter()
        read(np.memmap(path, np.float16, "r", shape=laid.shape))
        found[f"{name}_warm_s"] = round(time.perf_counter() - began, 3)
        path.unlink()
    return found


def forget(path: Path) -> None:
    """Have the system forget what it holds of a file, where it can be asked to."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def resident() -> dict[str, float]:
    """GB of this process in memory: its own, and pages of mapped files, which the system takes back when it needs room;
    Linux alone."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return {
        line.split(":")[0]: round(int(line.split()[1]) / 1e6, 2)
        for line in lines
        if line.startswith(("RssAnon", "RssFile", "VmHWM"))
    }


def served(images: int, k: int, queries: int) -> dict[str, object]:
    """A bank of all levels in a file, grown image by image, and queries against it."""
    growing = [GrowingMemory(torch.float16) for _ in range(LEVELS)]
    whole, began = GrowingMemory(torch.float32), time.perf_counter()
    base = tokens(8, 3).half()
    for start in range(0, images, 8):
        count = min(8, images - start)
        for level, memory in enumerate(growing):
            memory.append(base[:count].roll((start + level) % CHANNELS, -1))
        whole.append(torch.randn(count, CHANNELS, generator=torch.Generator().manual_seed(start)))
    bank, vectors = [memory.mapped() for memory in growing], whole.mapped()
    grown, after = time.perf_counter() - began, resident()
    window, began, worked = scoring.window(GRID, 1), time.perf_counter(), time.process_time()
    for number in range(queries):
        vector = torch.randn(1, CHANNELS, generator=torch.Generator().manual_seed(10**6 + number))
        _, rows = scoring.retrieved(vector, vectors, k)
        scoring.distances([tokens(1, number)[0]] * LEVELS, bank, rows[0], window, [1 / LEVELS] * LEVELS)
    return {
        "bank_gb": round(sum(level.nbytes for level in bank) / 1e9, 2),
        "in_float32_gb": round(2 * sum(level.nbytes for level in bank) / 1e9, 2),
        "written_s": round(grown, 1),
        "resident_gb_before_queries": after,
        "resident_gb_after_queries": resident(),
        "s_an_image": round((time.perf_counter() - began) / queries, 2),
        "processor_s_an_image": round((time.process_time() - worked) / queries, 2),
        "read_mb_an_image": round(min(k, images) * LEVELS * CELLS * CHANNELS * 2 / 1e6),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--k-image", type=int, default=150)
    parser.add_argument("--queries", type=int, default=8)
    parser.add_argument("--rho", type=int, default=1)
    parser.add_argument("--only", choices=["speed", "precision", "layouts", "served"])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    args = parser.parse_args()
    parts: dict[str, Callable[[], object]] = {
        "served": lambda: served(args.images, args.k_image, args.queries),
        "speed": lambda: speed(args.k_image, args.rho),
        "precision": lambda: precision(40, 32),
        "layouts": lambda: layouts(args.folder, 720, 30),
    }
    print(json.dumps({name: part() for name, part in parts.items() if args.only in (None, name)}, indent=1))


if __name__ == "__main__":
    main()
