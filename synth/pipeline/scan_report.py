"""What scans are like, file by file and product by product: unit, size, noise, camera, table, what was dropped."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np

from synth.errors import SampleError
from synth.sample import Sample
from synth.sources.notes import Note, Notes

LITTLE = 0.01
"""Share of the returns that are part below which the table was probably taken for something else."""


@dataclass(frozen=True, slots=True)
class ScanFacts:
    """One scan, lengths in millimetres. unit: of its file; extent_mm: along x, y and z, 1st to 99th percentile;
    spacing_mm: between neighbouring pixels; view: "pinhole" or "orthographic", with its camera's numbers; off_px: from
    its rays; normals: where to they point; table: whether a plane was taken off as background; part: share of the
    returns that is part; dropped: pixels by why they are no return."""

    file: str
    product: str
    unit: str
    extent_mm: tuple[float, float, float]
    depth_mm: tuple[float, float]
    returns: float
    spacing_mm: float
    noise_mm: float
    view: str
    camera: Mapping[str, float]
    off_px: float
    table: bool
    part: float
    dropped: Mapping[str, int]
    normals: str = "to the sensor"


@dataclass(slots=True)
class ScanReport:
    """The scans of a source so far; at most `most` of a product are measured, None = all."""

    most: int | None = None
    scans: list[ScanFacts] = field(default_factory=list)
    _count: Counter[str] = field(default_factory=Counter)

    def add(self, sample: Sample, file: str, notes: Notes) -> None:
        """Measure a sample with an organised cloud, and note what lies beneath its part."""
        product = str(sample.product)
        self._count[product] += 1
        if sample.xyz is None or (self.most is not None and self._count[product] > self.most):
            return
        try:
            facts = measured(sample, file)
        except SampleError as problem:  # nothing could be drawn on it
            notes.add(product, file, Note("table", f"cannot be drawn on: {problem}", "source.background", warning=True))
            return
        self.scans.append(facts)
        notes.add(product, file, table_note(facts))

    @property
    def lines(self) -> list[str]:
        """A sentence a product."""
        products: dict[str, list[ScanFacts]] = defaultdict(list)
        for facts in self.scans:
            products[facts.product].append(facts)
        return [f"{product}: {_summary(scans)}" for product, scans in products.items()]


def measured(sample: Sample, file: str) -> ScanFacts:
    """What is known of a sample with an organised cloud; its lengths in millimetres."""
    from synth.dual.scene import split_table
    from synth.dual.sensor import depth_noise

    assert sample.xyz is not None
    xyz, known = sample.xyz, sample.meta.get("scan", {})
    valid = xyz[..., 2] > 0
    sigma = depth_noise(xyz[..., 2], valid)
    plane, foreground = split_table(sample.id, xyz, valid, sigma, sample.meta.get("background", "auto"))
    points = xyz[foreground & valid]
    low, high = np.percentile(points[:: max(1, len(points) // 20_000)], (1, 99), axis=0)
    extent = tuple(round(1e3 * float(side), 3) for side in high - low)
    depth = tuple(round(1e3 * float(end), 3) for end in np.percentile(xyz[..., 2][valid], (1, 99)))
    return ScanFacts(
        file=file,
        product=str(sample.product),
        unit=known.get("unit", "m"),
        extent_mm=extent,  # type: ignore[arg-type]
        depth_mm=depth,  # type: ignore[arg-type]
        returns=round(float(valid.mean()), 4),
        spacing_mm=round(1e3 * _spacing(xyz, foreground & valid), 4),
        noise_mm=round(1e3 * sigma, 5),
        view=known.get("view", "pinhole"),
        camera=known.get("camera", {}),
        off_px=round(known.get("off_px", 0.0), 3),
        table=plane is not None,
        part=round(float((foreground & valid).sum() / valid.sum()), 4),
        dropped=known.get("dropped", {}),
    )


def table_note(facts: ScanFacts) -> Note:
    """What was taken for background."""
    if not facts.table:
        return Note("table", "shows no table: all that returned is part", "source.background")
    if facts.part < LITTLE:
        text = f"has under {LITTLE:.0%} of its returns stand out from the plane that was taken for its table"
        return Note("table", text, "source.background", warning=True)
    return Note("table", "lies on a plane, taken for a table and no part", "source.background")


def _spacing(xyz: np.ndarray, where: np.ndarray) -> float:
    """Median distance in metres between neighbours along rows; 0 where there are none."""
    beside = where[:, 1:] & where[:, :-1]
    apart = np.linalg.norm((xyz[:, 1:] - xyz[:, :-1])[beside], axis=-1)
    return float(np.median(apart)) if apart.size else 0.0


def _summary(scans: list[ScanFacts]) -> str:
    """What the scans of a product have in common, as medians."""

    def middle(name: str, at: int | None = None) -> float:
        values = [getattr(scan, name) for scan in scans]
        return median(value if at is None else value[at] for value in values)

    units = ", ".join(sorted({scan.unit for scan in scans}))
    size = " x ".join(f"{middle('extent_mm', k):.4g}" for k in range(3))
    tables = sum(scan.table for scan in scans)
    views = ", ".join(_view(scans, kind) for kind in ("pinhole", "orthographic") if any(s.view == kind for s in scans))
    dropped: Counter[str] = Counter()
    for scan in scans:
        dropped.update(scan.dropped)
    lost = "".join(f", {count:,} px dropped for {why}" for why, count in dropped.items())
    return (
        f"{len(scans)} scans in {units}; parts of {size} mm (x, y, depth), seen at {middle('depth_mm', 0):.4g} to "
        f"{middle('depth_mm', 1):.4g} mm; {middle('returns'):.0%} of the pixels return, {middle('part'):.0%} of these "
        f"are part, {tables} of {len(scans)} lie on a table; spacing {middle('spacing_mm'):.3g} mm, noise "
        f"{middle('noise_mm'):.2g} mm; {views}; normals point to the sensor{lost}"
    )


def _view(scans: list[ScanFacts], kind: str) -> str:
    own: list[dict[str, Any]] = [dict(scan.camera) for scan in scans if scan.view == kind]
    names = own[0] if all(own) else {}
    numbers = ", ".join(f"{name} {median(one[name] for one in own):.4g}" for name in names)
    return f"{kind} ({numbers})" if numbers else kind
