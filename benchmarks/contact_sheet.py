"""A sheet of a run's samples close up, real defects on the left if asked for, three rows a defect type: image, mask
outline, and where in the whole image it lies.

python benchmarks/contact_sheet.py outputs/magnetic_tile sheet.png [--each 12] [--real 4] [--side 128]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image, ImageDraw
from scipy import ndimage

from synth.io.images import read_image, read_mask
from synth.io.thumbnails import close_up, cut_out
from synth.pipeline.folder import RunFolder
from synth.pipeline.real import read_real

Files = tuple[Path, Path]
GAP = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--each", type=int, default=12, help="samples a defect type")
    parser.add_argument("--real", type=int, default=0, help="real defects a defect type, left of a white line")
    parser.add_argument("--side", type=int, default=128, help="side of a tile, px")
    args = parser.parse_args()
    rows = pq.read_table(args.run / "manifest.parquet").to_pylist()
    real = [shot for shot in read_real(RunFolder(args.run)) if shot.role == "shot"]
    lines = []
    for product, defect in sorted({(row["product"], row["defect"]) for row in rows}):
        made = [row for row in rows if (row["product"], row["defect"]) == (product, defect)]
        shots = [shot for shot in real if (shot.product, shot.defect) == (product, defect)]
        parts = [strip([(args.run / row["image"], args.run / row["mask"]) for row in spread(made, args.each)], args)]
        if args.real:
            files = [(s.path(args.run, "image"), s.path(args.run, "mask")) for s in spread(shots, args.real)]
            parts = [strip(files, args, args.real), np.full((3 * args.side, GAP, 3), 255, np.uint8), *parts]
        lines.append(np.hstack(parts))
    args.target.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.vstack(lines)).save(args.target, quality=85)
    print(f"{args.target}: {len(lines)} defect types")


def spread(things: list, count: int) -> list:
    """`count` of them, evenly taken."""
    return [things[i] for i in np.linspace(0, len(things) - 1, min(count, len(things))).astype(int)]


def strip(pairs: list[Files], args: argparse.Namespace, count: int | None = None) -> np.ndarray:
    """Three rows of tiles, one column for each pair of image and mask."""
    shown = [tiles(image, mask, args.side) for image, mask in pairs]
    shown += [np.zeros((3 * args.side, args.side, 3), np.uint8)] * ((count or args.each) - len(shown))
    return np.hstack(shown)


def tiles(image_file: Path, mask_file: Path, side: int) -> np.ndarray:
    """The defect close up, the same with the mask's outline in red, and the whole image with the defect circled:
    uint8 (3 side, side, 3)."""
    image, mask = read_image(image_file), read_mask(mask_file)
    box = close_up(mask)
    near, inner = cut_out(image, box), cut_out(mask, box)
    scale = side / max(inner.shape)
    size = (max(1, round(inner.shape[1] * scale)), max(1, round(inner.shape[0] * scale)))
    small = np.asarray(Image.fromarray(near).resize(size, Image.Resampling.LANCZOS))
    inside = np.asarray(Image.fromarray(inner.astype(np.uint8) * 255).resize(size, Image.Resampling.BOX)) > 60
    rim = ndimage.binary_dilation(inside, iterations=2) & ~ndimage.binary_dilation(inside)
    outlined = np.where(rim[..., None], np.array([255, 40, 40], np.uint8), small)
    pad = ((0, side - size[1]), (0, side - size[0]), (0, 0))
    return np.vstack([np.pad(small, pad), np.pad(outlined, pad), circled(image, mask, side)])


def circled(image: np.ndarray, mask: np.ndarray, side: int) -> np.ndarray:
    """The whole image with a circle around the defect, uint8 (side, side, 3)."""
    canvas = Image.new("RGB", (side, side))
    whole = Image.fromarray(image)
    whole.thumbnail((side, side))
    canvas.paste(whole)
    scale = whole.width / image.shape[1]
    rows, columns = np.nonzero(mask)
    middle = np.array([columns.min() + columns.max(), rows.min() + rows.max()]) / 2 * scale
    radius = max(5.0, 0.7 * scale * max(np.ptp(rows), np.ptp(columns)))
    ImageDraw.Draw(canvas).ellipse([*(middle - radius), *(middle + radius)], outline=(255, 40, 40), width=1)
    return np.asarray(canvas)


if __name__ == "__main__":
    main()
