"""The MVTec 3D-AD tree, as every RGB-D anomaly-detection library reads it:

<product>/train/good/{rgb/NNN.png, xyz/NNN.tiff}               the good scans
<product>/test/<defect>/{rgb/NNN.png, xyz/NNN.tiff, gt/NNN.png}   the synthetic defects; gt is 0 and 255

NNN counts from 000 within a folder; names.json tells the id behind each. xyz is float32 (H, W, 3) in metres with
(0, 0, 0) where nothing returned. As in the 2D tree, training defects stand under test/, where readers look.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from synth.errors import WriterError
from synth.io.names import file_name
from synth.pipeline.folder import link_or_copy, write_whole
from synth.pipeline.journal import Record
from synth.pipeline.real import RealImage
from synth.writers import Dataset


def write(dataset: Dataset, folder: Path) -> None:
    """Write the tree under `folder`, as hard links where the file system has them. WriterError for samples without
    organised clouds."""
    count: Counter[str] = Counter()
    names: dict[str, str] = {}
    entries: list[RealImage | Record] = [*dataset.good_images, *dataset.records]
    for entry in entries:
        if "xyz" not in entry.extras:
            raise WriterError(f"{entry.id} has no organised cloud; choose output.format mvtec, ply or parquet")
        kind = "train/good" if isinstance(entry, RealImage) else f"test/{file_name(str(entry.defect))}"
        place = f"{file_name(entry.product)}/{kind}"
        name = f"{count[place]:03d}"
        count[place] += 1
        names[f"{place}/rgb/{name}.png"] = entry.id
        files = {f"rgb/{name}.png": str(entry.image), f"xyz/{name}.tiff": entry.extras["xyz"][0]}
        if isinstance(entry, Record):
            files[f"gt/{name}.png"] = entry.files[1]
        for target, source in files.items():
            link_or_copy(dataset.root / source, folder / place / target)
    write_whole(folder / "names.json", json.dumps(names, indent=1, ensure_ascii=False).encode())
