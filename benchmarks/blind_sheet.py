"""A blind test for the eye: real and drawn defects of a run mixed, close up, one row a defect type, without labels; the
key is at the bottom, where R is a real one. Cover it, guess, and count.

python benchmarks/blind_sheet.py outputs/magnetic_tile sheet.png [--each 5] [--side 120]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from contact_sheet import Files, spread
from PIL import Image, ImageDraw, ImageFont

from synth.io.images import read_image, read_mask
from synth.io.thumbnails import close_up, cut_out
from synth.pipeline.folder import RunFolder
from synth.pipeline.real import read_real

LINE = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--each", type=int, default=5, help="real ones of a defect type, and as many drawn ones")
    parser.add_argument("--side", type=int, default=120, help="side of a tile, px")
    parser.add_argument("--seed", type=int, default=0, help="of their order")
    args = parser.parse_args()
    rng, rows, key = np.random.default_rng(args.seed), [], []
    for number, (name, real, drawn) in enumerate(by_type(args.run), start=1):
        kinds = (("R", spread(real, args.each)), ("d", spread(drawn, args.each)))
        chosen = [(letter, *files) for letter, pairs in kinds for files in pairs]
        mixed = [chosen[index] for index in rng.permutation(len(chosen))]
        tiles = [near(image, mask, args.side) for _, image, mask in mixed]
        tiles += [np.zeros((args.side, args.side, 3), np.uint8)] * (2 * args.each - len(tiles))
        rows.append(np.hstack(tiles))
        key.append(f"{number} {name}: {' '.join(letter for letter, *_ in mixed)}")
    sheet = np.vstack([*rows, in_print(key, rows[0].shape[1])])
    args.target.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(args.target, quality=88)
    print("\n".join(key))


def by_type(run: Path) -> list[tuple[str, list[Files], list[Files]]]:
    """(name, files of the shots, files of the drawn ones) of every product and defect type."""
    rows = pq.read_table(run / "manifest.parquet").to_pylist()
    shots = [shot for shot in read_real(RunFolder(run)) if shot.role == "shot"]
    found = []
    for kind in sorted({(row["product"], row["defect"]) for row in rows}):
        real = [(s.path(run, "image"), s.path(run, "mask")) for s in shots if (s.product, s.defect) == kind]
        drawn = [(run / r["image"], run / r["mask"]) for r in rows if (r["product"], r["defect"]) == kind]
        found.append(("/".join(kind), real, drawn))
    return found


def near(image_file: Path, mask_file: Path, side: int) -> np.ndarray:
    """The defect close up, uint8 (side, side, 3)."""
    image, mask = read_image(image_file), read_mask(mask_file)
    small = Image.fromarray(cut_out(image, close_up(mask)))
    small = small.resize((side, side), Image.Resampling.LANCZOS) if small.width == small.height else small
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    canvas = Image.new("RGB", (side, side))
    canvas.paste(small)
    return np.asarray(canvas)


def in_print(lines: list[str], width: int) -> np.ndarray:
    """Lines of small print, uint8 (h, width, 3)."""
    canvas = Image.new("RGB", (width, LINE * (len(lines) + 1)), "white")
    draw = ImageDraw.Draw(canvas)
    for number, line in enumerate(lines):
        draw.text((4, LINE * number + LINE // 2), line, fill="black", font=ImageFont.load_default(11))
    return np.asarray(canvas)


if __name__ == "__main__":
    main()
