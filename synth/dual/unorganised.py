"""Defects on unorganised clouds: the same profiles as on organised ones, moved along outward normals.

A label belongs to the point: it is set from the heights, by index, before anything moves. Spacing is kept: where the
surface stretches, points are added between neighbours, where it shrinks, some are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.spatial import Delaunay, QhullError, cKDTree

from synth.dual.bending import bent, turned
from synth.dual.frame import tangent_frame
from synth.dual.material import ABSORPTIONS
from synth.dual.patch import streams
from synth.dual.profiles import Face, Hinge, Profile, Spot, Stroke, draw_profile, volume
from synth.dual.spec import AREA, DefectSpec
from synth.dual.surface import Surface, prepare_surface
from synth.errors import GeneratorError, SampleError
from synth.sample import Cloud, Sample

ATTEMPTS = 20
LEAST_LABELS = 6
STRETCHED = 1.3
"""Factor of area from which points are added."""
SQUEEZED = 0.7
"""Factor of area below which points are left out."""
SEEN = 1e-6
"""Metres, times the diagonal in metres, from which a point counts as moved."""
DISC = (0.75, 1.3)
"""Points around a seed, over those a disc of that radius has, between which a place counts as whole."""


@dataclass(frozen=True, slots=True)
class Marked:
    """A cloud under work: points, normals (n, 3), source (n,) index of the point each came from, instance (n,) 0 =
    good, height (n,) metres."""

    points: np.ndarray
    normals: np.ndarray
    source: np.ndarray
    instance: np.ndarray
    height: np.ndarray

    def only(self, kept: np.ndarray) -> Marked:
        return Marked(*(getattr(self, name)[kept] for name in Marked.__slots__))

    def plus(self, other: Marked) -> Marked:
        return Marked(*(np.concatenate([getattr(self, n), getattr(other, n)]) for n in Marked.__slots__))


def draw_on_cloud(sample: Sample, specs: Sequence[DefectSpec], seed: int, surface: Surface | None = None) -> Sample:
    """The sample's cloud with one defect of each spec: points, normals, colours, labels, and in meta `dual` instances
    (n,) and a record of every defect. GeneratorError where no attempt succeeds, SampleError for a cloud that cannot
    carry one. Stains, which only colours show, need a cloud with colours."""
    if sample.cloud is None:
        raise SampleError(f"{sample.id} has no cloud")
    surface = surface if surface is not None else prepare_surface(sample.id, sample.cloud)
    if sample.cloud.colors is None and not all(spec.geometric for spec in specs):
        raise SampleError(f"{sample.id}: a stain shows in colours alone and this cloud has none; ask for another type")
    size = len(surface.points)
    marked = Marked(surface.points, surface.normals, np.arange(size), np.zeros(size, np.int16), np.zeros(size))
    told = []
    for number, spec in enumerate(specs, start=1):
        marked, facts = _add(sample, surface, spec, seed, number, marked)
        told.append(facts)
    return _finished(sample, marked, told, seed)


def _add(
    sample: Sample, surface: Surface, spec: DefectSpec, seed: int, number: int, marked: Marked
) -> tuple[Marked, dict[str, Any]]:
    factor = (surface.diagonal / 0.1 if spec.scale == "size" else 1.0) * (
        AREA[spec.difficulty] if spec.difficulty else 1.0
    )
    reason = "no attempt was made"
    for attempt in range(ATTEMPTS):
        rngs = streams(seed + 1_000_003 * (number - 1), attempt)
        profile = _dense_enough(draw_profile(spec, rngs["shape"], rngs["height"], factor), surface)
        place = int(rngs["placement"].integers(len(surface.points)))
        if spec.place == "edge":
            place = int(surface.tree.query(_extreme(surface, rngs["placement"]))[1])
        if isinstance(profile, Hinge | Face):
            changed = _cut_or_bent(surface, profile, place, number, marked, rngs["noise"])
        else:
            changed = _displaced(surface, spec, profile, place, number, marked, rngs["noise"])
        if isinstance(changed, str):
            reason = changed
            continue
        labels = int((changed.instance == number).sum())
        share = labels / len(changed.points)
        if labels < LEAST_LABELS or share > 0.6:
            reason = f"it covers {labels} points, {share:.0%} of the cloud"
            continue
        return changed, _facts(spec, profile, place, labels, attempt)
    raise GeneratorError(f"{sample.id}: no {spec.type} in {ATTEMPTS} attempts, the last one because {reason}")


def _displaced(
    surface: Surface,
    spec: DefectSpec,
    profile: Profile,
    place: int,
    number: int,
    marked: Marked,
    rng: np.random.Generator,
) -> Marked | str:
    """The cloud with one height profile at a seed point, or why not."""
    members, q = surface.around(place, profile.reach)
    expected = np.pi * profile.reach**2 / _point_area(surface, place)
    if spec.place != "edge" and not DISC[0] < len(members) / expected < DISC[1]:
        return f"the part has no whole disc of {1e3 * profile.reach:.1f} mm there"
    # Points added by an earlier defect come after the originals, which must win.
    row_of = np.full(len(surface.points), -1)
    row_of[marked.source[::-1]] = np.arange(len(marked.points))[::-1]
    rows = row_of[members]
    if (rows < 0).any() or (marked.instance[rows] > 0).any():
        return "it met another defect"
    relief = profile.at(q)
    gone = np.zeros(len(members), bool) if relief.gone is None else relief.gone
    height = np.where(gone, 0.0, relief.height)
    touched = np.abs(height) > SEEN * surface.diagonal
    if not spec.geometric:
        touched = relief.cover > 0.3
    direction = surface.directions(members, 0.25 * profile.reach)
    points, normals = marked.points.copy(), marked.normals.copy()
    instance, heights = marked.instance.copy(), marked.height.copy()
    points[rows] += height[:, None] * direction
    instance[rows[touched]] = number
    heights[rows] = height
    if gone.any():
        rim = _rim(surface.points[members], gone, 3 * surface.spacing)
        instance[rows[rim]] = number
    changed = Marked(points, normals, marked.source, instance, heights)
    added, dropped = _respaced(changed, rows[~gone], q[~gone], surface.spacing, number, rng)
    keep = np.ones(len(points), bool)
    keep[rows[gone]] = False
    keep[dropped] = False
    return changed.only(keep).plus(added)


def _respaced(
    marked: Marked, rows: np.ndarray, q: np.ndarray, spacing: float, number: int, rng: np.random.Generator
) -> tuple[Marked, np.ndarray]:
    """Points to add where triangles of neighbours (Delaunay in the tangent plane) grew, and rows to drop where they
    shrank; normals of the displaced triangles are written into `marked`, which is the caller's own."""
    empty = marked.only(np.zeros(len(marked.points), bool))
    none = np.zeros(0, int)
    if len(rows) < 4:
        return empty, none
    try:
        triangles = Delaunay(q).simplices
    except QhullError:
        return empty, none
    corners = q[triangles]
    sides = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(1)
    triangles = triangles[sides < 6 * spacing]
    own = (marked.instance[rows] == number)[triangles]
    triangles = rows[triangles[own.any(1)]]
    if len(triangles) == 0:
        return empty, none
    a, b, c = (marked.points[triangles[:, k]] for k in range(3))
    cross = np.cross(b - a, c - a)
    area = 0.5 * np.linalg.norm(cross, axis=1)
    before = marked.points - marked.height[:, None] * marked.normals
    old = [before[triangles[:, k]] for k in range(3)]
    old_area = 0.5 * np.linalg.norm(np.cross(old[1] - old[0], old[2] - old[0]), axis=1)
    growth = area / np.maximum(old_area, 1e-18)
    _turn_normals(marked, triangles, cross)
    extra = np.where(growth > STRETCHED, 0.5 * (growth - 1), 0)
    count = np.floor(np.minimum(extra, 20) + rng.random(len(extra))).astype(int)
    which = np.repeat(np.arange(len(triangles)), count)
    weights = rng.dirichlet((1, 1, 1), len(which))
    picked = triangles[which]

    def mixed(values: np.ndarray) -> np.ndarray:
        return np.einsum("nk,nkj->nj", weights, values[picked])

    normals = mixed(marked.normals)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    nearest = picked[np.arange(len(which)), weights.argmax(1)]
    heights = np.einsum("nk,nk->n", weights, marked.height[picked])
    added = Marked(
        mixed(marked.points), normals, marked.source[nearest], np.full(len(which), number, np.int16), heights
    )
    squeezed = np.unique(triangles[growth < SQUEEZED])
    return added, squeezed[rng.random(len(squeezed)) > 0.75]


