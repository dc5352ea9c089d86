"""Partial views: of a whole cloud, what a scanner sees from one side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial import cKDTree

from synth.dual.arrays import unit
from synth.dual.frame import tangent_frame
from synth.errors import GeneratorError
from synth.sample import Cloud, Instance, InstanceMasks, Sample

LEAST_COS = 0.1
"""Cosine between normal and line of sight from which a scanner gets a point back."""
CELL = 2.0
"""Side, in spacings, of the squares in which the nearest point hides what lies behind it."""
VIEWS = 20
SHOWN = 0.5
"""Share of every instance that a view must show, as long as one of VIEWS does."""


def partial_view(sample: Sample, rng: np.random.Generator) -> Sample:
    """The sample's labelled cloud as seen from far away in a random direction from which every instance shows: labels,
    colours, numbers and sources stay with their points; each instance gets `view` (3,), the direction towards the
    scanner. GeneratorError where no direction shows all of them."""
    cloud = sample.cloud
    if cloud is None or cloud.labels is None or cloud.normals is None:
        raise GeneratorError(f"{sample.id} has no labelled cloud with normals, of which a side could be shown")
    made = sample.provenance
    assert made is not None
    assert made.masks is not None
    assert made.masks.source is not None
    few = cloud.points[:: max(1, len(cloud.points) // 2000)]
    spacing = float(np.median(cKDTree(cloud.points).query(few, 2)[0][:, 1]))
    instances = [made.masks.number == number for number in range(1, len(made.instances) + 1)]
    best, towards, kept = 0.0, np.zeros(3), np.zeros(len(cloud.points), bool)
    for view in unit(rng.standard_normal((VIEWS, 3))):
        seen = visible(cloud.points, cloud.normals, view, spacing)
        share = min(float(seen[own].mean()) for own in instances)
        if share > best:
            best, towards, kept = share, view, seen
        if best >= SHOWN:
            break
    if best == 0:
        raise GeneratorError(f"{sample.id}: none of {VIEWS} directions shows all of its defects")
    masks = InstanceMasks(made.masks.number[kept], source=made.masks.source[kept])
    view = [round(float(v), 6) for v in towards]
    shown = tuple(
        Instance(one.type, {**one.parameters, "points": int((masks.number == number).sum()), "view": view})
        for number, one in enumerate(made.instances, start=1)
    )
    colors = None if cloud.colors is None else cloud.colors[kept]
    side = Cloud(cloud.points[kept], cloud.normals[kept], colors, cloud.labels[kept], cloud.origin)
    return replace(sample, cloud=side, provenance=replace(made, instances=shown, masks=masks))


def visible(points: np.ndarray, normals: np.ndarray, view: np.ndarray, spacing: float) -> np.ndarray:
    """Points (N, 3) that a scanner far away in direction `view` (3,) sees, (N,) bool: they face it, and none lies
    before them. Points `spacing` metres apart hide what is behind them."""
    cosine = normals @ view.astype(normals.dtype)
    facing = np.flatnonzero(cosine > LEAST_COS)
    cell = CELL * spacing
    places = points[facing] @ np.stack(tangent_frame(view)).T
    squares = np.floor((places - places.min(0, initial=np.inf)) / cell).astype(np.int64)
    index = np.unique(squares @ [squares[:, 1].max(initial=0) + 1, 1], return_inverse=True)[1]
    height = points[facing] @ view
    nearest = np.full(len(facing), -np.inf)
    np.maximum.at(nearest, index, height)
    # Within a square a slanted surface falls away by so much.
    slope = np.sqrt(np.maximum(1 - cosine[facing] ** 2, 0)) / cosine[facing]
    seen = np.zeros(len(points), bool)
    seen[facing] = height >= nearest[index] - cell * (1 + 1.5 * slope)
    return seen
