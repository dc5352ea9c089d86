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

from synth.dual.arrays import cross, dot, norm, unit
from synth.dual.bending import bent, turned
from synth.dual.frame import tangent_frame
from synth.dual.material import ABSORPTIONS
from synth.dual.patch import streams
from synth.dual.profiles import Face, Hinge, Profile, Spot, Stroke, draw_profile, volume
from synth.dual.spec import AREA, DefectSpec, Place
from synth.dual.surface import Surface, prepare_surface
from synth.errors import GeneratorError, SampleError
from synth.generators import origin_of
from synth.sample import Cloud, Instance, InstanceMasks, Provenance, Sample

ATTEMPTS = 20
CUTS = ("chip", "cut", "bend")
"""Types that change the cloud as a whole: one at most, before all others."""
LEAST_LABELS = 6
STRETCHED = 1.3
"""Factor of area from which points are added."""
SHRUNK = 0.7
"""Factor of area below which points are left out."""
CLOSEST = 0.75
"""Distance of an added point from all others, in spacings, at least."""
DARTS = 12
"""Places tried for each point that is wanted."""
SEEN = 1e-6
"""Metres, times the diagonal in metres, from which a point counts as moved."""
RING = 2.0
"""Width, in spacings, of the ring of points around a defect that its stretched rim reaches to."""
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
        """Both, in the number types of the first."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in Marked.__slots__)
        return Marked(*(np.concatenate([own, more.astype(own.dtype, copy=False)]) for own, more in pairs))


def draw_on_cloud(sample: Sample, specs: Sequence[DefectSpec], seed: int, surface: Surface | None = None) -> Sample:
    """The sample's cloud with one defect of each spec, CUTS first: points, normals, colours, labels, and in meta
    `dual` instances (n,) and a record of every defect. GeneratorError where no attempt succeeds, SampleError for a
    cloud that cannot carry one. Stains, which only colours show, need a cloud with colours."""
    if sample.cloud is None:
        raise SampleError(f"{sample.id} has no cloud")
    surface = surface if surface is not None else prepare_surface(sample.id, sample.cloud)
    if sample.cloud.colors is None and not all(spec.geometric for spec in specs):
        raise SampleError(f"{sample.id}: a stain shows in colours alone and this cloud has none; ask for another type")
    size = len(surface.points)
    marked = Marked(
        points=sample.cloud.points,
        normals=surface.single_normals,
        source=np.arange(size, dtype=np.int32),
        instance=np.zeros(size, np.int16),
        height=np.zeros(size, np.float32),
    )
    instances: list[Instance] = []
    for number, spec in enumerate(specs, start=1):
        marked, instance = _add(sample, surface, spec, seed, number, marked)
        instances.append(instance)
    return finished_cloud(sample, marked, instances, seed)


def _add(
    sample: Sample, surface: Surface, spec: DefectSpec, seed: int, number: int, marked: Marked
) -> tuple[Marked, Instance]:
    factor = (surface.diagonal / 0.1 if spec.scale == "size" else 1.0) * (
        AREA[spec.difficulty] if spec.difficulty else 1.0
    )
    reason = "no attempt was made"
    for attempt in range(ATTEMPTS):
        rngs = streams(seed + 1_000_003 * (number - 1), attempt)
        profile = _dense_enough(draw_profile(spec, rngs["shape"], rngs["height"], factor), surface)
        place = _position(sample, surface, spec.place, rngs["placement"])
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
        return changed, _parameters(spec, profile, place, labels, attempt)
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
    # A ring of neighbours that stay goes along: the surface stretches between them and what moves, too.
    members, q = surface.around(place, profile.reach + RING * surface.spacing)
    inside = np.square(q).sum(1) <= profile.reach**2
    expected = np.pi * profile.reach**2 / _point_area(surface, place)
    if spec.place != "edge" and not DISC[0] < np.count_nonzero(inside) / expected < DISC[1]:
        return f"the part has no whole disc of {1e3 * profile.reach:.1f} mm there"
    rows = members if number == 1 else _rows(surface, marked, members)
    if (rows < 0).any() or (marked.instance[rows] > 0).any():
        return "it met another defect"
    relief = profile.at(q)
    gone = np.zeros(len(members), bool) if relief.gone is None else relief.gone & inside
    height = np.where(gone | ~inside, 0.0, relief.height)
    touched = np.abs(height) > SEEN * surface.diagonal if spec.geometric else inside & (relief.cover > 0.3)
    if gone.any():
        touched |= _rim(surface.points[members], gone, 3 * surface.spacing)
    moves = height != 0
    step = np.zeros((len(members), 3))
    step[moves] = height[moves, None] * surface.directions(members[moves], 0.25 * profile.reach)
    before = marked.only(rows)
    own = np.where(touched, number, before.instance).astype(np.int16)
    patch = Marked(before.points + step, before.normals, before.source, own, height)
    patch, added, dropped = _respaced(patch, before.points, ~gone, q, surface.spacing, number, rng)
    return _put(marked, rows, patch, added, np.concatenate([rows[gone], rows[dropped]]))


def _rows(surface: Surface, marked: Marked, members: np.ndarray) -> np.ndarray:
    """Where points of the surface are in the cloud under work, -1 for those that are gone."""
    # Points added by an earlier defect come after the originals, which must win.
    row_of = np.full(len(surface.points), -1)
    row_of[marked.source[::-1]] = np.arange(len(marked.points))[::-1]
    return row_of[members]


def _put(marked: Marked, rows: np.ndarray, patch: Marked, added: Marked, dropped: np.ndarray) -> Marked:
    """The cloud with its rows replaced by a patch, some points added at its end, some left out."""
    whole = marked.plus(added)
    for name in Marked.__slots__:
        getattr(whole, name)[rows] = getattr(patch, name)
    if len(dropped) == 0:
        return whole
    keep = np.ones(len(whole.points), bool)
    keep[dropped] = False
    return whole.only(keep)


def _respaced(
    patch: Marked,
    before: np.ndarray,
    stays: np.ndarray,
    q: np.ndarray,
    spacing: float,
    number: int,
    rng: np.random.Generator,
) -> tuple[Marked, Marked, np.ndarray]:
    """The patch with the normals of its displaced triangles (Delaunay in the tangent plane, between points (n,) bool
    that stay), points to add where these grew, and indices of points to drop where they shrank. before (n, 3): the
    points as they were."""
    empty, none = patch.only(np.zeros(len(stays), bool)), np.zeros(0, int)
    corners = np.flatnonzero(stays)
    if len(corners) < 4:
        return patch, empty, none
    try:
        triangles = corners[Delaunay(q[stays]).simplices]
    except QhullError:
        return patch, empty, none
    sides = [np.square(q[triangles[:, k]] - q[triangles[:, k - 1]]).sum(1) for k in range(3)]
    triangles = triangles[np.maximum.reduce(sides) < (6 * spacing) ** 2]
    triangles = triangles[(patch.instance == number)[triangles].any(1)]
    if len(triangles) == 0:
        return patch, empty, none
    turned = _crossed(patch.points, triangles)
    area, old_area = 0.5 * norm(turned), 0.5 * norm(_crossed(before, triangles))
    patch = replace(patch, normals=_turned_normals(patch, triangles, turned))
    new_area = np.where(area > STRETCHED * old_area, area - old_area, 0)
    added = _filled(patch, triangles, new_area, old_area.sum() / len(triangles), spacing, number, rng)
    resized = np.unique(triangles[area < SHRUNK * old_area])
    return patch, added, resized[rng.random(len(resized)) > 0.75]


def _filled(
    patch: Marked,
    triangles: np.ndarray,
    new_area: np.ndarray,
    usual: float,
    spacing: float,
    number: int,
    rng: np.random.Generator,
) -> Marked:
    """Points in stretched triangles: as many as their new area (t,) is worth at the usual area of a triangle, two of
    which make a point; darts of which none falls nearer to another point than CLOSEST spacings."""
    worth = new_area.sum() / (2 * usual) if usual > 0 else 0.0
    wanted = int(worth + rng.random())
    if wanted == 0:
        return patch.only(np.zeros(len(patch.points), bool))
    picked = triangles[rng.choice(len(triangles), DARTS * wanted, p=new_area / new_area.sum())]
    weights = rng.dirichlet((1, 1, 1), len(picked))

    def mixed(values: np.ndarray) -> np.ndarray:
        return np.einsum("nk,nk...->n...", weights, values[picked])

    points = mixed(patch.points)
    kept = _apart(points, patch.points, CLOSEST * spacing, wanted)
    picked, weights = picked[kept], weights[kept]
    nearest = picked[np.arange(len(kept)), weights.argmax(1)]
    labels = np.full(len(kept), number, np.int16)
    return Marked(points[kept], unit(mixed(patch.normals)), patch.source[nearest], labels, mixed(patch.height))


def _apart(darts: np.ndarray, points: np.ndarray, least: float, wanted: int) -> np.ndarray:
    """Indices of the first `wanted` darts (n, 3) that keep `least` metres from the points and from each other."""
    free = np.flatnonzero(np.isinf(cKDTree(points).query(darts, distance_upper_bound=least)[0]))
    beside = cKDTree(darts[free]).query_ball_point(darts[free], least) if len(free) else []
    open_still, kept = np.ones(len(free), bool), []
    for dart, neighbours in enumerate(beside):
        if open_still[dart]:
            kept.append(free[dart])
            open_still[neighbours] = False
        if len(kept) == wanted:
            break
    return np.array(kept, int)


def _crossed(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Normals (t, 3) of triangles (t, 3), twice as long as they are large."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    return cross(b - a, c - a)


def _turned_normals(patch: Marked, triangles: np.ndarray, crossed: np.ndarray) -> np.ndarray:
    """Normals (n, 3) of the moved points from the triangles around them, on the side they were on."""
    crossed = crossed * np.sign(dot(crossed, patch.normals[triangles[:, 0]]))[:, None]
    size = len(patch.points)
    total = np.stack([np.bincount(triangles.ravel(), crossed[:, k].repeat(3), size) for k in range(3)], 1)
    moved = total.any(1) & (patch.height != 0)
    return np.where(moved[:, None], unit(total), patch.normals)


def _cut_or_bent(
    surface: Surface, profile: Hinge | Face, place: int, number: int, marked: Marked, rng: np.random.Generator
) -> Marked | str:
    if number > 1:
        return f"a cloud takes one of {', '.join(CUTS)}; ask for one of them, with a count of 1"
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


def _position(sample: Sample, surface: Surface, place: Place, rng: np.random.Generator) -> int:
    """A point to put a defect at. Where the sample's meta["allowed"], bool (N,), names points, it is one of those."""
    allowed = sample.meta.get("allowed")
    if allowed is None and place == "mask":
        raise SampleError(f"{sample.id}: place 'mask' needs a bool (N,) mask of points in the sample's meta['allowed']")
    if place == "edge" and allowed is None:
        return int(surface.tree.query(_extreme(surface, rng))[1])
    positions = surface.positions(place)
    if allowed is not None:
        mine = np.asarray(allowed, bool)
        if mine.shape != (len(surface.points),) or not mine.any():
            raise SampleError(
                f"{sample.id}: meta['allowed'] is {mine.shape} with {mine.sum()} True, wanted one a point"
            )
        positions = positions[mine[positions]] if mine[positions].any() else np.flatnonzero(mine)
    return int(positions[rng.integers(len(positions))])


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


