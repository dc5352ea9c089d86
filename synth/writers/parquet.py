"""Hugging Face `datasets` parquet, opened by load_dataset("parquet", data_files="data/train-*.parquet").

| column     | type                  | meaning                                                              |
|------------|-----------------------|----------------------------------------------------------------------|
| id         | string                | the sample's id                                                      |
| image      | Image                 | PNG bytes, RGB                                                       |
| mask       | Image                 | PNG bytes, grey, 0 and 255; all 0 for a good image                   |
| product    | ClassLabel            | what is inspected                                                    |
| defect     | ClassLabel            | the defect type; 0 is "good"                                         |
| bbox       | list of list of int32 | left, top, width, height in px, one a connected piece of the mask    |
| seed       | int64                 | the sample's own seed; none for a good image                         |
| provenance | string                | JSON: where it came from, hashes, window, scores                     |
| xyz        | Array3D float32       | organised cloud (H, W, 3) in metres; none for samples without        |
| points     | list of list of float | x, y, z, label of an unorganised cloud, metres; none without         |

The column types are embedded in the files, so images arrive decoded and labels named. Files named
train-00000-of-0000N.parquet hold about SHARD_BYTES of images each; the same run gives the same bytes.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from scipy import ndimage

from synth.atomic import replacing
from synth.geometry_files import read_extras
from synth.journal import Record
from synth.real import RealImage
from synth.run_folder import png_bytes
from synth.writers import Dataset

SHARD_BYTES = 256 * 2**20
ROWS_A_GROUP = 100


def write(dataset: Dataset, folder: Path, shard_bytes: int = SHARD_BYTES) -> None:
    """Write the shards under `folder`: first the samples, then the goods."""
    entries: list[Record | RealImage] = [*dataset.records, *dataset.goods]
    shards = list(_shards(entries, dataset.root, shard_bytes))
    labels = _names(dataset)
    schema = features(*labels, *_geometry(entries, dataset.root)).arrow_schema
    for number, shard in enumerate(shards):
        path = folder / f"train-{number:05d}-of-{len(shards):05d}.parquet"
        with replacing(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
            for first in range(0, len(shard), ROWS_A_GROUP):
                rows = [_row(entry, dataset.root, labels) for entry in shard[first : first + ROWS_A_GROUP]]
                writer.write_table(pa.Table.from_pylist(rows, schema=schema))


def features(products: list[str], defects: list[str], size: tuple[int, int] | None = None, clouds: bool = False) -> Any:
    """The `datasets.Features` of the table above, with the names of both labels; `size` of the organised clouds, where
    all have one."""
    from datasets import Array3D, ClassLabel, Features, Image, List, Value

    geometry: dict[str, Any] = {} if size is None else {"xyz": Array3D((*size, 3), "float32")}
    if clouds:
        geometry["points"] = List(List(Value("float32"), length=4))
    return Features(
        {
            "id": Value("string"),
            "image": Image(),
            "mask": Image(),
            "product": ClassLabel(names=products),
            "defect": ClassLabel(names=defects),
            "bbox": List(List(Value("int32"))),
            "seed": Value("int64"),
            "provenance": Value("string"),
            **geometry,
        }
    )


def boxes(mask: np.ndarray) -> list[list[int]]:
    """left, top, width, height (px) of each 8-connected piece of a bool (H, W) mask, top to bottom."""
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    found = ndimage.find_objects(labels)
    return [[c.start, r.start, c.stop - c.start, r.stop - r.start] for r, c in found]


def _geometry(entries: list[Record | RealImage], root: Path) -> tuple[tuple[int, int] | None, bool]:
    """Size of the organised clouds, None where not all entries have one of the same size, and whether there are
    unorganised ones."""
    sizes = {_size((root / _image(e)).read_bytes()) if "xyz" in e.extras else None for e in entries}
    return (sizes.pop() if len(sizes) == 1 else None), any("cloud" in e.extras for e in entries)


def _names(dataset: Dataset) -> tuple[list[str], list[str]]:
    products = sorted({r.product for r in dataset.records} | {g.product for g in dataset.goods})
    return products, ["good", *sorted({record.defect for record in dataset.records} - {"good"})]


def _shards(entries: list[Record | RealImage], root: Path, limit: int) -> Iterator[list[Record | RealImage]]:
    shard: list[Record | RealImage] = []
    size = 0
    for entry in entries:
        added = (root / _image(entry)).stat().st_size
        if shard and size + added > limit:
            yield shard
            shard, size = [], 0
        shard.append(entry)
        size += added
    yield shard


def _row(entry: Record | RealImage, root: Path, labels: tuple[list[str], list[str]]) -> dict[str, Any]:
    image = (root / _image(entry)).read_bytes()
    if isinstance(entry, Record):
        mask = (root / entry.files[1]).read_bytes()
        source = {name: getattr(entry, name) for name in ("index", "start", "start_file", "window", "image_sha256")}
        seed, origin = entry.seed, {"kind": "synthetic", **source, "scores": entry.scores}
    else:
        mask = png_bytes(np.zeros(_size(image), bool))
        seed, origin = None, {"kind": "real", "file": entry.file, "sha256": entry.sha256}
    xyz, cloud = read_extras(root, entry.extras)
    geometry: dict[str, Any] = {} if xyz is None else {"xyz": xyz.tolist()}
    if cloud is not None:
        truth = np.zeros(len(cloud.points)) if cloud.labels is None else cloud.labels
        geometry["points"] = np.column_stack([cloud.points, truth]).tolist()
    products, defects = labels
    return {
        **geometry,
        "id": entry.id,
        "image": {"bytes": image, "path": f"{entry.id}.png"},
        "mask": {"bytes": mask, "path": f"{entry.id}_mask.png"},
        "product": products.index(entry.product),
        "defect": defects.index(entry.defect or "good"),
        "bbox": boxes(_decoded(mask)),
        "seed": seed,
        "provenance": json.dumps(origin, ensure_ascii=False, sort_keys=True),
    }


def _image(entry: Record | RealImage) -> str:
    return entry.files[0] if isinstance(entry, Record) else entry.image


def _decoded(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image) > 127


def _size(png: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(png)) as image:
        return image.height, image.width
