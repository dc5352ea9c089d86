"""Where the next defect goes: a mark of the same type moved, turned, scaled and bent, on the product and where allowed.

Marks that grow out of an edge are put on an edge that faces the same way once the mark is turned; marks inside go
near the places where the shots have theirs. Size relative to the product follows the shots'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from synth.errors import GeneratorError
from synth.seas.marks import Ground, Mark, invent, survey, turn_limit

_TRIES = 80
_FEW_SHOTS = 4
_LEAST_SPREAD = 0.05


@dataclass(frozen=True, slots=True)
class Warp:
    """A map from pixels of the image to pixels of a mark's crop: turned, scaled, mirrored and gently bent.

    source(p) = matrix @ (p - target) + origin + sum of waves. Points are (row, column); target and origin (2,);
    matrix (2, 2); waves (k, 5): wave vector (2), phase, and displacement (2) in crop pixels."""

    target: np.ndarray
    origin: np.ndarray
    matrix: np.ndarray
    waves: np.ndarray

    def source(self, points: np.ndarray) -> np.ndarray:
        """Crop coordinates (..., 2) of the image points (..., 2)."""
        local = (points - self.target) @ self.matrix.T
        ripple = np.sin(local @ self.waves[:, :2].T + self.waves[:, 2])
        return local + self.origin + ripple @ self.waves[:, 3:]

    @property
    def enlargement(self) -> float:
        """Image pixels for each crop pixel."""
        return float(1 / np.sqrt(abs(np.linalg.det(self.matrix))))


@dataclass(frozen=True, slots=True)
class Placement:
    """A requested mask (H, W) bool, never empty, and what it came from; mark and warp are None for a user's mask."""

    mask: np.ndarray
    mark: Mark | None = None
    warp: Warp | None = None


def place(
    marks: Sequence[Mark],
    product: np.ndarray,
    rng: np.random.Generator,
    allowed: np.ndarray | None = None,
    directed: bool = False,
) -> Placement:
    """Put a mark of one type on a good part. product, allowed (H, W) bool; the mask never leaves either. directed: the
    surface's grain has a direction, along which marks stay.

    With fewer than four marks every other outline is a new one in their style. A try counts when nine tenths of the
    mark (half for one that reaches an edge) lie where they may; later tries are smaller. Size and place follow the
    whole product; where only part of it is allowed, every second try is made anywhere in that part. GeneratorError
    when 80 tries find no place."""
    permitted = product if allowed is None else product & allowed
    if not permitted.any():
        raise GeneratorError(
            "no place for a defect: the legal region and the product share no pixel; widen generator.legal_region"
        )
    ground, limit = survey(product), turn_limit(marks, directed)
    if allowed is not None:
        ground = _edges_within(ground, allowed)
    for attempt in range(_TRIES):
        drawn = len(marks) < _FEW_SHOTS and rng.uniform() < 0.5
        mark = invent(marks, rng) if drawn else marks[int(rng.integers(len(marks)))]
        warp = _draw_warp(mark, marks, ground, limit, 0.97**attempt, rng)
        if allowed is not None and attempt % 2:
            warp = replace(warp, target=_anywhere(permitted, rng))
        whole, mask = _lay(mark, warp, permitted)
        wanted = 0.5 if mark.touches or attempt > _TRIES // 2 else 0.9
        if mask.any() and mask.sum() >= wanted * whole:
            return Placement(mask, mark, warp)
    share = permitted.mean()
    raise GeneratorError(
        f"no place for a defect in {_TRIES} tries: the product and the legal region leave {share:.1%} of the image; "
        "widen generator.legal_region or leave this image out"
    )


def _edges_within(ground: Ground, allowed: np.ndarray) -> Ground:
    """The ground with those of its edges that lie where marks are allowed (H, W); with all where none does."""
    pixels = (ground.edge / ground.scale).astype(int).clip(0, np.array(allowed.shape) - 1)
    kept = allowed[tuple(pixels.T)]
    return replace(ground, edge=ground.edge[kept], outward=ground.outward[kept]) if kept.any() else ground


