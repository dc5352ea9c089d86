"""What `inspect` says of clouds and meshes, file by file and in sum: unit, size, spacing, noise, walls, normals."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from scipy.spatial import cKDTree

from synth.io.extent import extent
from synth.sample import Cloud, Sample
from synth.sources.cloud_samples import CloudFacts

LOOKED_AT = 2000
"""Points at which spacing, noise and walls are measured."""
NEAR = 12
"""Neighbours that a plane is fitted to."""
THICKEST = 0.3
"""Largest wall that is looked for, as a share of the diagonal."""
AIMED = 0.9
"""Cosine between a normal and the way to a point behind from which that is the wall's other side."""


@dataclass(frozen=True, slots=True)
class MeasuredCloud:
    """One file. extent_mm: without stray points; found: points in the file (of a mesh: sampled), points: kept of them;
    spacing_mm, noise_mm: medians, of the distance to the next point and of that to a plane through neighbours, as a
    standard deviation; wall_mm: 5 % of the places have a thinner wall behind them, None where none has one; normals:
    how they were found; colours: whether there are; dropped: points by reason."""

    file: str
    product: str
    unit: str
    mesh: bool
    extent_mm: tuple[float, float, float]
    found: int
    points: int
    spacing_mm: float
    noise_mm: float
    wall_mm: float | None
    normals: str | None
    colours: bool
    dropped: dict[str, int]
    stray: int


def measured_cloud(sample: Sample) -> MeasuredCloud:
    """The measures of a sample that was read from a cloud or mesh."""
    cloud, facts = sample.cloud, sample.meta["cloud_facts"]
    assert cloud is not None
    assert isinstance(facts, CloudFacts)
    points = cloud.points.astype(np.float64)
    size, tree = extent(points), cKDTree(points)
    some = np.arange(len(points))[:: max(1, len(points) // LOOKED_AT)]
    apart, near = tree.query(points[some], min(NEAR, len(points)))
    away = points[near] - points[near].mean(1, keepdims=True)
    least = np.linalg.eigvalsh(np.einsum("nki,nkj->nij", away, away))[:, 0] / max(near.shape[1] - 3, 1)
    wall = _wall(cloud, some, tree, THICKEST * size.diagonal)
    return MeasuredCloud(
        sample.meta["file"],
        str(sample.product),
        facts.unit,
        facts.mesh,
        (_mm(size.size[0]), _mm(size.size[1]), _mm(size.size[2])),
        facts.found,
        len(points),
        _mm(np.median(apart[:, 1])),
        _mm(np.sqrt(np.median(np.maximum(least, 0)))),
        None if wall is None else _mm(wall),
        facts.normals,
        cloud.colors is not None,
        facts.dropped,
        facts.stray,
    )


def cloud_lines(clouds: Sequence[MeasuredCloud]) -> Iterator[str]:
    """The clouds of each product in sum, for people."""
    products: dict[str, list[MeasuredCloud]] = defaultdict(list)
    for one in clouds:
        products[one.product].append(one)
    for product, own in products.items():
        kinds = Counter("mesh" if one.mesh else "cloud" for one in own)
        counted = " and ".join(f"{n} {kind}{_plural(kind, n)}" for kind, n in sorted(kinds.items()))
        units = ", ".join(sorted({one.unit for one in own}))
        yield f"{product}: {counted} in {units}; largest side {_range(max(one.extent_mm) for one in own)} mm"
        walls = [one.wall_mm for one in own if one.wall_mm is not None]
        wall = f"thinnest walls {_range(walls)} mm" if walls else "no walls seen from behind"
        spacing, noise = (median(values) for values in zip(*((o.spacing_mm, o.noise_mm) for o in own), strict=True))
        yield (
            f"{product}: {_range(one.points for one in own)} points of {_range(one.found for one in own)}, "
            f"{spacing:.3g} mm apart, noise {noise:.2g} mm, {wall}"
        )
        normals = Counter(one.normals for one in own if one.normals is not None)
        told = ", ".join(f"{how} ({number})" for how, number in normals.most_common())
        coloured = sum(one.colours for one in own)
        yield f"{product}: normals {told or 'not asked for'}; colours in {coloured} of {len(own)}"
        dropped: Counter[str] = Counter()
        for one in own:
            dropped.update(one.dropped)
        if dropped:
            named = ", ".join(f"{number:,} {reason}" for reason, number in sorted(dropped.items()))
            yield f"{product}: points dropped: {named}"


def _wall(cloud: Cloud, some: np.ndarray, tree: cKDTree, thickest: float) -> float | None:
    """The thickness, metres, that 5 % of the places with another side behind them go below."""
    if cloud.normals is None:
        return None
    points, normals = cloud.points[some].astype(np.float64), cloud.normals[some].astype(np.float64)
    spacing = float(np.median(tree.query(points, 2)[0][:, 1]))
    steps = np.geomspace(max(spacing, 1e-3 * thickest), thickest, 24)
    wall = np.full(len(points), np.inf)
    for step in steps:
        apart, other = tree.query(points - step * normals)
        behind = np.einsum("ij,ij->i", cloud.normals[other].astype(np.float64), normals) < -AIMED
        away = cloud.points[other] - points
        aimed = -np.einsum("ij,ij->i", away, normals) > AIMED * np.linalg.norm(away, axis=1)
        hit = behind & aimed & (apart < max(step, 2 * spacing)) & np.isinf(wall)
        wall[hit] = -np.einsum("ij,ij->i", away[hit], normals[hit])
    seen = wall[np.isfinite(wall)]
    return float(np.quantile(seen, 0.05)) if len(seen) > 0.02 * len(points) else None


def _mm(metres: float) -> float:
    return float(f"{1e3 * float(metres):.4g}")


def _range(values: object) -> str:
    numbers = sorted(values)  # type: ignore[call-overload]
    low, high = (f"{n:,}" if isinstance(n, int) else f"{n:.3g}" for n in (numbers[0], numbers[-1]))
    return low if low == high else f"{low} to {high}"


def _plural(kind: str, number: int) -> str:
    return "" if number == 1 else "es" if kind == "mesh" else "s"
