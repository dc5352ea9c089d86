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

With organised clouds also:

| depth      | Image                 | 16-bit PNG, distance along the camera's axis in 0.1 mm, 0 = no return |
| xyz        | Array3D float32       | the cloud (H, W, 3) in metres; left out where the scans differ in size |

With unorganised clouds also:

| points     | Mesh                  | binary PLY in metres, decoded to a trimesh.PointCloud                |
| labels     | list of uint8         | 1 = defect, a point each, in the PLY's order                         |

The column types are embedded in the files, so images arrive decoded and labels named. Files named
train-00000-of-0000N.parquet hold about SHARD_BYTES of images and geometry each, in groups of rows of about
GROUP_BYTES: what is in memory at a time. The same run gives the same bytes.
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

from synth.io.atomic import replacing
from synth.io.geometry import read_extras
from synth.pipeline.folder import png_bytes
from synth.pipeline.journal import Record
from synth.pipeline.real import RealImage
from synth.writers import Dataset

SHARD_BYTES = 256 * 2**20
GROUP_BYTES = 32 * 2**20
ROWS_A_GROUP = 100
DEPTH_STEP = 1e-4
"""Metres of a step of the depth image, which reaches to 6.5 m."""

Entry = Record | RealImage


def write(dataset: Dataset, folder: Path, shard_bytes: int = SHARD_BYTES) -> None:
    """Write the shards under `folder`: first the samples, then the good images."""
    entries: list[Entry] = [*dataset.records, *dataset.good_images]
    shards = list(_parts(entries, dataset.root, shard_bytes))
    labels = _names(dataset)
    kinds = {kind for entry in entries for kind in entry.extras}
    schema = features(*labels, _size_of_all(entries, dataset.root), "xyz" in kinds, "cloud" in kinds).arrow_schema
    for number, shard in enumerate(shards):
        path = folder / f"train-{number:05d}-of-{len(shards):05d}.parquet"
        with replacing(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
            for group in _parts(shard, dataset.root, GROUP_BYTES, ROWS_A_GROUP):
                writer.write_table(_table(group, dataset.root, labels, schema))


def features(
    products: list[str],
    defects: list[str],
    size: tuple[int, int] | None = None,
    depth: bool = False,
    clouds: bool = False,
) -> Any:
    """The `datasets.Features` of the table above, with the names of both labels; `size` of the organised clouds, where
    all have the same."""
    from datasets import Array3D, ClassLabel, Features, Image, List, Mesh, Value

    geometry: dict[str, Any] = {"depth": Image()} if depth else {}
    if size is not None:
        geometry["xyz"] = Array3D((*size, 3), "float32")
    if clouds:
        geometry |= {"points": Mesh(), "labels": List(Value("uint8"))}
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


def depth_png(xyz: np.ndarray) -> bytes:
    """The depth of an organised cloud (H, W, 3) metres as a 16-bit PNG in steps of DEPTH_STEP, 0 = no return."""
    buffer = io.BytesIO()
    steps = np.clip(np.rint(xyz[..., 2] / DEPTH_STEP), 0, 65535).astype(np.uint16)
    Image.fromarray(steps).save(buffer, format="PNG")
    return buffer.getvalue()


def _size_of_all(entries: list[Entry], root: Path) -> tuple[int, int] | None:
    """Size of the organised clouds, None where not all entries have one of the same size."""
    sizes = {_size((root / _image(e)).read_bytes()) if "xyz" in e.extras else None for e in entries}
    return sizes.pop() if len(sizes) == 1 else None


def _names(dataset: Dataset) -> tuple[list[str], list[str]]:
    products = sorted({r.product for r in dataset.records} | {g.product for g in dataset.good_images})
    return products, ["good", *sorted({record.defect for record in dataset.records} - {"good"})]


def _parts(entries: list[Entry], root: Path, limit: int, most: int | None = None) -> Iterator[list[Entry]]:
    """The entries in runs of at most `limit` bytes and `most` entries, one at least; an organised cloud counts as what
    it takes in memory."""
    part: list[Entry] = []
    size = 0
    for entry in entries:
        added = _bytes(entry, root)
        if part and (size + added > limit or len(part) == most):
            yield part
            part, size = [], 0
        part.append(entry)
        size += added
    yield part


def _bytes(entry: Entry, root: Path) -> int:
    opened = root / _image(entry)
    size = opened.stat().st_size
    if "cloud" in entry.extras:
        size += (root / entry.extras["cloud"][0]).stat().st_size
    if "xyz" in entry.extras:
        with Image.open(opened) as image:
            size += 12 * image.width * image.height
    return size


def _table(entries: list[Entry], root: Path, labels: tuple[list[str], list[str]], schema: pa.Schema) -> pa.Table:
    """Rows of the schema. Organised clouds go in as arrays: as Python floats they would take ten times the memory."""
    rows = [_row(entry, root, labels) for entry in entries]
    names = [name for name in schema.names if name != "xyz"]
    columns = [pa.array([row.get(name) for row in rows], schema.field(name).type) for name in names]
    if "xyz" in schema.names:
        names.append("xyz")
        columns.append(_grids([row["xyz"] for row in rows], schema.field("xyz").type))
    return pa.table(dict(zip(names, columns, strict=True))).select(schema.names).cast(schema)


def _grids(clouds: list[np.ndarray], kind: Any) -> pa.Array:
    """A column of Array3D from float32 arrays (H, W, 3) of one size."""
    values = np.stack(clouds)
    nested = pa.array(values.ravel())
    for length in reversed(values.shape[1:]):
        nested = pa.ListArray.from_arrays(pa.array(np.arange(0, len(nested) + 1, length, dtype=np.int32)), nested)
    return pa.ExtensionArray.from_storage(kind, nested)


def _row(entry: Entry, root: Path, labels: tuple[list[str], list[str]]) -> dict[str, Any]:
    image = (root / _image(entry)).read_bytes()
    if isinstance(entry, Record):
        mask = (root / entry.files[1]).read_bytes()
        source = {name: getattr(entry, name) for name in ("index", "start", "start_file", "window", "image_sha256")}
        seed, origin = entry.seed, {"kind": "synthetic", **source, "scores": entry.scores, "defects": entry.instances}
    else:
        mask = png_bytes(np.zeros(_size(image), bool))
        seed, origin = None, {"kind": "real", "file": entry.file, "sha256": entry.sha256}
    products, defects = labels
    return {
        **_geometry(entry, root),
        "id": entry.id,
        "image": {"bytes": image, "path": f"{entry.id}.png"},
        "mask": {"bytes": mask, "path": f"{entry.id}_mask.png"},
        "product": products.index(entry.product),
        "defect": defects.index(entry.defect or "good"),
        "bbox": boxes(_decoded(mask)),
        "seed": seed,
        "provenance": json.dumps(origin, ensure_ascii=False, sort_keys=True),
    }


def _geometry(entry: Entry, root: Path) -> dict[str, Any]:
    """The row's columns depth, xyz, points and labels, as far as the entry has them."""
    xyz, cloud = read_extras(root, entry.extras)
    found: dict[str, Any] = {}
    if xyz is not None:
        found = {"xyz": xyz, "depth": {"bytes": depth_png(xyz), "path": f"{entry.id}_depth.png"}}
    if cloud is not None:
        truth = np.zeros(len(cloud.points), np.uint8) if cloud.labels is None else cloud.labels.astype(np.uint8)
        points = (root / entry.extras["cloud"][0]).read_bytes()
        found |= {"points": {"bytes": points, "path": f"{entry.id}.ply"}, "labels": truth}
    return found


def _image(entry: Entry) -> str:
    return entry.files[0] if isinstance(entry, Record) else entry.image


def _decoded(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image) > 127


def _size(png: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(png)) as image:
        return image.height, image.width
