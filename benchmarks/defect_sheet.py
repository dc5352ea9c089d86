"""A sheet of a run's samples: good image, with its defect, the mask's outline, and the new normals, close up.

Question: does a dent look like a dent, does a crack follow the surface, does anything float?
Command: python benchmarks/defect_sheet.py outputs/rgbd sheet.png [samples of each type]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from synth.dual.frame import normals
from synth.io.thumbnails import close_up, cut_out
from synth.pipeline.runs import Run
from synth.sample import Sample

SIDE = 150


def views(sample: Sample) -> list[np.ndarray]:
    """The images of one sample, uint8 (h, w, 3)."""
    assert sample.image is not None
    assert sample.mask is not None
    outline = sample.image.copy()
    outline[ndimage.binary_dilation(sample.mask, iterations=2) & ~ndimage.binary_dilation(sample.mask)] = (255, 0, 90)
    shown = [sample.image, outline]
    if sample.xyz is not None:
        turned = normals(sample.xyz, sample.xyz[..., 2] > 0, 1.5)
        shown.append(np.uint8(127.5 + 127.5 * turned))
    box = close_up(sample.mask)
    return [cut_out(view, box) for view in shown]


def sheet(samples: list[Sample], columns: int) -> Image.Image:
    """All samples, `columns` a row."""
    tiles = [np.hstack([np.asarray(Image.fromarray(v).resize((SIDE, SIDE))) for v in views(s)]) for s in samples]
    while len(tiles) % columns:
        tiles.append(np.zeros_like(tiles[0]))
    rows = [np.hstack(tiles[k : k + columns]) for k in range(0, len(tiles), columns)]
    return Image.fromarray(np.vstack(rows))


if __name__ == "__main__":
    run, out = Path(sys.argv[1]), Path(sys.argv[2])
    most = int(sys.argv[3]) if len(sys.argv) > 3 else 4
    taken: dict[str, list[Sample]] = {}
    for one in Run(run).samples():
        if len(taken.setdefault(str(one.defect), [])) < most:
            taken[str(one.defect)].append(one)
    # 256 colours: a third of the size, and no difference to the eye.
    sheet([one for kind in taken.values() for one in kind], most).quantize(256).save(out, optimize=True)
    print(f"{out}: a row each for {', '.join(taken)}")
