"""A run's dataset as a folder that the Hub shows and `load_dataset` reads:

RUN-hub/
  data/<product>/SPLIT-00000-of-0000N.parquet   the columns of `synth.writers.parquet`, without large arrays
  full/<product>/SPLIT-00000-of-0000N.parquet   id and the large arrays, row by row the same; only where there are any
  assets/contact_sheet.jpg, evidence.json       what the card shows and says
  README.md                                     the card
  prepared.json                                 of what it was made, and sha256 of the shards; stays here
  card.json                                     sha256 of the card as it was written last; stays here

Configs: one a product, `all` of them (the default, over the same files), and `full`.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from PIL import Image

import synth
from synth.generators import Progress
from synth.io.digest import file_sha256
from synth.io.json_text import json_text
from synth.io.names import file_name
from synth.io.own import check_free
from synth.io.sealed import read_sealed, write_sealed
from synth.pipeline.runs import Run
from synth.pipeline.stored import StoredSample, damage
from synth.sample import Sample
from synth.writers.parquet import ARRAYS, SPLITS, Table, features, write_tables
from synth.writers.sink import FolderSink

ALL, FULL = "all", "full"
LARGE = (*ARRAYS, "xyz_size")
"""Columns of the config `full`."""
CARD, EVIDENCE, SHEET = "README.md", "evidence.json", "assets/contact_sheet.jpg"
PREPARED, WRITTEN = "prepared.json", "card.json"
OURS = ("data", "full", "assets", CARD, EVIDENCE, PREPARED, WRITTEN)
FIRST_ROWS = 100
"""Rows that the Hub's viewer shows of a config before one asks for more."""
VIEWER_BYTES = 1_000_000
"""Bytes that the values of these rows may take in all; images and meshes it fetches one by one."""
_FORMAT = 1


