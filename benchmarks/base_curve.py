"""The U-Net's training loss over the images it has seen, from logs of `python -m synth.seas.pretraining.training`, as
SVG.

python benchmarks/base_curve.py DIR/log.jsonl [NEXT/log.jsonl ...] --out docs/images/base_training.svg

Logs of trainings that resumed each other follow one another, each with a line of its own.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

LEFT, RIGHT, TOP, BOTTOM = 64, 640, 12, 200
SMOOTHED = 5
"""Entries of the log, 50 steps each, that the thick line averages."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.write_text(curve([read_log(file) for file in args.logs]))


def read_log(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images seen so far (N,), and the mean loss of the steps since the entry before (N,)."""
    entries = [json.loads(line) for line in file.read_text().splitlines()]
    by_step = {entry["step"]: entry for entry in entries if entry["stage"] == "unet"}
    ordered = [entry for _, entry in sorted(by_step.items())]
    return np.array([one["step"] * one["batch"] for one in ordered]), np.array([one["loss"] for one in ordered])


def curve(trainings: Sequence[tuple[np.ndarray, np.ndarray]]) -> str:
    every = np.concatenate([loss for _, loss in trainings])
    low, high = np.quantile(every, [0.0, 0.98])
    total, begin = sum(seen.max() for seen, _ in trainings), 0
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {RIGHT + 16} {BOTTOM + 40}" font-family="sans-serif"'
    parts = [
        f'{head} font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        _text((LEFT + RIGHT) / 2, BOTTOM + 36, "thousand images seen"),
    ]
    for seen, loss in trainings:
        x = LEFT + (RIGHT - LEFT) * (begin + seen) / total
        y = BOTTOM - (BOTTOM - TOP) * (np.clip(loss, low, high) - low) / (high - low)
        wide = min(SMOOTHED, len(y))
        smooth = np.convolve(y, np.ones(wide) / wide, mode="valid")
        parts += [_line(x, y, "#9ec5ea", 1), _line(x[wide - 1 :], smooth, "#0b5cad", 2)]
        begin += seen.max()
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(_text(LEFT + (RIGHT - LEFT) * share, BOTTOM + 18, f"{share * total / 1000:.0f}"))
        parts.append(_text(LEFT / 2, BOTTOM - (BOTTOM - TOP) * share + 4, f"{low + (high - low) * share:.4f}"))
    return "\n".join([*parts, "</svg>\n"])


def _line(x: Iterable[float], y: Iterable[float], colour: str, width: int) -> str:
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def _text(x: float, y: float, words: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="middle">{words}</text>'


if __name__ == "__main__":
    main()
