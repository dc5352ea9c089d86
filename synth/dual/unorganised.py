"""Defects on unorganised clouds: the same profiles as on organised ones, moved along outward normals.

A label belongs to the point: it is set by index, for exactly the points that move, are recoloured or border on a
removed one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from synth.dual.attempts import ATTEMPTS, first_success
from synth.dual.cloud_canvas import SEEN, CloudCanvas, Marked, beside, finished_cloud
from synth.dual.cloud_cuts import bend, cut
from synth.dual.material import ABSORPTIONS
from synth.dual.placement import choose_point
from synth.dual.profiles import Face, Hinge, Profile, Relief, Spot, Stroke, volume
from synth.dual.respacing import Displaced, respaced
from synth.dual.seeds import defect_streams, instance_seed, stream
from synth.dual.spec import DefectSpec, draw_profile
from synth.dual.surface import Surface, prepare_surface
from synth.dual.types import TYPES
from synth.errors import GeneratorError, SampleError
from synth.sample import Instance, Sample

RING = 2.0
"""Width, in spacings, of the ring of points around a defect that its stretched rim reaches to."""
RIM = 3.0
"""Spacings from a removed point up to which points that stay are its rim."""
DISC = (0.75, 1.3)
"""Points around a seed, over those a disc of that radius has, between which a place counts as whole."""
DEEPEST = 0.5
"""Height of a defect over the part's diagonal at most."""
OPPOSITE, OUT = 0.3, 0.05
"""Cosine from which a point is on the other side of a wall, and share of a defect's points that may come out there."""
STAINED = 0.3
"""Cover of the material from which a point is stained."""


def draw_on_cloud(sample: Sample, specs: Sequence[DefectSpec], seed: int, surface: Surface | None = None) -> Sample:
    """The sample's cloud with one defect of each spec: points, normals, colours, labels; instances and their masks are
    in its provenance. What takes material away or bends the part comes first: the others are laid on what is left.

    GeneratorError where no attempt succeeds, SampleError for a cloud that cannot carry one. Types that colours alone
    show need a cloud with colours."""
    if sample.cloud is None:
        raise SampleError(f"{sample.id} has no cloud")
    colourless = [spec.type for spec in specs if not spec.kind.geometric]
    if sample.cloud.colors is None and colourless:
        raise GeneratorError(
            f"{sample.id}: a {colourless[0]} shows in colours alone and this cloud has none; ask for another type"
        )
    if sum(spec.kind.whole_part for spec in specs) > 1:
        names = ", ".join(name for name, kind in TYPES.items() if kind.whole_part)
        raise GeneratorError(f"{sample.id}: a cloud takes one of {names}; ask for one of them, with a count of 1")
    canvas = CloudCanvas.of(sample, surface if surface is not None else prepare_surface(sample.id, sample.cloud))
    for spec in sorted(specs, key=lambda spec: not spec.kind.whole_part):
        attempt = partial(with_defect, canvas, sample, spec, seed)
        canvas = first_success(ATTEMPTS, attempt, f"{sample.id}: no {spec.type}")
    return finished_cloud(canvas, sample, seed)


def with_defect(canvas: CloudCanvas, sample: Sample, spec: DefectSpec, seed: int, attempt: int) -> CloudCanvas:
    """The canvas with one more defect of a spec, by one attempt of the sample's seed. GeneratorError where it has no
    place, meets another defect or would not show."""
    surface = canvas.surface
    rngs = defect_streams(instance_seed(seed, len(canvas.instances)), attempt)
    factor = spec.size_factor(surface.diagonal)
    profile = _dense_enough(draw_profile(spec, rngs["shape"], rngs["height"], factor), surface)
    place = choose_point(sample, surface, spec.place, rngs["placement"])
    if isinstance(profile, Hinge):
        marked = bend(canvas, profile, place, rngs["noise"])
    elif isinstance(profile, Face):
        marked = cut(canvas, profile, place)
    else:
        marked = _displaced(canvas, spec, profile, place, _absorption(seed, canvas.next_number), rngs["noise"])
    known = _parameters(spec, profile, place, canvas.labels(marked), attempt)
    return canvas.with_edit(marked, Instance(spec.type, known))


