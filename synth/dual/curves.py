"""Courses of cracks and scratches: polylines in the tangent plane, metres."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

NODES = 14
"""Corner points of a course."""
BRANCH_LENGTH = (0.2, 0.5)
BRANCH_ANGLE = (20.0, 50.0)


@dataclass(frozen=True, slots=True)
class Course:
    """Segments start, end (S, 2) in metres; `width` (S, 2) the half-width at both ends; `depth` (S, 2) a share of the
    full depth at both ends."""

    start: np.ndarray
    end: np.ndarray
    width: np.ndarray
    depth: np.ndarray

    @property
    def reach(self) -> float:
        """Largest distance of any point from the origin."""
        ends = np.concatenate([self.start, self.end])
        return float(np.linalg.norm(ends, axis=1).max())


def crack(length: float, half_width: float, branches: float, rng: np.random.Generator) -> Course:
    """A jagged course about the origin that thins towards both ends, w = w0 sqrt(1 - |2 l / L - 1|) (1 + 0.3 noise),
    with a branch at each fifth of it with probability `branches`."""
    main = _walk(np.zeros(2), rng.uniform(0, 2 * np.pi), length, 0.05, rng)
    main -= main.mean(0)
    pieces = [_segments(main, half_width * _spindle(rng), np.ones(NODES))]
    for at in range(1, 5):
        if rng.random() < branches:
            node = at * NODES // 5
            ahead = main[node] - main[node - 1]
            turn = np.deg2rad(rng.uniform(*BRANCH_ANGLE)) * rng.choice((-1, 1))
            heading = np.arctan2(ahead[1], ahead[0]) + turn
            side = _walk(main[node], heading, length * rng.uniform(*BRANCH_LENGTH), 0.05, rng)
            thinning = np.linspace(0.7, 0.15, NODES)
            pieces.append(_segments(side, half_width * thinning, thinning))
    return _joined(pieces)


def scratch(length: float, half_width: float, number: int, rng: np.random.Generator) -> Course:
    """`number` slightly bent strokes side by side that run out at both ends, about the origin."""
    heading = rng.uniform(0, 2 * np.pi)
    across = np.array([-np.sin(heading), np.cos(heading)])
    pieces = []
    for stroke in range(number):
        own = length * rng.uniform(0.6, 1.0)
        begin = -0.5 * own * np.array([np.cos(heading), np.sin(heading)])
        begin += across * (stroke - 0.5 * (number - 1)) * half_width * rng.uniform(4, 8)
        points = _walk(begin, heading + rng.normal(0, 0.03), own, 0.005, rng)
        along = np.linspace(0, 1, NODES)
        fading = np.clip(4 * np.minimum(along, 1 - along) + 0.05, 0, 1)
        pieces.append(_segments(points, half_width * (0.5 + 0.5 * fading), fading))
    return _joined(pieces)


def distances(
    course: Course, places: np.ndarray, finest: float, widths: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of places (..., 2), those within `widths` half-widths of the course, no half-width being below `finest` metres:
    flat indices (n,) of the places, their distance to the course, and half-width and depth share at its nearest
    point, (n,) each."""
    x, y = (places[..., axis].reshape(-1) for axis in (0, 1))
    limit = widths * max(float(course.width.max()), finest)
    length = np.linalg.norm(course.end - course.start, axis=1).max()
    steps = np.linspace(0, 1, int(np.ceil(2 * length / limit)) + 1)[:, None, None]
    near = close_by(x, y, (course.start + steps * (course.end - course.start)).reshape(-1, 2), 1.25 * limit)
    start, ahead = course.start.T[..., None].astype(x.dtype), (course.end - course.start).T[..., None].astype(x.dtype)
    rest_x, rest_y = x[near] - start[0], y[near] - start[1]
    square = np.maximum(ahead[0] ** 2 + ahead[1] ** 2, 1e-18)
    along = np.minimum(np.maximum((rest_x * ahead[0] + rest_y * ahead[1]) / square, 0), 1)
    rest_x -= along * ahead[0]
    rest_y -= along * ahead[1]
    away = rest_x * rest_x + rest_y * rest_y
    width = _between(course.width, along)
    # Nearest measured in half-widths, so that a thin branch does not cut a notch into the main course.
    best = np.argmin(away / (width * width), axis=0), np.arange(len(near))
    away, width, depth = np.sqrt(away[best]), np.maximum(width[best], finest), _between(course.depth, along)[best]
    kept = away < widths * width
    return near[kept], away[kept], width[kept], depth[kept]


def close_by(x: np.ndarray, y: np.ndarray, spots: np.ndarray, limit: float) -> np.ndarray:
    """Indices of the places x, y (n,) that may lie within `limit` of any of the spots (m, 2), found by a table of
    square cells: all that do, and few that do not."""
    low, high = spots.min(0) - 3 * limit, spots.max(0) + 3 * limit
    size = np.ceil((high - low) / limit).astype(int)
    taken = np.zeros(size, np.uint8)
    taken[tuple(((spots - low) / limit).astype(int).T)] = 1
    taken = cv2.dilate(taken, np.ones((3, 3), np.uint8))
    columns, rows = (
        np.minimum(np.maximum((line - line.dtype.type(low[k])) * (1 / limit), 0), size[k] - 1).astype(np.intp)
        for k, line in enumerate((x, y))
    )
    return np.flatnonzero(taken.reshape(-1)[columns * size[1] + rows])


def _between(ends: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Values (S, n) at shares `along` (S, n) of segments with values `ends` (S, 2)."""
    first, last = ends.T[..., None].astype(along.dtype)
    return first + along * (last - first)


def _walk(begin: np.ndarray, heading: float, length: float, jitter: float, rng: np.random.Generator) -> np.ndarray:
    """NODES points from `begin`, about `length` long, that stray sideways by up to jitter * length."""
    along = np.linspace(0, length, NODES)
    sideways = 2 * jitter * length * line_noise(NODES, rng)
    sideways -= np.linspace(sideways[0], 0, NODES)
    ahead = np.array([np.cos(heading), np.sin(heading)])
    return begin + along[:, None] * ahead + sideways[:, None] * np.array([-ahead[1], ahead[0]])


def _spindle(rng: np.random.Generator) -> np.ndarray:
    along = np.linspace(0, 1, NODES)
    spindle = np.sqrt(np.clip(1 - np.abs(2 * along - 1), 0.04, 1))
    return spindle * (1 + 0.3 * line_noise(NODES, rng))


def _segments(points: np.ndarray, width: np.ndarray, depth: np.ndarray) -> Course:
    def ends(values: np.ndarray) -> np.ndarray:
        return np.stack([values[:-1], values[1:]], 1)

    return Course(points[:-1], points[1:], ends(width), ends(depth))


def _joined(pieces: list[Course]) -> Course:
    return Course(*(np.concatenate([getattr(p, name) for p in pieces]) for name in Course.__slots__))


def line_noise(points: int, rng: np.random.Generator, hurst: float = 0.7) -> np.ndarray:
    """Fractional noise along a line: (points,) of zero mean and largest magnitude 1, power ~ 1 / f^(2 hurst + 1)."""
    frequency = np.fft.rfftfreq(points)
    frequency[0] = np.inf
    spectrum = rng.standard_normal((2, frequency.size)) * frequency ** -(hurst + 0.5)
    line = np.fft.irfft(spectrum[0] + 1j * spectrum[1], points)
    line -= line.mean()
    largest = np.abs(line).max()
    return line / largest if largest > 0 else line