@dataclass(frozen=True)
class HubDataset:
    """The prepared folder; `shards`: sha256 by path; `products`: names by config; `features` of data/ and full/, the
    latter None where nothing is large."""

    folder: Path
    shards: dict[str, str]
    products: dict[str, str]
    features: Any
    large: Any
    records: Sequence[StoredSample]

    @cached_property
    def configs(self) -> dict[str, dict[str, list[str]]]:
        """Config -> split -> patterns of its files."""
        names = sorted(self.products)
        found = {ALL: self._splits("data", names), **{name: self._splits("data", [name]) for name in names}}
        return found if self.large is None else {**found, FULL: self._splits("full", names)}

    @cached_property
    def counts(self) -> dict[tuple[str, str, str], int]:
        """Samples by product, defect type ("good" for none) and split."""
        return dict(sorted(Counter((one.product, one.defect or "good", split_of(one)) for one in self.records).items()))

    def sizes(self, config: str) -> dict[str, tuple[int, int, int]]:
        """Split -> rows, bytes in memory and bytes on the disk of a config."""
        found = {}
        for split, patterns in self.configs[config].items():
            files = [file for pattern in patterns for file in sorted(self.folder.glob(pattern))]
            tables = [pq.read_metadata(file) for file in files]
            held = sum(table.row_group(k).total_byte_size for table in tables for k in range(table.num_row_groups))
            found[split] = (sum(table.num_rows for table in tables), held, sum(file.stat().st_size for file in files))
        return found

    def _splits(self, above: str, names: Sequence[str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for split in SPLITS:
            for name in names:
                if any(shard.startswith(f"{above}/{name}/{split}-") for shard in self.shards):
                    found.setdefault(split, []).append(f"{above}/{name}/{split}-*.parquet")
        return found


def prepare(run: Run, folder: Path, progress: Progress) -> HubDataset:
    """Write the shards into the folder, or take those that are there where they are whole and of this very run.
    WriterError for a folder that holds something else."""
    check_free(folder, "those of a dataset that flawsmith prepared", OURS)
    records = run.dataset(splits=True)
    products = {_config(name): name for name in sorted({one.product for one in records})}
    columns = _features(run, records)
    large = [name for name in columns if name in LARGE]
    tables = {"data": _only(columns, [name for name in columns if name not in large])}
    tables |= {"full": _only(columns, ["id", *large])} if large else {}
    made_of = _made_of(run)
    shards = _whole(folder, made_of)
    if shards is None:
        shards = _write(run, records, folder, products, tables, progress)
        write_sealed(folder / PREPARED, {"made_of": made_of, "shards": shards})
    return HubDataset(folder, shards, products, tables["data"], tables.get("full"), records)


def first_rows(dataset: HubDataset) -> tuple[int, int]:
    """Bytes of the first rows of the config `all`, as its viewer gets them: of the values, as JSON, and of the images
    and meshes."""
    values = files = 0
    for row in _rows(dataset, FIRST_ROWS):
        content = {name: value for name, value in row.items() if not (isinstance(value, dict) and "bytes" in value)}
        values += len(json_text(content))
        files += sum(len(value["bytes"] or b"") for name, value in row.items() if name not in content)
    return values, files


def split_of(record: StoredSample) -> str:
    """The split that a stored sample is written into."""
    return "test" if record.role == "test" else "train"


def _rows(dataset: HubDataset, count: int) -> Iterator[dict[str, Any]]:
    patterns = next(iter(dataset.configs[ALL].values()))
    files = (file for pattern in patterns for file in sorted(dataset.folder.glob(pattern)))
    batches = (batch for file in files for batch in pq.ParquetFile(file).iter_batches(20))
    return islice((row for batch in batches for row in batch.to_pylist()), count)


def _config(product: str) -> str:
    """The name of a product's config and folder; those of the other configs are taken."""
    name = file_name(product)
    return f"{name}_product" if name in (ALL, FULL, "default") else name


def _features(run: Run, records: Sequence[StoredSample]) -> Any:
    """Those of all columns, without reading more of the samples than the sizes of their images. Geometry that good
    images alone have is no part of a dataset of images."""
    made = {kind for one in records if one.role == "accepted" for kind in one.files}
    scans = [one for one in records if "xyz" in one.files and "xyz" in made]
    sizes: set[tuple[int, int] | None] = {_size(one.path(run.path, "image")) for one in scans}
    sizes |= {None} if len(scans) < len(records) else set()
    return features(
        sorted({one.product for one in records}),
        sorted({one.defect for one in records if one.defect is not None}),
        sorted({name for one in records for name in one.scores}),
        sizes,
        bool(scans),
        "cloud" in made,
    )


def _size(image: Path) -> tuple[int, int]:
    with Image.open(image) as opened:
        return opened.height, opened.width


def _only(columns: Any, names: Sequence[str]) -> Any:
    return type(columns)({name: columns[name] for name in names})


def _write(
    run: Run,
    records: Sequence[StoredSample],
    folder: Path,
    products: dict[str, str],
    tables: dict[str, Any],
    progress: Progress,
) -> dict[str, str]:
    """Write the shards anew; sha256 by path."""
    (folder / PREPARED).unlink(missing_ok=True)
    for above in tables.keys() | {"data", "full"}:
        shutil.rmtree(folder / above, ignore_errors=True)
    done = 0

    def samples(product: str) -> Iterator[Sample]:
        nonlocal done
        for record in records:
            if record.product == product:
                yield record.load(run.path)
                done += 1
                progress("preparing", done, len(records))

    for name, product in products.items():
        written = [Table(f"{above}/{name}", columns) for above, columns in tables.items()]
        write_tables(samples(product), FolderSink(folder), written)
    files = sorted(file for above in tables for file in (folder / above).rglob("*.parquet"))
    return {file.relative_to(folder).as_posix(): file_sha256(file) for file in files}


def _whole(folder: Path, made_of: dict[str, Any]) -> dict[str, str] | None:
    """The shards that are there, None where they are of something else, or damaged."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = read_sealed(folder / PREPARED)
        shards: dict[str, str] = kept["shards"]
        if kept["made_of"] == made_of and not any(damage(folder / name, sha256) for name, sha256 in shards.items()):
            return shards
    return None


def _made_of(run: Run) -> dict[str, Any]:
    """What decides the shards' bytes."""
    real = run.folder.real / "index.json"
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (run.folder.manifest, real)]
    return {
        "samples": digests,
        "real_test": run.recipe.output.real_test,
        "format": _FORMAT,
        "flawsmith": synth.__version__,
    }