def _displaced(
    canvas: CloudCanvas,
    spec: DefectSpec,
    profile: Profile,
    place: int,
    absorption: np.ndarray,
    rng: np.random.Generator,
) -> Marked:
    """The cloud with one height profile at a seed point, which in a stain's place takes its colour."""
    surface, number = canvas.surface, canvas.next_number
    if abs(profile.amplitude) > DEEPEST * surface.diagonal:
        height, across = (f"{1e3 * abs(length):.3g} mm" for length in (profile.amplitude, surface.diagonal))
        raise GeneratorError(f"a height of {height} is too much for a part of {across}; are amp_mm in millimetres?")
    # A ring of neighbours that stay goes along: the surface stretches between them and what moves, too.
    members, q = surface.around(place, profile.reach + RING * surface.spacing)
    inside = np.square(q).sum(1) <= profile.reach**2
    expected = np.pi * profile.reach**2 / _point_area(surface, place)
    if spec.place != "edge" and not DISC[0] < np.count_nonzero(inside) / expected < DISC[1]:
        raise GeneratorError(f"the part has no whole disc of {1e3 * profile.reach:.1f} mm there")
    rows = _rows(canvas, members)
    before = canvas.marked.only(rows)
    relief = profile.at(q)
    gone = np.zeros(len(members), bool) if relief.gone is None else relief.gone & inside
    points = _moved(surface, before.points, members, np.where(gone | ~inside, 0.0, relief.height), profile.reach)
    _check_wall(surface, members, points)
    moved = (points.astype(np.float32) != before.points).any(1)
    touched = moved
    if gone.any():
        near = surface.points[members]
        touched = touched | (beside(near, near[gone], RIM * surface.spacing) & ~gone)
    patch = replace(before, points=points)
    if not spec.kind.geometric:
        patch, stained = _stained(patch, relief, inside, absorption)
        touched = touched | stained
    patch = replace(patch, number=np.where(touched, number, before.number).astype(np.int16))
    displaced = Displaced(patch, before.points, moved, ~gone, q)
    patch, added, dropped = respaced(displaced, surface.spacing, number, rng)
    whole = canvas.marked.with_rows(rows, patch).plus(added)
    kept = np.ones(len(whole.points), bool)
    kept[rows[gone]] = kept[rows[dropped]] = False
    return whole.only(kept)


def _check_wall(surface: Surface, members: np.ndarray, points: np.ndarray) -> None:
    """GeneratorError where points (n, 3) of the members (n,) came out of the other side of the part."""
    inward = np.einsum("ij,ij->i", points - surface.points[members], surface.normals[members])
    deep = inward < -surface.spacing
    if not deep.any():
        return
    _, nearest = surface.tree.query(points[deep])
    opposite = np.einsum("ij,ij->i", surface.normals[nearest], surface.normals[members[deep]]) < -OPPOSITE
    beyond = np.einsum("ij,ij->i", points[deep] - surface.points[nearest], surface.normals[nearest]) > 0
    if (opposite & beyond).mean() > OUT:
        depth = f"{-1e3 * inward.min():.2g} mm"
        raise GeneratorError(f"it is {depth} deep and would come out of the wall's other side; lower amp_mm")


def _moved(surface: Surface, points: np.ndarray, members: np.ndarray, height: np.ndarray, reach: float) -> np.ndarray:
    """Points (n, 3) raised by their heights (n,) metres along the outward directions; those of less than SEEN stay."""
    moves = np.abs(height) > SEEN * surface.diagonal
    step = np.zeros((len(members), 3))
    step[moves] = height[moves, None] * surface.directions(members[moves], 0.25 * reach)
    return points + step


def _stained(patch: Marked, relief: Relief, inside: np.ndarray, absorption: np.ndarray) -> tuple[Marked, np.ndarray]:
    """The patch with light absorbed where the material is another one, and where (n,) bool that shows."""
    assert patch.colors is not None
    covered = inside & (relief.cover > STAINED)
    darker = np.rint(patch.colors * np.exp(-absorption / 2.2)).astype(np.uint8)
    colors = np.where(covered[:, None], darker, patch.colors)
    return replace(patch, colors=colors), (colors != patch.colors).any(1)


def _absorption(seed: int, number: int) -> np.ndarray:
    """What a sample's stain of that number absorbs of red, green and blue: draw `number` of one stream."""
    rng = stream(seed, "stain")
    return np.array([ABSORPTIONS[rng.integers(len(ABSORPTIONS))] for _ in range(number)][-1])


def _rows(canvas: CloudCanvas, members: np.ndarray) -> np.ndarray:
    """Where points of the surface are in the cloud under work; GeneratorError where an earlier defect is among them."""
    if not canvas.instances:
        return members
    # Points added by an earlier defect come after the originals, which must win.
    row_of = np.full(len(canvas.surface.points), -1)
    source = canvas.marked.source
    row_of[source[::-1]] = np.arange(len(source))[::-1]
    rows = row_of[members]
    if (rows < 0).any() or (canvas.marked.number[rows] > 0).any():
        raise GeneratorError("it met another defect")
    return rows


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


def _parameters(spec: DefectSpec, profile: Profile, place: int, labels: int, attempt: int) -> dict[str, Any]:
    """What is known of a defect, in millimetres and degrees; plain types."""
    known: dict[str, Any] = {
        "amplitude_mm": round(1e3 * float(profile.amplitude), 4),
        "reach_mm": round(1e3 * float(profile.reach), 4),
        "visible_in": "geo" if spec.kind.geometric else "rgb",
        "seed_point": place,
        "points": labels,
        "attempt": attempt,
    }
    if not isinstance(profile, Face | Hinge):
        known["volume_mm3"] = round(1e9 * volume(profile), 4)
    return known
