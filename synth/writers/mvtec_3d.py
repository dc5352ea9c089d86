"""The MVTec 3D-AD tree, as every RGB-D anomaly-detection library reads it:

<product>/train/good/{rgb/NNN.png, xyz/NNN.tiff}               the good scans
<product>/test/good/{rgb/NNN.png, xyz/NNN.tiff, gt/NNN.png}       those kept for testing; gt is 0 everywhere
<product>/test/<defect>/{rgb/NNN.png, xyz/NNN.tiff, gt/NNN.png}   the synthetic defects; gt is 0 and 255

NNN counts from 000 within a folder; names.json gives the id behind each. xyz is float32 (H, W, 3) in metres with
(0, 0, 0) where nothing returned. As in the 2D tree, training defects stand under test/, where readers look.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from synth.errors import WriterError
from synth.io.encoded import encode
from synth.io.json_text import json_text
from synth.io.names import GOOD, file_name
from synth.io.png import png_bytes
from synth.sample import Sample
from synth.writers.sink import FolderSink


def write(samples: Iterable[Sample], sink: FolderSink) -> None:
    """Write the tree. WriterError for samples without organised clouds."""
    count: Counter[str] = Counter()
    names: dict[str, str] = {}
    for sample in samples:
        files = encode(sample)
        if sample.xyz is None or "image" not in files:
            raise WriterError(f"{sample.id} has no organised cloud; choose output.format mvtec, ply or parquet")
        tested = sample.defect is not None or sample.split == "test"
        kind = GOOD if sample.defect is None else file_name(sample.defect)
        place = f"{file_name(str(sample.product))}/{'test' if tested else 'train'}/{kind}"
        name = f"{count[place]:03d}"
        count[place] += 1
        names[f"{place}/rgb/{name}.png"] = sample.id
        sink.put(f"{place}/rgb/{name}.png", files["image"])
        sink.put(f"{place}/xyz/{name}.tiff", files["xyz"])
        if tested:
            blank = np.zeros(sample.xyz.shape[:2], bool)
            sink.put(f"{place}/gt/{name}.png", files["mask"] if "mask" in files else png_bytes(blank))
    ordered = dict(sorted(names.items(), key=lambda item: "/test/" in item[0]))
    sink.put("names.json", json_text(ordered, indent=1, ensure_ascii=False).encode())
