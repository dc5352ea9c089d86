"""A cloud cut or bent as a whole: what lies beyond a rough plane goes and the plane gets points, or what lies beyond a
line turns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from synth.dual.bending import bent, turned
from synth.dual.cloud_canvas import LEAST_LABELS, SEEN, CloudCanvas, Marked, beside
from synth.dual.frame import tangent_frame
from synth.dual.profiles import Face, Hinge
from synth.errors import GeneratorError

MOST_CUT = 0.3
"""Share of the points that a cut may take."""
PIECE = 3.0
"""Reaches around the seed in which a cut takes points: elsewhere its plane may cross the part again."""
RIM = 1.5
"""Spacings from the new face up to which points that stay are its rim."""
MOVING = (0.55, 0.85)
"""Share of the points before the line of a bend."""


def cut(canvas: CloudCanvas, face: Face, place: int) -> Marked:
    """The cloud cut at a seed point, the rim and the new face labelled. GeneratorError for a piece that is too small,
    too large, or that the plane does not separate."""
    surface, marked = canvas.surface, canvas.marked
    normal, outward = surface.normals[place], _outward(canvas, place)
    lean = np.cos(face.tilt) * normal + np.sin(face.tilt) * outward / np.linalg.norm(outward)
    lean /= np.linalg.norm(lean)
    away = marked.points - surface.points[place]
    level = face.amplitude + face.rough(away @ np.stack(tangent_frame(lean)).T)
    above, close = away @ lean > level, np.linalg.norm(away, axis=1) < PIECE * face.reach
    beyond, elsewhere = above & close, above & ~close
    if beyond.sum() < LEAST_LABELS or beyond.mean() > MOST_CUT:
        raise GeneratorError(f"the cut takes {beyond.mean():.1%} of the points")
    if elsewhere.any() and beside(marked.points[elsewhere], marked.points[beyond], RIM * surface.spacing).any():
        raise GeneratorError(f"its piece is wider than {1e3 * PIECE * face.reach:.1f} mm and would be torn off")
    fallen = marked.points[beyond] - ((away @ lean - level)[beyond])[:, None] * lean
    kept = _thinned(fallen, surface.spacing)
    count = len(kept)
    cap = replace(
        marked.only(np.flatnonzero(beyond)[kept]),
        points=fallen[kept],
        normals=np.broadcast_to(lean, (count, 3)),
        number=np.full(count, canvas.next_number, np.int16),
    )
    rest = marked.only(~beyond)
    rim = beside(rest.points, fallen, RIM * surface.spacing)
    return replace(rest, number=np.where(rim, canvas.next_number, rest.number).astype(np.int16)).plus(cap)


def bend(canvas: CloudCanvas, hinge: Hinge, place: int, rng: np.random.Generator) -> Marked:
    """The cloud bent about a line across it that leaves 15 to 45 % of its points on the moving side; what moves is
    labelled. GeneratorError where the hinge has no direction."""
    surface, marked = canvas.surface, canvas.marked
    centre, normal, outward = surface.points[place], surface.normals[place], _outward(canvas, place)
    along = outward - normal * (outward @ normal)
    if np.linalg.norm(along) < 1e-9:
        raise GeneratorError("the hinge has no direction")
    along /= np.linalg.norm(along)
    axes = np.stack([along, np.cross(normal, along), normal])
    line = centre + along * np.quantile((marked.points - centre) @ along, rng.uniform(*MOVING))
    points = bent(marked.points, line, axes, hinge).astype(marked.points.dtype)
    normals = turned(marked.normals, marked.points, line, axes, hinge, 1).astype(marked.normals.dtype)
    moved = ((marked.points - line) @ along > 0) & (
        np.linalg.norm(points - marked.points, axis=1) > SEEN * surface.diagonal
    )
    return replace(
        marked,
        points=np.where(moved[:, None], points, marked.points),
        normals=np.where(moved[:, None], normals, marked.normals),
        number=np.where(moved, canvas.next_number, marked.number).astype(np.int16),
    )


def _outward(canvas: CloudCanvas, place: int) -> np.ndarray:
    return canvas.surface.points[place] - canvas.surface.points.mean(0)


def _thinned(points: np.ndarray, spacing: float) -> np.ndarray:
    """Indices of at most one point for each cube of side `spacing`."""
    cells = np.floor(points / spacing).astype(np.int64)
    return np.sort(np.unique(cells, axis=0, return_index=True)[1])
