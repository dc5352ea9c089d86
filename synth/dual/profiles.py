"""Height profiles: shapes of defects as functions of the tangent plane. Which type draws which: `synth.dual.types`.

A profile is drawn once and then only read: `at(q)` gives, for places q (..., 2) in metres from the seed, what happens
there. Organised and unorganised clouds read the same profile, so they agree.
Signs: height is metres along the surface normal, + out of the part, - into it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from synth.dual.arrays import Array, dot, like, namespace, norm, ramp, within
from synth.dual.curves import Course, close_by, distances
from synth.dual.numbers import Kernel
from synth.noise import Lattice

RIM = 0.25
"""Height of a crater's rim over its depth."""
PILED = 3.0
"""Half-widths from the middle of a line to where its pile-up ends."""
WALL = 0.1
"""Width of a hole's wall over its radius."""


@dataclass(frozen=True, slots=True)
class Relief:
    """What a profile does at each place: `height` metres; `cover` in [0, 1], how much the material is another one;
    `gone` bool, where nothing is left of the surface."""

    height: Array
    cover: Array
    gone: Array | None = None

    def cut(self, box: tuple[slice, slice]) -> Relief:
        """The part of it within a box of its places."""
        return Relief(self.height[box], self.cover[box], None if self.gone is None else self.gone[box])


class Profile(Protocol):
    """`reach` metres: beyond it nothing happens. `amplitude` metres, signed: the largest height."""

    @property
    def reach(self) -> float: ...

    @property
    def amplitude(self) -> float: ...

    def at(self, q: Array) -> Relief: ...

    def scaled(self, amplitude: float) -> Profile:
        """The same outline with another amplitude."""


@dataclass(frozen=True, slots=True)
class Spot:
    """One spot: section `kernel` over an ellipse of half-axes radius * sqrt(aspect) and radius / sqrt(aspect), turned
    by `turn`, lopsided by `skew`, its outline wandering by `ragged` of the radius.

    A crater has a rim and a skew that moves neither its seed nor its mask, in place of the published skew filter."""

    kernel: Kernel
    radius: float
    amplitude: float
    aspect: float = 1.0
    turn: float = 0.0
    skew: float = 0.0
    skew_turn: float = 0.0
    ragged: float = 0.0
    through: bool = False
    mound: float = 0.6
    outline: Lattice | None = None

    @property
    def reach(self) -> float:
        rim = 1.5 if self.kernel == "crater" else 1.0
        return self.radius * math.sqrt(self.aspect) * (1 + self.ragged) * (1 + abs(self.skew)) * rim

    def scaled(self, amplitude: float) -> Spot:
        return replace(self, amplitude=amplitude)

    def at(self, q: Array) -> Relief:
        xp = namespace(q)
        x = self.distance(q)
        inside = x < 1
        height = self.amplitude * _section(self.kernel, x, self.mound)
        cover = ramp((1 - x) / 0.12) if self.kernel in ("flat", "mound") else inside * (0 * x + 1)
        if self.through:
            return Relief(xp.zeros_like(x), xp.zeros_like(x), inside)
        return Relief(height, cover)

    def distance(self, q: Array) -> Array:
        """Distance from the seed in units of the outline's: 1 on the outline."""
        long = like([math.cos(self.turn), math.sin(self.turn)], q)
        short = like([-math.sin(self.turn), math.cos(self.turn)], q)
        stretch = math.sqrt(self.aspect)
        along, across = dot(q, long) / stretch, dot(q, short) * stretch
        xp = namespace(q)
        away = xp.sqrt(along * along + across * across)
        reach = self.radius
        if self.skew:
            lean = like([math.cos(self.skew_turn), math.sin(self.skew_turn)], q)
            length = norm(q)
            reach = reach * (1 + self.skew * dot(q, lean) / (length + (length == 0)))
        if self.outline is not None and self.ragged:
            reach = reach * (1 + self.ragged * within(self.outline.at(q * (1.6 / self.radius)), -1, 1))
        return away / reach


def _section(kernel: Kernel, x: Array, mound: float) -> Array:
    """Height 1 at x = 0, 0 from x = 1 on (a crater's rim: from 1.5 on)."""
    xp = namespace(x)
    inner = within(x, 0, 1)
    if kernel == "cosine":
        return 0.5 + 0.5 * xp.cos(math.pi * inner)
    if kernel == "gauss":
        return xp.exp(-4.5 * inner * inner) * (1 - inner**6)
    if kernel == "sphere":
        return xp.sqrt(1 - inner * inner)
    if kernel == "mound":
        return (1 - inner * inner) ** mound
    if kernel == "flat":
        return ramp((1 - inner) / WALL)
    rim = xp.exp(-(((x - 1.05) / 0.15) ** 2)) * (1 - ramp((x - 1.2) / 0.3))
    return 0.5 + 0.5 * xp.cos(math.pi * inner) - RIM * rim


