"""How fast is the dual synthesizer beside the usual forms? Each pair in one run, minimum of repeats, one thread.

Command: OMP_NUM_THREADS=1 python benchmarks/dual_speed.py
"""

from __future__ import annotations

import timeit
from collections.abc import Callable

import numpy as np

from synth.dual import DefectSpec, DualSynthesizer
from synth.dual.noise import fade, perlin
from synth.dual.scene import prepare
from synth.dual.surface import prepare_surface
from synth.dual.unorganised import draw_on_cloud
from synth.sample import Cloud, Sample


def seconds(work: Callable[[], object], repeats: int = 5) -> float:
    """Least time of one call."""
    work()
    return min(timeit.repeat(work, number=1, repeat=repeats))


def usual_perlin(side: int, cells: int, rng: np.random.Generator) -> np.ndarray:
    """The usual form: gradients repeated to every pixel of a cell; sides must be whole multiples of the cells."""
    size = side // cells
    grid = np.stack(np.meshgrid(*[np.arange(0, cells, cells / side)] * 2, indexing="ij"), -1) % 1
    angle = 2 * np.pi * rng.random((cells + 1, cells + 1))
    gradients = np.stack([np.cos(angle), np.sin(angle)], -1)

    def corner(down: int, right: int) -> np.ndarray:
        own = gradients[down : cells + down, right : cells + right].repeat(size, 0).repeat(size, 1)
        return ((grid - [down, right]) * own).sum(-1)

    weight = fade(grid)
    upper = corner(0, 0) * (1 - weight[..., 0]) + weight[..., 0] * corner(1, 0)
    lower = corner(0, 1) * (1 - weight[..., 0]) + weight[..., 0] * corner(1, 1)
    return np.sqrt(2) * ((1 - weight[..., 1]) * upper + weight[..., 1] * lower)


def looped_bump(points: np.ndarray, normals: np.ndarray, radius: float, height: float) -> np.ndarray:
    """The published form: a Python loop over all points."""
    moved, centre = points.copy(), points[0]
    for k in range(len(points)):
        distance = np.linalg.norm(points[k] - centre)
        if distance < radius:
            moved[k] += height * 0.5 * (1 + np.cos(np.pi * distance / radius)) * normals[k]
    return moved


def scan(side: int) -> Sample:
    """A textured plate that fills most of a square frame, seen from half a metre."""
    focal = 1.25 * side
    rows, columns = np.mgrid[:side, :side].astype(float)
    away = np.maximum(np.abs(columns - side / 2), np.abs(rows - side / 2))
    depth = np.where(away < 0.4 * side, 0.47, 0.5)
    xyz = np.stack([(columns - side / 2) / focal * depth, (rows - side / 2) / focal * depth, depth], -1)
    grey = np.random.default_rng(0).integers(110, 140, (side, side, 1))
    return Sample(id=f"scan{side}", image=grey.repeat(3, 2).astype(np.uint8), xyz=xyz.astype(np.float32))


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    ours, usual = seconds(lambda: perlin((512, 512), (16, 16), rng)), seconds(lambda: usual_perlin(512, 16, rng))
    print(f"perlin 512: {1e3 * ours:.2f} ms, usual {1e3 * usual:.2f} ms, {usual / ours:.1f} x")

    spec = DefectSpec.of("dent", scale="none", radius_mm=(8, 8), amp_mm=(1, 2))
    for side in (400, 800):
        sample, synthesizer = scan(side), DualSynthesizer(spec)
        scene, seeds = prepare(sample), iter(range(10**6))
        took = seconds(lambda: synthesizer.draw_on(scene, sample, next(seeds)), 20)  # noqa: B023
        print(f"organised dent {side}: {1e3 * took:.2f} ms, {1 / took:.0f} samples/s")

    unit = rng.standard_normal((50_000, 3))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    ball = Sample(id="ball", cloud=Cloud((0.05 * unit).astype(np.float32), unit.astype(np.float32)))
    surface = prepare_surface("ball", ball.cloud)
    bump = DefectSpec.of("bulge", scale="none", radius_mm=(3, 3), amp_mm=(1, 1), ragged=0)
    ours = seconds(lambda: draw_on_cloud(ball, [bump], 1, surface))
    looped = seconds(lambda: looped_bump(0.05 * unit, unit, 3e-3, 1e-3), 2)
    print(f"cloud bump 50k: {1e3 * ours:.1f} ms, looped {1e3 * looped:.0f} ms, {looped / ours:.0f} x")
