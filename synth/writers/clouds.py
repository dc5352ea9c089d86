"""Point clouds for other tools: labelled PLY with NPZ, and the Anomaly-ShapeNet tree.

ply                <product>/<defect>/ID.ply and ID.npz, <product>/good/...; label 1 = defect
anomaly_shapenet   <product>/train/<product>_template<k>.pcd            good clouds
                   <product>/test/<product>_<defect><k>.pcd             synthetic defects
                   <product>/GT/<product>_<defect><k>.txt               x,y,z,label in rows, the same points

Metres. Samples with an organised cloud give its valid pixels as points, with their colours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from synth.errors import WriterError
from synth.geometry_files import read_extras
from synth.journal import Record
from synth.real import RealImage
from synth.run_folder import file_name, read_png, write_whole
from synth.sample import Cloud
from synth.sources.points import npz_bytes, pcd_bytes, ply_bytes
from synth.writers import Dataset


def write_ply(dataset: Dataset, folder: Path) -> None:
    """One PLY and one NPZ a sample."""
    for entry, cloud in _clouds(dataset):
        kind = "good" if isinstance(entry, RealImage) else file_name(str(entry.defect))
        stem = file_name(entry.id.replace("/", "-"))
        for suffix, content in ((".ply", ply_bytes(cloud)), (".npz", npz_bytes(cloud))):
            write_whole(folder / file_name(entry.product) / kind / f"{stem}{suffix}", content)


def write_anomaly_shapenet(dataset: Dataset, folder: Path) -> None:
    """The Anomaly-ShapeNet tree."""
    count: Counter[str] = Counter()
    for entry, cloud in _clouds(dataset):
        product = file_name(entry.product)
        if isinstance(entry, RealImage):
            stem, place = f"{product}_template", "train"
        else:
            stem, place = f"{product}_{file_name(str(entry.defect)).replace('_', '')}", "test"
        name = f"{stem}{count[stem]}"
        count[stem] += 1
        write_whole(folder / product / place / f"{name}.pcd", pcd_bytes(cloud))
        if isinstance(entry, Record):
            write_whole(folder / product / "GT" / f"{name}.txt", _rows(cloud))


def as_cloud(xyz: np.ndarray, image: np.ndarray, mask: np.ndarray) -> Cloud:
    """The valid pixels of an organised cloud (H, W, 3) as points, with the colours of image (H, W, 3) and labels of
    mask (H, W)."""
    valid = xyz[..., 2] > 0
    return Cloud(xyz[valid], colors=image[valid], labels=mask[valid])


def _clouds(dataset: Dataset) -> Iterator[tuple[Record | RealImage, Cloud]]:
    entries: list[RealImage | Record] = [*dataset.goods, *dataset.records]
    for entry in entries:
        xyz, cloud = read_extras(dataset.root, entry.extras)
        if cloud is None:
            if xyz is None:
                raise WriterError(f"{entry.id} has an image alone; choose output.format mvtec or parquet")
            image = read_png(dataset.root / str(entry.image))
            mask = (
                read_png(dataset.root / entry.files[1]) if isinstance(entry, Record) else np.zeros(xyz.shape[:2], bool)
            )
            cloud = as_cloud(xyz, image, mask)
        yield entry, cloud


def _rows(cloud: Cloud) -> bytes:
    labels = np.zeros(len(cloud.points), bool) if cloud.labels is None else cloud.labels
    points = zip(cloud.points.tolist(), labels.astype(int).tolist(), strict=True)
    return "".join(f"{x:.9g},{y:.9g},{z:.9g},{label}\n" for (x, y, z), label in points).encode()
