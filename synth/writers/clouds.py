"""Point clouds for other tools: labelled PLY with NPZ, and the trees of Anomaly-ShapeNet and Real3D-AD.

ply                <product>/<defect>/ID.ply and ID.npz, <product>/good/...; label 1 = defect; metres
                   <product>/test/...                                   the same of clouds for testing
anomaly_shapenet   <product>/train/<product>_template<k>.pcd            good clouds; metres
                   <product>/test/<product>_positive<k>.pcd             good clouds that are kept for testing
                   <product>/test/<product>_<defect><k>.pcd             synthetic defects
                   <product>/GT/<product>_<defect><k>.txt               x,y,z,label in rows, the same points
real3d_ad          <product>/train/<k>_template.pcd                     good clouds; millimetres, as the original
                   <product>/test/<k>_good.pcd                          good clouds that are kept for testing
                   <product>/test/<k>_<defect>.pcd                      synthetic defects
                   <product>/gt/<k>_<defect>.txt                        x y z label in rows, the same points

A cloud that lies far from (0, 0, 0) is written there again, in the frame of its source, with doubles.
k counts from 0 for each product and defect. Both trees know points and labels alone. Samples with an organised cloud
give its valid pixels as points, to PLY with their colours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from synth.errors import WriterError
from synth.io.names import GOOD, LONGEST, file_name
from synth.io.points import npz_bytes, pcd_bytes, ply_bytes
from synth.sample import Cloud, Sample
from synth.writers.sink import FolderSink

_HALF = LONGEST // 2
"""Bytes of a product's and of a type's name where both stand in one."""


def write_ply(samples: Iterable[Sample], sink: FolderSink) -> None:
    """One PLY and one NPZ a sample."""
    for sample, cloud in _clouds(samples):
        kind = GOOD if sample.defect is None else file_name(sample.defect)
        kind = f"test/{kind}" if sample.split == "test" else kind
        stem = f"{file_name(str(sample.product))}/{kind}/{file_name(sample.id.replace('/', '-'))}"
        sink.put(f"{stem}.ply", ply_bytes(cloud))
        sink.put(f"{stem}.npz", npz_bytes(cloud))


def write_anomaly_shapenet(samples: Iterable[Sample], sink: FolderSink) -> None:
    """The Anomaly-ShapeNet tree."""
    _write_tree(samples, sink, lambda product, kind, k: f"{product}_{kind}{k}", "positive", "GT", ",", 1.0)


def write_real3d_ad(samples: Iterable[Sample], sink: FolderSink) -> None:
    """The Real3D-AD tree."""
    _write_tree(samples, sink, lambda product, kind, k: f"{k}_{kind}", GOOD, "gt", " ", 1000.0)


def as_cloud(xyz: np.ndarray, image: np.ndarray, mask: np.ndarray) -> Cloud:
    """The valid pixels of an organised cloud (H, W, 3) as points, with the colours of image (H, W, 3) and labels of
    mask (H, W)."""
    valid = xyz[..., 2] > 0
    return Cloud(xyz[valid], colors=image[valid], labels=mask[valid])


def _write_tree(
    samples: Iterable[Sample],
    sink: FolderSink,
    name: Callable[[str, str, int], str],
    tested_good: str,
    truth: str,
    separator: str,
    unit: float,
) -> None:
    """A tree of train, test and `truth` for each product; name(product, kind, k) is a file's stem, `tested_good` the
    kind of a good cloud in test, `unit` what a metre is in the files."""
    count: Counter[tuple[str, str]] = Counter()
    for sample, cloud in _clouds(samples):
        product, good = file_name(str(sample.product), _HALF), sample.defect is None
        part = "train" if good and sample.split != "test" else "test"
        # Readers of these trees take the last word of a name for the defect.
        kind = "template" if part == "train" else tested_good
        if sample.defect is not None:
            kind = file_name(sample.defect, _HALF).replace("_", "")
        stem = name(product, kind, count[product, kind])
        count[product, kind] += 1
        x, y, z = (unit * place for place in cloud.origin)
        scaled = Cloud(cloud.points * np.float32(unit), labels=cloud.labels, origin=(x, y, z))
        sink.put(f"{product}/{part}/{stem}.pcd", pcd_bytes(scaled))
        if not good:
            sink.put(f"{product}/{truth}/{stem}.txt", _rows(scaled, separator))


def _clouds(samples: Iterable[Sample]) -> Iterator[tuple[Sample, Cloud]]:
    for sample in samples:
        cloud = sample.cloud
        if cloud is None:
            if sample.xyz is None or sample.image is None:
                raise WriterError(f"{sample.id} has an image alone; choose output.format mvtec or parquet")
            mask = sample.mask if sample.mask is not None else np.zeros(sample.xyz.shape[:2], bool)
            cloud = as_cloud(sample.xyz, sample.image, mask)
        yield sample, cloud


def _rows(cloud: Cloud, separator: str) -> bytes:
    """x y z label of each point; nine digits give a float32 back exactly, fifteen hold a place far from (0, 0, 0)."""
    labels = np.zeros(len(cloud.points)) if cloud.labels is None else cloud.labels
    row = separator.join(["%.15g" if any(cloud.origin) else "%.9g"] * 3 + ["%d"]) + "\n"
    values = np.column_stack([cloud.placed.astype(np.float64), labels])
    return (row * len(values) % tuple(values.ravel().tolist())).encode()
