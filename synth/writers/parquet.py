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
| scores     | struct of float64     | what the checks measured, by name; none for a good image             |
| provenance | Json                  | where it came from, hashes, window, parameters of its defects        |

With organised clouds also:

| depth      | Image                 | 16-bit PNG, distance along the camera's axis in 0.1 mm, 0 = no return |
| xyz        | Array3D float32       | the cloud (H, W, 3) in metres; where the scans differ in size,        |
|            |                       | Array2D (H x W, 3) with the size (H, W) in xyz_size                   |

With unorganised clouds also:

| preview    | Mesh                  | a small GLB to look at, the defect in red                            |
| points     | Mesh                  | binary PLY in metres, decoded to a trimesh.PointCloud                |
| labels     | list of uint8         | 1 = defect, a point each, in the PLY's order                         |

The column types are embedded in the files, so images arrive decoded and labels named. Files named
SPLIT-00000-of-0000N.parquet hold about SHARD_BYTES of images and geometry each, in groups of rows of about
GROUP_BYTES: what is in memory at a time. The same run gives the same bytes.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
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
from synth.io.previews import preview_glb
from synth.sample import Sample
from synth.writers.sink import FolderSink

SHARD_BYTES = 256 * 2**20
GROUP_BYTES = 32 * 2**20
ROWS_A_GROUP = 100
SPLITS = ("train", "validation", "test")
DEPTH_STEP = 1e-4
"""Metres of a step of the depth image, which reaches to 6.5 m."""


@dataclass(frozen=True, slots=True)
class Table:
    """Shards in a folder below the sink's, "" for its own, and what they hold: a `datasets.Features` of `features`,
    some of its columns."""

    folder: str
    features: Any


@dataclass
class _Contents:
    """What all rows together decide: names of the labels and scores, size of the clouds; bytes of each row by split,
    of its files and of its arrays."""

    products: set[str] = field(default_factory=set)
    defects: set[str] = field(default_factory=set)
    scores: set[str] = field(default_factory=set)
    sizes: set[tuple[int, ...] | None] = field(default_factory=set)
    clouds: bool = False
    bytes: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def note(self, sample: Sample, row: dict[str, Any]) -> None:
        self.products.add(str(sample.product))
        self.defects |= set() if sample.defect is None else {sample.defect}
        self.scores |= set() if sample.provenance is None else sample.provenance.scores.keys()
        self.sizes.add(None if sample.xyz is None else sample.xyz.shape[:2])
        self.clouds |= sample.cloud is not None
        files = len(row["image"]) + len(row.get("points") or b"")
        arrays = sum(len(row.get(name) or b"") for name in ARRAYS)
        self.bytes.setdefault(row["split"], []).append((files, arrays))

    @property
    def features(self) -> Any:
        """Those of all columns."""
        depth = self.sizes not in (set(), {None})
        sizes = {None if size is None else (size[0], size[1]) for size in self.sizes}
        return features(sorted(self.products), sorted(self.defects), sorted(self.scores), sizes, depth, self.clouds)


ARRAYS = ("xyz", "labels")
"""Columns of large arrays, besides the files."""
_SPOOL = pa.schema(
    [
        *((name, pa.string()) for name in ("id", "split", "product", "defect", "provenance", "scores")),
        *((name, pa.large_binary()) for name in ("image", "mask", "depth", "xyz", "points", "preview", "labels")),
        ("seed", pa.int64()),
        ("xyz_size", pa.list_(pa.int32())),
    ]
)
"""Rows before the names of all labels are known; arrays as bytes."""


def write(samples: Iterable[Sample], sink: FolderSink, shard_bytes: int = SHARD_BYTES) -> None:
    """Write the shards, in the order of the samples, which are taken one at a time."""
    write_tables(samples, sink, None, shard_bytes)


def write_tables(
    samples: Iterable[Sample], sink: FolderSink, tables: Sequence[Table] | None, shard_bytes: int = SHARD_BYTES
) -> None:
    """Write the samples' columns into the shards of each table, by default of one with all columns."""
    contents = _Contents()
    with sink.scratch("rows") as spool:
        with pa.ipc.new_stream(spool, _SPOOL) as writer:
            for sample in samples:
                row = _row(sample)
                contents.note(sample, row)
                writer.write_batch(pa.RecordBatch.from_pylist([row], _SPOOL))
        for table in tables or [Table("", contents.features)]:
            for split in sorted(contents.bytes or ["train"], key=SPLITS.index):
                with pa.ipc.open_stream(spool) as reader:
                    rows = (row for batch in reader for row in batch.to_pylist() if row["split"] == split)
                    _write_shards(table, split, rows, contents.bytes.get(split, ()), sink, shard_bytes)


def _write_shards(
    table: Table,
    split: str,
    rows: Iterator[dict[str, Any]],
    sizes: Sequence[tuple[int, int]],
    sink: FolderSink,
    shard_bytes: int,
) -> None:
    schema = table.features.arrow_schema
    weights = [
        files * ("image" in schema.names) + arrays * bool({*ARRAYS} & {*schema.names}) for files, arrays in sizes
    ]
    shards = list(_parts(weights, shard_bytes))
    for number, shard in enumerate(shards):
        name = f"{table.folder}/{split}-{number:05d}-of-{len(shards):05d}.parquet".lstrip("/")
        with sink.file(name) as temporary, pq.ParquetWriter(temporary, schema) as writer:
            for group in _parts(shard, GROUP_BYTES, ROWS_A_GROUP):
                writer.write_table(_table([next(rows) for _ in group], table.features))