def _anywhere(permitted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A pixel (2,) of permitted (H, W) bool, each as likely."""
    pixels = np.flatnonzero(permitted)
    return np.array(np.unravel_index(pixels[rng.integers(len(pixels))], permitted.shape), dtype=float)


def _draw_warp(
    mark: Mark, marks: Sequence[Mark], ground: Ground, limit: float, shrink: float, rng: np.random.Generator
) -> Warp:
    """Every number of a placement, drawn once."""
    extent = mark.extent
    factor = mark.size * ground.span / extent * float(np.exp(rng.normal(0, 0.18))) * shrink
    factor = max(factor, 2.0 / extent)
    mirror = np.diag(rng.choice([-1.0, 1.0], size=2))
    turn = rng.uniform(-limit, limit)
    anchor = _middle(mark.outline)
    if mark.outward is None:
        target = _inner_place(mark, marks, ground, rng)
    else:
        wanted = mirror @ np.array(mark.outward)
        target, turn = _edge_place(wanted, ground, limit, rng)
        anchor = _foot(mark)
    cos, sin = np.cos(turn), np.sin(turn)
    forward = factor * np.array([[cos, sin], [-sin, cos]]) @ mirror
    return Warp(target, anchor, np.linalg.inv(forward), _draw_waves(extent, rng))


def _inner_place(mark: Mark, marks: Sequence[Mark], ground: Ground, rng: np.random.Generator) -> np.ndarray:
    """A pixel (2,) near where the mark sits on its product; anywhere when fewer than three are known.

    A kernel density estimate whose width is half the distance to the mark's k-th neighbour, k = sqrt(n) / 2 (Breiman et
    al. 1977), so that marks in the corners stay there while evenly spread ones spread."""
    inner = np.array([one.centre for one in marks if one.outward is None])
    if len(inner) < 3:
        cells = np.argwhere(ground.region)
        return (cells[rng.integers(len(cells))] + rng.uniform(size=2)) / ground.scale - 0.5
    away = np.sort(np.linalg.norm(inner - np.array(mark.centre), axis=1))
    width = max(_LEAST_SPREAD, away[max(1, round(np.sqrt(len(inner)) / 2))] / 2)
    relative = np.array(mark.centre) + rng.normal(size=2) * width
    return ground.place(np.where((relative < 0) | (relative > 1), mark.centre, relative))


def _edge_place(
    outward: np.ndarray, ground: Ground, limit: float, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """A pixel on the product's edge and the turn that makes the mark face out of it there.

    Edges that ask for a turn within `limit` (plus 10 degrees); if there is none, those that ask for the least."""
    bearing = np.arctan2(ground.outward[:, 0], ground.outward[:, 1])
    # A turn by +t carries the direction (row, column) at angle b to angle b + t.
    turns = np.angle(np.exp(1j * (bearing - np.arctan2(outward[0], outward[1]))))
    fitting = np.flatnonzero(np.abs(turns) <= max(limit, np.abs(turns).min()) + 0.18)
    chosen = int(rng.choice(fitting))
    pixel = (ground.edge[chosen] + rng.uniform(size=2)) / ground.scale - 0.5
    return pixel, float(turns[chosen])


def _draw_waves(extent: int, rng: np.random.Generator) -> np.ndarray:
    """Four ripples with wavelengths of 0.6 to 2 extents that move pixels by a few hundredths of the extent; (4, 5)."""
    bearing, wavelength = rng.uniform(0, 2 * np.pi, 4), extent * rng.uniform(0.6, 2.0, 4)
    vector = 2 * np.pi / wavelength[:, None] * np.stack([np.sin(bearing), np.cos(bearing)], axis=1)
    shift = rng.normal(0, 0.015 * extent, (4, 2))
    return np.concatenate([vector, rng.uniform(0, 2 * np.pi, (4, 1)), shift], axis=1)


def _lay(mark: Mark, warp: Warp, permitted: np.ndarray) -> tuple[float, np.ndarray]:
    """The mark's outline under the warp: its area in pixels, wherever it falls, and its permitted part (H, W)."""
    reach = int(np.ceil(warp.enlargement * (np.hypot(*mark.outline.shape) + 0.3 * mark.extent))) + 2
    low = np.maximum(np.floor(warp.target).astype(int) - reach, 0)
    high = np.minimum(np.ceil(warp.target).astype(int) + reach + 1, permitted.shape)
    mask = np.zeros_like(permitted)
    whole = float(mark.outline.sum()) * warp.enlargement**2
    if (low >= high).any():
        return whole, mask
    points = warp.source(np.moveaxis(np.mgrid[low[0] : high[0], low[1] : high[1]], 0, -1))
    cover = ndimage.map_coordinates(mark.outline.astype(np.float32), np.moveaxis(points, -1, 0), order=1)
    # Half covered when enlarged; less when shrunk, or a thin line would break.
    area = (slice(low[0], high[0]), slice(low[1], high[1]))
    mask[area] = (cover > 0.5 * min(1.0, warp.enlargement)) & permitted[area]
    return whole, mask


def _middle(outline: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(outline)
    return np.array([rows.min() + rows.max(), columns.min() + columns.max()]) / 2


def _foot(mark: Mark) -> np.ndarray:
    """The crop pixel by which a mark stands on the product's edge: the mean of its outermost twentieth."""
    points = np.argwhere(mark.outline).astype(float)
    height = points @ np.array(mark.outward)
    return points[height >= np.quantile(height, 0.95)].mean(axis=0)