def _turn_normals(marked: Marked, triangles: np.ndarray, cross: np.ndarray) -> None:
    """Normals of the moved points from the triangles around them, on the side they were on."""
    total = np.zeros_like(marked.points)
    same = np.sign(np.einsum("ij,ij->i", cross, marked.normals[triangles[:, 0]]))
    for corner in range(3):
        np.add.at(total, triangles[:, corner], cross * same[:, None])
    length = np.linalg.norm(total, axis=1)
    moved = (length > 0) & (marked.height != 0)
    marked.normals[moved] = total[moved] / length[moved, None]


def _cut_or_bent(
    surface: Surface, profile: Hinge | Face, place: int, number: int, marked: Marked, rng: np.random.Generator
) -> Marked | str:
    if number > 1:
        return "cuts and bends come first in a combination"
    centre, normal = surface.points[place], surface.normals[place]
    outward = centre - surface.points.mean(0)
    if isinstance(profile, Hinge):
        return _bent_cloud(surface, profile, centre, outward, marked, number, rng)
    lean = np.cos(profile.tilt) * normal + np.sin(profile.tilt) * outward / np.linalg.norm(outward)
    lean /= np.linalg.norm(lean)
    frame = np.stack(tangent_frame(lean))
    away = marked.points - centre
    level = profile.amplitude + profile.rough(away @ frame.T)
    beyond = away @ lean > level
    # Only the piece around the seed goes; elsewhere the plane may cross the part again.
    ball = np.linalg.norm(away, axis=1) < 3 * profile.reach
    beyond &= ball
    if beyond.sum() < LEAST_LABELS or beyond.mean() > 0.3:
        return f"the cut takes {beyond.mean():.1%} of the points"
    fallen = marked.points[beyond] - ((away @ lean - level)[beyond])[:, None] * lean
    kept = _thinned(fallen, surface.spacing)
    count = len(kept)
    cap = Marked(
        fallen[kept],
        np.broadcast_to(lean, (count, 3)).copy(),
        marked.source[beyond][kept],
        np.full(count, number, np.int16),
        np.zeros(count),
    )
    rest = marked.only(~beyond)
    near, _ = cKDTree(fallen).query(rest.points, distance_upper_bound=1.5 * surface.spacing)
    rest.instance[np.isfinite(near)] = number
    return rest.plus(cap)


