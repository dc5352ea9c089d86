"""Point clouds for other tools: labelled PLY with NPZ, and the trees of Anomaly-ShapeNet and Real3D-AD.

ply                <product>/<defect>/ID.ply and ID.npz, <product>/good/...; label 1 = defect; metres
anomaly_shapenet   <product>/train/<product>_template<k>.pcd            good clouds; metres
                   <product>/test/<product>_<defect><k>.pcd             synthetic defects
                   <product>/GT/<product>_<defect><k>.txt               x,y,z,label in rows, the same points
real3d_ad          <product>/train/<k>_template.pcd                     good clouds; millimetres, as the original
                   <product>/test/<k>_<defect>.pcd                      synthetic defects
                   <product>/gt/<k>_<defect>.txt                        x y z label in rows, the same points

k counts from 0 for each product and defect. Both trees know points and labels alone. Samples with an organised cloud
give its valid pixels as points, to PLY with their colours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from synth.errors import WriterError
from synth.io.geometry import read_extras
from synth.io.names import file_name
from synth.io.points import npz_bytes, pcd_bytes, ply_bytes
from synth.pipeline.folder import read_png, write_whole
from synth.pipeline.journal import Record
from synth.pipeline.real import RealImage
from synth.sample import Cloud
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
    _write_tree(dataset, folder, lambda product, kind, k: f"{product}_{kind}{k}", "GT", ",", 1.0)


def write_real3d_ad(dataset: Dataset, folder: Path) -> None:
    """The Real3D-AD tree."""
    _write_tree(dataset, folder, lambda product, kind, k: f"{k}_{kind}", "gt", " ", 1000.0)


def as_cloud(xyz: np.ndarray, image: np.ndarray, mask: np.ndarray) -> Cloud:
    """The valid pixels of an organised cloud (H, W, 3) as points, with the colours of image (H, W, 3) and labels of
    mask (H, W)."""
    valid = xyz[..., 2] > 0
    return Cloud(xyz[valid], colors=image[valid], labels=mask[valid])


def _write_tree(
    dataset: Dataset, folder: Path, name: Callable[[str, str, int], str], truth: str, separator: str, unit: float
) -> None:
    """A tree of train, test and `truth` for each product; name(product, kind, k) is a file's stem, `unit` what a metre
    is in the files."""
    count: Counter[tuple[str, str]] = Counter()
    for entry, cloud in _clouds(dataset):
        product = file_name(entry.product)
        good = isinstance(entry, RealImage)
        # Readers of these trees take the last word of a name for the defect.
        kind = "template" if good else file_name(str(entry.defect)).replace("_", "")
        stem = name(product, kind, count[product, kind])
        count[product, kind] += 1
        scaled = Cloud(cloud.points * np.float32(unit), labels=cloud.labels)
        write_whole(folder / product / ("train" if good else "test") / f"{stem}.pcd", pcd_bytes(scaled))
        if not good:
            write_whole(folder / product / truth / f"{stem}.txt", _rows(scaled, separator))


def _clouds(dataset: Dataset) -> Iterator[tuple[Record | RealImage, Cloud]]:
    entries: list[RealImage | Record] = [*dataset.good_images, *dataset.records]
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


def _rows(cloud: Cloud, separator: str) -> bytes:
    """x y z label of each point; nine digits give a float32 back exactly."""
    labels = np.zeros(len(cloud.points)) if cloud.labels is None else cloud.labels
    row = separator.join(["%.9g"] * 3 + ["%d"]) + "\n"
    values = np.column_stack([cloud.points.astype(np.float64), labels])
    return (row * len(values) % tuple(values.ravel().tolist())).encode()