def features(
    products: Sequence[str],
    defects: Sequence[str],
    scores: Sequence[str] = (),
    sizes: Collection[tuple[int, int] | None] = (),
    depth: bool = False,
    clouds: bool = False,
) -> Any:
    """The `datasets.Features` of the table above, with the names of products, of defect types but "good", and of
    scores; `sizes` of the organised clouds, None among them where a sample has none."""
    from datasets import Array2D, Array3D, ClassLabel, Features, Image, Json, List, Mesh, Value

    geometry: dict[str, Any] = {}
    if depth:
        one = next(iter(sizes)) if len(sizes) == 1 else None
        grid = {"xyz": Array2D((None, 3), "float32"), "xyz_size": List(Value("int32"))}
        geometry = {"depth": Image(), **(grid if one is None else {"xyz": Array3D((*one, 3), "float32")})}
    if clouds:
        geometry |= {"preview": Mesh(), "points": Mesh(), "labels": List(Value("uint8"))}
    return Features(
        {
            "id": Value("string"),
            "image": Image(),
            "mask": Image(),
            "product": ClassLabel(names=list(products)),
            "defect": ClassLabel(names=["good", *defects]),
            "bbox": List(List(Value("int32"))),
            **geometry,
            "seed": Value("int64"),
            **({"scores": {name: Value("float64") for name in scores}} if scores else {}),
            "provenance": Json(),
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
        "scores": None if sample.provenance is None else json_text(dict(sample.provenance.scores)),
        "provenance": json_text(_origin(sample, files), ensure_ascii=False, sort_keys=True),
    }
    if sample.xyz is not None:
        row |= {"xyz": np.ascontiguousarray(sample.xyz).tobytes(), "depth": depth_png(sample.xyz)}
        row |= {"xyz_size": list(sample.xyz.shape[:2])}
    if sample.cloud is not None:
        labels = sample.cloud.labels
        truth = np.zeros(len(sample.cloud.points), np.uint8) if labels is None else labels.astype(np.uint8)
        row |= {"points": files["cloud"].content, "labels": truth.tobytes(), "preview": preview_glb(sample.cloud)}
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
        "generator": made.generator,
        "defects": [{"type": one.type, **one.parameters} for one in made.instances],
    }


def _name(file: Any) -> str | None:
    """A file without its folders, which are those of the machine."""
    return None if file is None else PurePath(str(file)).name


def _table(rows: list[dict[str, Any]], features: Any) -> pa.Table:
    """Spooled rows as a table. Organised clouds go in as arrays: as Python floats they would take ten times the
    memory."""
    schema = features.arrow_schema
    columns = {
        name: _grids(rows, schema.field(name).type)
        if name == "xyz"
        else pa.array([_TYPED[name](row, features) for row in rows], schema.field(name).type)
        for name in schema.names
    }
    return pa.table(columns).cast(schema)


def _file(name: str, ending: str) -> Callable[[dict[str, Any], Any], dict[str, Any] | None]:
    def typed(row: dict[str, Any], features: Any) -> dict[str, Any] | None:
        return None if row[name] is None else {"bytes": row[name], "path": f"{row['id']}{ending}"}

    return typed


_TYPED: dict[str, Callable[[dict[str, Any], Any], Any]] = {
    "id": lambda row, features: row["id"],
    "image": _file("image", ".png"),
    "mask": _file("mask", "_mask.png"),
    "product": lambda row, features: features["product"].names.index(row["product"]),
    "defect": lambda row, features: features["defect"].names.index(row["defect"]),
    "bbox": lambda row, features: boxes(_decoded(row["mask"])),
    "depth": _file("depth", "_depth.png"),
    "xyz_size": lambda row, features: row["xyz_size"],
    "preview": _file("preview", ".glb"),
    "points": _file("points", ".ply"),
    "labels": lambda row, features: None if row["labels"] is None else np.frombuffer(row["labels"], np.uint8),
    "seed": lambda row, features: row["seed"],
    "scores": lambda row, features: None if row["scores"] is None else json.loads(row["scores"]),
    "provenance": lambda row, features: row["provenance"],
}
"""Column -> a spooled row's value of it; xyz goes by `_grids`."""


def _grids(rows: list[dict[str, Any]], kind: Any) -> pa.Array:
    """A column of Array3D, of clouds of one size, or of Array2D, of any sizes."""
    clouds = [None if row["xyz"] is None else np.frombuffer(row["xyz"], np.float32) for row in rows]
    nested = pa.array(np.concatenate([cloud for cloud in clouds if cloud is not None] or [np.zeros(0, np.float32)]))
    for length in reversed(kind.shape[1:]):
        nested = pa.ListArray.from_arrays(pa.array(np.arange(0, len(nested) + 1, length, dtype=np.int32)), nested)
    cells = int(np.prod(kind.shape[1:]))
    ends = np.cumsum([0, *(0 if cloud is None else cloud.size // cells for cloud in clouds)]).astype(np.int32)
    blank = pa.array([cloud is None for cloud in clouds])
    return pa.ExtensionArray.from_storage(kind, pa.ListArray.from_arrays(pa.array(ends), nested, mask=blank))


def _decoded(png: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image) > 127
