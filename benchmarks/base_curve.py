"""The U-Net's training loss over the pictures it has seen, from the log of `python -m synth.seas.pretrain`, as SVG.

python benchmarks/base_curve.py DIR/log.jsonl --out docs/images/base_training.svg
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

LEFT, RIGHT, TOP, BOTTOM = 64, 640, 12, 200
SMOOTHED = 5
"""Entries of the log, 50 steps each, that the thick line averages."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    entries = [json.loads(line) for line in args.log.read_text().splitlines()]
    by_step = {entry["step"]: entry for entry in entries if entry["stage"] == "unet"}
    seen = [entry["step"] * entry["batch"] for _, entry in sorted(by_step.items())]
    args.out.write_text(curve(np.array(seen), np.array([entry["loss"] for _, entry in sorted(by_step.items())])))


def curve(seen: np.ndarray, loss: np.ndarray) -> str:
    """seen, loss (N,): pictures so far, and the mean loss of the steps since the entry before."""
    low, high = np.quantile(loss, [0.0, 0.98])
    x = LEFT + (RIGHT - LEFT) * seen / seen.max()
    y = BOTTOM - (BOTTOM - TOP) * (np.clip(loss, low, high) - low) / (high - low)
    smooth = np.convolve(y, np.ones(SMOOTHED) / SMOOTHED, mode="valid")
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {RIGHT + 16} {BOTTOM + 40}" font-family="sans-serif"'
    parts = [
        f'{head} font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        _line(x, y, "#9ec5ea", 1),
        _line(x[SMOOTHED - 1 :], smooth, "#0b5cad", 2),
        _text((LEFT + RIGHT) / 2, BOTTOM + 36, "thousand pictures seen"),
    ]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(_text(LEFT + (RIGHT - LEFT) * share, BOTTOM + 18, f"{share * seen.max() / 1000:.0f}"))
        parts.append(_text(LEFT / 2, BOTTOM - (BOTTOM - TOP) * share + 4, f"{low + (high - low) * share:.4f}"))
    return "\n".join([*parts, "</svg>\n"])


def _line(x: Iterable[float], y: Iterable[float], colour: str, width: int) -> str:
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def _text(x: float, y: float, words: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="middle">{words}</text>'


if __name__ == "__main__":
    main()
