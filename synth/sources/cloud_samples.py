"""The sample behind an entry that is a cloud or a mesh."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from synth.errors import SourceError
from synth.io.cloud_image import rendered
from synth.io.columns import LABEL
from synth.io.images import content_hash
from synth.io.normals import settled
from synth.io.outward import Sensor
from synth.io.points import LEAST_POINTS, CloudOptions, CloudReading, parsed, read_cloud
from synth.io.units import METRES
from synth.sample import Cloud, Sample
from synth.sources.notes import Note

if TYPE_CHECKING:
    from synth.sources.listing import Entry


@dataclass(frozen=True, slots=True)
class CloudFacts:
    """What was found in a cloud's file: its unit, points in it, those dropped by reason, stray points, whether it is a
    mesh, and by what its normals point outwards (None: not asked)."""

    unit: str
    found: int
    dropped: dict[str, int]
    stray: int
    mesh: bool
    normals: str | None


def load_cloud(entry: Entry, options: CloudOptions) -> Sample:
    """A cloud with outward normals and an image of it, which stands in wherever images are compared or shown. In its
    meta are `notes` and, as `cloud_facts`, a CloudFacts."""
    reading = read_cloud(entry.file, options)
    cloud = reading.cloud
    if len(cloud.points) < LEAST_POINTS:
        gone = f", {sum(reading.dropped.values()):,} others are none" if reading.dropped else ""
        raise SourceError(
            f"{entry.file} holds {len(cloud.points)} points{gone}, wanted at least {LEAST_POINTS}; scan or sample it "
            "denser, or leave it out with source.exclude"
        )
    if entry.mask is not None and entry.mask != entry.file:
        cloud = replace(cloud, labels=_marked(entry.mask, reading))
    told, how = reading.told, None
    if entry.split == "train":
        found = settled(str(entry.file), cloud, _sensor(reading, options), options.normals, reading.mesh)
        cloud, told, how = found.cloud, (*told, *found.told), found.how
    if entry.defect is None and cloud.labels is not None and LABEL not in options.columns:
        cloud = replace(cloud, labels=None)
    image, mask = rendered(cloud)
    return Sample(
        id=entry.id,
        image=image,
        mask=mask,
        cloud=cloud,
        product=entry.product,
        defect=entry.defect,
        split=entry.split,
        meta={
            "file": str(entry.file),
            "mask_file": None,
            "sha256": content_hash(cloud.points),
            "white": None,
            "grey": cloud.colors is None,
            "size": image.shape[:2],
            "entry": entry,
            "notes": tuple(Note(*one) for one in told),
            "cloud_facts": CloudFacts(
                reading.unit, reading.found, reading.dropped, reading.size.stray, reading.mesh, how
            ),
        },
    )


def _sensor(reading: CloudReading, options: CloudOptions) -> Sensor:
    return Sensor(reading.viewpoint, options.viewpoint is not None, -np.array(reading.cloud.origin))


def _marked(file: Path, reading: CloudReading) -> np.ndarray:
    """Which points (N,) bool of a cloud lie on the defect whose points alone a file holds, in the cloud's own unit."""
    cloud: Cloud = reading.cloud
    defect = parsed(file, 0).points * METRES[reading.unit] - cloud.origin
    tree, own = cKDTree(defect), cKDTree(cloud.points)
    spacing = float(np.median(own.query(cloud.points[:: max(1, len(cloud.points) // 5000)], 2)[0][:, 1]))
    apart = float(np.median(tree.query(defect, min(2, len(defect)))[0].reshape(len(defect), -1)[:, -1]))
    return np.asarray(tree.query(cloud.points)[0] <= max(spacing, apart))