@dataclass(frozen=True, slots=True)
class Pits:
    """Separate hemispherical pits, h = -A sqrt(1 - (s / R)^2): centres (n, 2), radii (n,), depths (n,) as shares of the
    amplitude. The centres keep apart by more than both radii."""

    centres: np.ndarray
    radii: np.ndarray
    depths: np.ndarray
    amplitude: float

    @property
    def reach(self) -> float:
        return float((np.linalg.norm(self.centres, axis=1) + self.radii).max())

    def scaled(self, amplitude: float) -> Pits:
        return replace(self, amplitude=amplitude)

    def at(self, q: np.ndarray) -> Relief:
        x, y = (q[..., axis].reshape(-1) for axis in (0, 1))
        near = close_by(x, y, self.centres, float(self.radii.max()))
        centre, radius = self.centres.T[..., None].astype(q.dtype), self.radii[:, None].astype(q.dtype)
        away = ((x[near] - centre[0]) ** 2 + (y[near] - centre[1]) ** 2) / radius**2
        own = away.argmin(0)
        deep = self.amplitude * self.depths.astype(q.dtype)[own] * np.sqrt(within(1 - away.min(0, initial=1), 0))
        height = np.zeros(q.shape[:-1], q.dtype)
        height.reshape(-1)[near] = deep
        return Relief(height, (height != 0).astype(q.dtype))


@dataclass(frozen=True, slots=True)
class Stroke:
    """A crack or a scratch along a course.

    Crack: h = -A max(0, 1 - s / w)^0.5, lips of 0.1 A at w..2 w; `open_beyond` metres deep nothing returns.
    No half-width is below `finest` metres. Scratch: h = -A in the groove, pile-up of `pile` A beside it."""

    kind: str
    course: Course
    amplitude: float
    pile: float = 0.1
    open_beyond: float = math.inf
    finest: float = 0.0

    @property
    def reach(self) -> float:
        return self.course.reach + 3 * float(self.course.width.max())

    def scaled(self, amplitude: float) -> Stroke:
        return replace(self, amplitude=amplitude)

    def at(self, q: np.ndarray) -> Relief:
        near, away, width, depth = distances(self.course, q, self.finest, PILED)
        x = away / width
        if self.kind == "crack":
            groove = np.sqrt(within(1 - x, 0))
            lips = within(1 - np.abs(2 * x - 3), 0)
        else:
            groove = ramp((1 - x) / 0.35)
            lips = np.exp(-(((x - 1.3) / 0.5) ** 2)) * (x > 1)
        height, cover = np.zeros((2, *q.shape[:-1]), q.dtype)
        height.reshape(-1)[near] = self.amplitude * depth * (groove - self.pile * lips)
        cover.reshape(-1)[near] = (x < 1) * ramp((1.2 - x) / 0.6)
        return Relief(height, cover, -height > self.open_beyond if math.isfinite(self.open_beyond) else None)


@dataclass(frozen=True, slots=True)
class Face:
    """A cut: what lies beyond a rough plane is gone. Not a height but a plane through the seed's frame: its normal
    leans from the surface's outward direction by `tilt` towards it, `amplitude` (negative) metres inside the seed.

    Beyond the plane and within `reach` the part is cut off; `through` cuts leave nothing behind."""

    amplitude: float
    reach: float
    tilt: float
    roughness: float
    through: bool
    lattice: Lattice

    def scaled(self, amplitude: float) -> Face:
        return replace(self, amplitude=amplitude)

    def at(self, q: Array) -> Relief:
        raise TypeError("a face is no height profile; see synth.dual.cutting")

    def rough(self, q: Array) -> Array:
        """How far the face strays from its plane at places (..., 2) in it, metres."""
        return self.roughness * self.lattice.fbm(q * (2.5 / self.reach))


@dataclass(frozen=True, slots=True)
class Hinge:
    """A smooth bend by `angle` radians over `length` metres; everything beyond turns with it."""

    angle: float
    length: float
    reach: float
    amplitude: float = 0.0

    def scaled(self, amplitude: float) -> Hinge:
        return self

    def at(self, q: Array) -> Relief:
        raise TypeError("a hinge is no height profile; see synth.dual.bending")


def volume(profile: Profile) -> float:
    """Signed volume between the profile and a flat surface, cubic metres: + for material added. A sum over squares,
    small enough for the profile's finest detail."""
    cells = 400 if isinstance(profile, Stroke | Pits) else 96
    line = (np.arange(cells, dtype=np.float32) + np.float32(0.5)) * (2 / cells) - 1
    line *= np.float32(profile.reach)
    q = np.moveaxis(np.stack(np.meshgrid(line, line)), 0, -1)
    return float(profile.at(q).height.sum(dtype=np.float64) * (2 * profile.reach / cells) ** 2)


def log_uniform(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    """A draw whose logarithm is uniform; 0 where the upper limit is 0."""
    low, high = max(limits[0], 1e-6), limits[1]
    return 0.0 if high == 0 else float(np.exp(rng.uniform(np.log(low), np.log(max(high, low)))))
