"""A sheet of a run's samples, generated only, close up: image over mask outline, one row pair a defect type.

python benchmarks/contact_sheet.py outputs/magnetic_tile docs/images/magnetic_tile.png [--each 12] [--side 128]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image
from scipy import ndimage

from synth.images import read_image, read_mask
from synth.writers.thumbnails import close_up, cut_out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--each", type=int, default=12, help="samples a defect type")
    parser.add_argument("--side", type=int, default=128, help="side of a tile, px")
    args = parser.parse_args()
    rows = pq.read_table(args.run / "manifest.parquet").to_pylist()
    lines = []
    for product, defect in sorted({(row["product"], row["defect"]) for row in rows}):
        chosen = [row for row in rows if (row["product"], row["defect"]) == (product, defect)]
        chosen = [chosen[i] for i in np.linspace(0, len(chosen) - 1, min(args.each, len(chosen))).astype(int)]
        pairs = [tiles(args.run / row["image"], args.run / row["mask"], args.side) for row in chosen]
        pairs += [tuple(np.zeros((2, args.side, args.side, 3), np.uint8))] * (args.each - len(pairs))
        lines += [np.hstack([image for image, _ in pairs]), np.hstack([outlined for _, outlined in pairs])]
    args.target.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.vstack(lines)).save(args.target)
    print(f"{args.target}: {len(lines) // 2} defect types")


def tiles(image_file: Path, mask_file: Path, side: int) -> tuple[np.ndarray, np.ndarray]:
    """The defect close up in a square tile, and the same with the mask's outline in red: uint8 (side, side, 3)."""
    image, mask = read_image(image_file), read_mask(mask_file)
    box = close_up(mask)
    image, mask = cut_out(image, box), cut_out(mask, box)
    scale = side / max(mask.shape)
    size = (max(1, round(mask.shape[1] * scale)), max(1, round(mask.shape[0] * scale)))
    small = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))
    inside = np.asarray(Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BOX)) > 60
    rim = ndimage.binary_dilation(inside, iterations=2) & ~ndimage.binary_dilation(inside)
    outlined = np.where(rim[..., None], np.array([255, 40, 40], np.uint8), small)
    pad = ((0, side - size[1]), (0, side - size[0]), (0, 0))
    return np.pad(small, pad), np.pad(outlined, pad)


if __name__ == "__main__":
    main()
