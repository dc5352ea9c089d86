"""Image and mask folders, as mmsegmentation's BaseSegDataset reads them:

img_dir/<split>/NAME.png       split: train, val, test
ann_dir/<split>/NAME.png       grey: 0 = background, k = the k-th class; black for a good image
classes.txt                    the classes, "background" first, then the defect types in alphabetical order
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from synth.io.png import png_bytes, read_png
from synth.sample import Sample
from synth.writers.labelled import Size, collect, few_classes, write_note
from synth.writers.regions import Region
from synth.writers.sink import FolderSink

_NOTE = """\
    img_dir/<split>/   the images
    ann_dir/<split>/   masks of class numbers; black for a good image
    classes.txt        the class of each number, from 0 on

"""


def write(samples: Iterable[Sample], sink: FolderSink) -> None:
    """Write them. WriterError for a sample without an image, a defective one without a mask, and for more classes than
    an 8-bit mask has."""
    found = collect(samples, sink, "img_dir/{split}", _mask)
    names = few_classes(found)
    for one in found:
        number = 0 if one.kind is None else names.index(one.kind) + 1
        content = png_bytes(read_png(one.shapes).astype(np.uint8) * np.uint8(number), even=True)
        sink.put(f"ann_dir/{one.split}/{one.file}", content)
    sink.put("classes.txt", "".join(f"{name}\n" for name in ["background", *names]).encode())
    write_note(sink, "Images and masks of class numbers", _NOTE)


def _mask(found: list[Region], size: Size) -> bytes:
    """All regions as a PNG of 0 and 255."""
    whole = np.zeros(size, bool)
    for region in found:
        whole |= region.drawn(size)
    return png_bytes(whole)