def _parameters(spec: DefectSpec, profile: Profile, place: int, labels: int, attempt: int) -> Instance:
    parameters: dict[str, Any] = {
        "amplitude_mm": round(1e3 * float(profile.amplitude), 4),
        "reach_mm": round(1e3 * float(profile.reach), 4),
        "visible_in": "geo" if spec.geometric else "rgb",
        "seed_point": place,
        "points": labels,
        "attempt": attempt,
    }
    if not isinstance(profile, Face | Hinge):
        parameters["volume_mm3"] = round(1e9 * volume(profile), 4)
    return Instance(spec.type, parameters)


def finished_cloud(sample: Sample, marked: Marked, instances: Sequence[Instance], seed: int) -> Sample:
    """The sample with the marked cloud, in which instance k has number k + 1."""
    assert sample.cloud is not None
    colors = None if sample.cloud.colors is None else sample.cloud.colors[marked.source]
    if colors is not None:
        rng = np.random.default_rng([seed, 79])
        for number, instance in enumerate(instances, start=1):
            absorbed = np.array(ABSORPTIONS[rng.integers(len(ABSORPTIONS))])
            where = (marked.instance == number) & (instance.type == "stain")
            colors[where] = np.rint(colors[where] * np.exp(-absorbed / 2.2))
    points, normals = (array.astype(np.float32, copy=False) for array in (marked.points, marked.normals))
    cloud = Cloud(points, normals, colors, labels=marked.instance > 0)
    kinds = {instance.type for instance in instances}
    masks = InstanceMasks(marked.instance, source=marked.source)
    start = origin_of(sample, cloud=sample.cloud)
    provenance = Provenance("dual", seed, start=start, instances=tuple(instances), masks=masks)
    defect = kinds.pop() if len(kinds) == 1 else "combined"
    return replace(sample, cloud=cloud, defect=defect, provenance=provenance)