def _bent_cloud(
    surface: Surface,
    hinge: Hinge,
    centre: np.ndarray,
    outward: np.ndarray,
    marked: Marked,
    number: int,
    rng: np.random.Generator,
) -> Marked | str:
    """The part bent about a line across it that leaves 15 to 45 % of its points on the moving side."""
    normal = surface.normals[int(surface.tree.query(centre)[1])]
    along = outward - normal * (outward @ normal)
    if np.linalg.norm(along) < 1e-9:
        return "the hinge has no direction"
    along /= np.linalg.norm(along)
    axes = np.stack([along, np.cross(normal, along), normal])
    line = centre + along * np.quantile((marked.points - centre) @ along, rng.uniform(0.55, 0.85))
    beyond = (marked.points - line) @ along > 0
    points, normals = marked.points.copy(), marked.normals.copy()
    points[beyond] = bent(points[beyond], line, axes, hinge)
    normals[beyond] = turned(marked.normals[beyond], marked.points[beyond], line, axes, hinge, 1)
    moved = np.linalg.norm(points - marked.points, axis=1) > SEEN * surface.diagonal
    instance = marked.instance.copy()
    instance[moved] = number
    return Marked(points, normals, marked.source, instance, marked.height)


def _dense_enough(profile: Profile, surface: Surface) -> Profile:
    """The profile, no finer than three times the spacing of points."""
    least = 3 * surface.spacing
    if isinstance(profile, Spot) and profile.radius < least:
        return replace(profile, radius=least)
    if isinstance(profile, Stroke):
        return replace(profile, finest=1.2 * surface.spacing, open_beyond=np.inf)
    return profile


def _point_area(surface: Surface, place: int) -> float:
    """Area of surface for each point, square metres, from the points next to one."""
    apart = surface.tree.query(surface.points[place], 17)[0][-1]
    return float(np.pi * apart**2 / 16)


def _extreme(surface: Surface, rng: np.random.Generator) -> np.ndarray:
    """A corner-like place: the point that is furthest in a random direction."""
    direction = rng.standard_normal(3)
    return surface.points[int(np.argmax(surface.points @ direction))]


def _rim(points: np.ndarray, gone: np.ndarray, reach: float) -> np.ndarray:
    near, _ = cKDTree(points[gone]).query(points, distance_upper_bound=reach)
    return np.isfinite(near) & ~gone


def _thinned(points: np.ndarray, spacing: float) -> np.ndarray:
    """Indices of at most one point for each cube of side `spacing`."""
    cells = np.floor(points / spacing).astype(np.int64)
    return np.sort(np.unique(cells, axis=0, return_index=True)[1])


def _facts(spec: DefectSpec, profile: Profile, place: int, labels: int, attempt: int) -> dict[str, Any]:
    facts = {
        "type": spec.type,
        "amplitude_mm": round(1e3 * float(profile.amplitude), 4),
        "reach_mm": round(1e3 * float(profile.reach), 4),
        "visible_in": "geo" if spec.geometric else "rgb",
        "seed_point": place,
        "points": labels,
        "attempt": attempt,
    }
    if not isinstance(profile, Face | Hinge):
        facts["volume_mm3"] = round(1e9 * volume(profile), 4)
    return facts


def _finished(sample: Sample, marked: Marked, told: list[dict[str, Any]], seed: int) -> Sample:
    assert sample.cloud is not None
    colors = None if sample.cloud.colors is None else sample.cloud.colors[marked.source]
    if colors is not None:
        rng = np.random.default_rng([seed, 79])
        for number, facts in enumerate(told, start=1):
            absorbed = np.array(ABSORPTIONS[rng.integers(len(ABSORPTIONS))])
            where = (marked.instance == number) & (facts["type"] == "stain")
            colors[where] = np.rint(colors[where] * np.exp(-absorbed / 2.2))
    cloud = Cloud(
        marked.points.astype(np.float32), marked.normals.astype(np.float32), colors, labels=marked.instance > 0
    )
    kinds = {facts["type"] for facts in told}
    dual = {"instances": marked.instance, "source_index": marked.source, "defects": told}
    defect = kinds.pop() if len(kinds) == 1 else "combined"
    return replace(sample, cloud=cloud, defect=defect, meta={**sample.meta, "seed": seed, "dual": dual})
