"""Hugging Face `datasets` parquet, opened by load_dataset("parquet", data_files="data/train-*.parquet"); samples for
testing, if any, are the files test-*.parquet.

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
SPLIT-00000-of-0000N.parquet hold about SHARD_BYTES of images and geometry each, in groups of rows of about
GROUP_BYTES: what is in memory at a time. The same run gives the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from scipy import ndimage

from synth.io.encoded import Encoded, encode
from synth.io.images import content_hash
from synth.io.json_text import json_text
from synth.io.png import png_bytes
from synth.sample import Sample
from synth.writers.sink import FolderSink

SHARD_BYTES = 256 * 2**20
GROUP_BYTES = 32 * 2**20
ROWS_A_GROUP = 100
SPLITS = ("train", "validation", "test")
DEPTH_STEP = 1e-4
"""Metres of a step of the depth image, which reaches to 6.5 m."""


@dataclass
class _Contents:
    """What all rows together decide: names of the labels, size of the clouds, bytes of each row by split."""

    products: set[str] = field(default_factory=set)
    defects: set[str] = field(default_factory=set)
    sizes: set[tuple[int, ...] | None] = field(default_factory=set)
    clouds: bool = False
    bytes: dict[str, list[int]] = field(default_factory=dict)

    def note(self, sample: Sample, row: dict[str, Any]) -> None:
        self.products.add(str(sample.product))
        self.defects |= set() if sample.defect is None else {sample.defect}
        self.sizes.add(None if sample.xyz is None else sample.xyz.shape[:2])
        self.clouds |= sample.cloud is not None
        # An organised cloud counts as what it takes in memory.
        cells = 0 if sample.xyz is None else sample.xyz.size // 3
        rows = self.bytes.setdefault(row["split"], [])
        rows.append(len(row["image"]) + len(row.get("points") or b"") + 12 * cells)

    @property
    def labels(self) -> tuple[list[str], list[str]]:
        """Names of the products and of the defect types, "good" first."""
        return sorted(self.products), ["good", *sorted(self.defects)]

    @property
    def size(self) -> tuple[int, int] | None:
        """Size of the organised clouds; None where not all samples have one of the same size."""
        size = next(iter(self.sizes)) if len(self.sizes) == 1 else None
        return None if size is None else (size[0], size[1])


_SPOOL = pa.schema(
    [
        *((name, pa.string()) for name in ("id", "split", "product", "defect", "provenance")),
        *((name, pa.large_binary()) for name in ("image", "mask", "depth", "xyz", "points", "labels")),
        ("seed", pa.int64()),
    ]
)
"""Rows before the names of all labels are known; arrays as bytes."""


def write(samples: Iterable[Sample], sink: FolderSink, shard_bytes: int = SHARD_BYTES) -> None:
    """Write the shards, in the order of the samples, which are taken one at a time."""
    contents = _Contents()
    with sink.scratch("rows") as spool:
        with pa.ipc.new_stream(spool, _SPOOL) as writer:
            for sample in samples:
                row = _row(sample)
                contents.note(sample, row)
                writer.write_batch(pa.RecordBatch.from_pylist([row], _SPOOL))
        for split in sorted(contents.bytes or ["train"], key=SPLITS.index):
            with pa.ipc.open_stream(spool) as reader:
                rows = (row for batch in reader for row in batch.to_pylist() if row["split"] == split)
                _write_shards(split, rows, contents, sink, shard_bytes)


def _write_shards(
    split: str, rows: Iterator[dict[str, Any]], contents: _Contents, sink: FolderSink, shard_bytes: int
) -> None:
    labels, size = contents.labels, contents.size
    depth = contents.sizes != {None}
    schema = features(*labels, size, depth, contents.clouds).arrow_schema
    shards = list(_parts(contents.bytes.get(split, ()), shard_bytes))
    for number, shard in enumerate(shards):
        name = f"{split}-{number:05d}-of-{len(shards):05d}.parquet"
        with sink.file(name) as temporary, pq.ParquetWriter(temporary, schema) as writer:
            for group in _parts(shard, GROUP_BYTES, ROWS_A_GROUP):
                writer.write_table(_table([next(rows) for _ in group], labels, size, schema))


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


def _parts(sizes: Sequence[int], limit: int, most: int | None = None) -> Iterator[list[int]]:
    """Sizes of rows in runs of at most `limit` bytes and `most` rows, one at least."""
    part: list[int] = []
    for size in sizes:
        if part and (sum(part) + size > limit or len(part) == most):
            yield part
            part = []
        part.append(size)
    yield part


def _row(sample: Sample) -> dict[str, Any]:
    """A row of _SPOOL."""
    files = encode(sample)
    image = files["image"]
    blank = np.zeros((0, 0), bool) if sample.image is None else np.zeros(sample.image.shape[:2], bool)
    row: dict[str, Any] = {
        "id": sample.id,
        "split": sample.split if sample.split in SPLITS else "train",
        "product": sample.product,
        "defect": sample.defect or "good",
        "image": image.content,
        "mask": files["mask"].content if "mask" in files else png_bytes(blank),
        "seed": None if sample.provenance is None else sample.provenance.seed,
        "provenance": json_text(_origin(sample, files), ensure_ascii=False, sort_keys=True),
    }
    if sample.xyz is not None:
        row |= {"xyz": np.ascontiguousarray(sample.xyz).tobytes(), "depth": depth_png(sample.xyz)}
    if sample.cloud is not None:
        labels = sample.cloud.labels
        truth = np.zeros(len(sample.cloud.points), np.uint8) if labels is None else labels.astype(np.uint8)
        row |= {"points": files["cloud"].content, "labels": truth.tobytes()}
    return row


def _origin(sample: Sample, files: Mapping[str, Encoded]) -> dict[str, Any]:
    made = sample.provenance
    if made is None:
        assert sample.image is not None
        sha256 = sample.meta.get("sha256") or content_hash(sample.image)
        return {"kind": "real", "file": _name(sample.meta.get("file")), "sha256": sha256}
    start = made.start
    edited = {}
    if "mask" in made.edited:
        edited = {"mask": "edited by a person", "mask_sha256": files["mask"].sha256}
        edited["drawn_mask_sha256"] = made.edited["mask"]
    return edited | {
        "kind": "synthetic",
        "index": made.index,
        "start": None if start is None else start.sha256,
        "start_file": None if start is None else _name(start.file),
        "window": made.window,
        "image_sha256": files["image"].sha256,
        "scores": dict(made.scores),
        "defects": [{"type": one.type, **one.parameters} for one in made.instances],
    }


def _name(file: Any) -> str | None:
    """A file without its folders, which are those of the machine."""
    return None if file is None else PurePath(str(file)).name


def _table(
    rows: list[dict[str, Any]],
    labels: tuple[list[str], list[str]],
    size: tuple[int, int] | None,
    schema: pa.Schema,
) -> pa.Table:
    """Rows of the schema. Organised clouds go in as arrays: as Python floats they would take ten times the memory."""
    made = [_typed(row, labels) for row in rows]
    names = [name for name in schema.names if name != "xyz"]
    columns = [pa.array([row.get(name) for row in made], schema.field(name).type) for name in names]
    if size is not None:
        names.append("xyz")
        clouds = [np.frombuffer(row["xyz"], np.float32).reshape(*size, 3) for row in rows]
        columns.append(_grids(clouds, schema.field("xyz").type))
    return pa.table(dict(zip(names, columns, strict=True))).select(schema.names).cast(schema)


def _typed(row: dict[str, Any], labels: tuple[list[str], list[str]]) -> dict[str, Any]:
    """A spooled row as the columns of the file, without xyz."""
    name, (products, defects) = row["id"], labels
    typed = {
        "id": name,
        "image": {"bytes": row["image"], "path": f"{name}.png"},
        "mask": {"bytes": row["mask"], "path": f"{name}_mask.png"},
        "product": products.index(row["product"]),
        "defect": defects.index(row["defect"]),
        "bbox": boxes(_decoded(row["mask"])),
        "seed": row["seed"],
        "provenance": row["provenance"],
    }
    if row["depth"] is not None:
        typed["depth"] = {"bytes": row["depth"], "path": f"{name}_depth.png"}
    if row["points"] is not None:
        typed["points"] = {"bytes": row["points"], "path": f"{name}.ply"}
        typed["labels"] = np.frombuffer(row["labels"], np.uint8)
    return typed


def _grids(clouds: list[np.ndarray], kind: Any) -> pa.Array:
    """A column of Array3D from float32 arrays (H, W, 3) of one size."""
    values = np.stack(clouds)
    nested = pa.array(values.ravel())
    for length in reversed(values.shape[1:]):
        nested = pa.ListArray.from_arrays(pa.array(np.arange(0, len(nested) + 1, length, dtype=np.int32)), nested)
    return pa.ExtensionArray.from_storage(kind, nested)


def _decoded(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image) > 127
