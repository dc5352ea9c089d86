"""How fast is the dual synthesizer beside the usual forms? Each pair in one run, minimum of repeats, one thread, time
of the processor (of saving, of the clock too).

Command: OMP_NUM_THREADS=1 python benchmarks/dual_speed.py [FOLDER TO SAVE IN]
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
import time
import timeit
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from synth.dual import DefectSpec, DualSynthesizer
from synth.dual.scene import prepare
from synth.dual.surface import prepare_surface
from synth.dual.unorganised import draw_on_cloud
from synth.io.atomic import write_whole
from synth.io.geometry import encoded_extras
from synth.io.png import png_bytes
from synth.noise import Lattice, fade, turned_places
from synth.sample import Cloud, Sample

SEEDS = 20
"""Defects over which a speed is the mean: they differ in shape, size and place."""


def seconds(work: Callable[[], object], repeats: int = 5) -> float:
    """Least processor time of one call."""
    work()
    return min(timeit.repeat(work, timer=time.process_time, number=1, repeat=repeats))


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
    """The shortest loop: each point asked for its distance, and no label."""
    moved, centre = points.copy(), points[0]
    for k in range(len(points)):
        distance = np.linalg.norm(points[k] - centre)
        if distance < radius:
            moved[k] += height * 0.5 * (1 + np.cos(np.pi * distance / radius)) * normals[k]
    return moved


def looped_stretch(points: np.ndarray, normals: np.ndarray, tree: cKDTree) -> tuple[np.ndarray, np.ndarray]:
    """The published stretching (GLFM, stage I) in loops over points: mean squared distance to the next neighbour,
    distance in axes scaled at random, then the nearest 1 to 2 % moved along the seed's normal by their rank."""
    rng, count = np.random.default_rng(0), len(points)
    spread = 0.0
    for point in points:
        spread += tree.query(point, 2)[0][1] ** 2 / count
    seed, chosen = rng.integers(count), rng.integers(count // 100, count // 50)
    scale, distance = rng.uniform(0.8, 1.2, 3), np.empty(count)
    for k in range(count):
        distance[k] = np.linalg.norm(scale * (points[k] - points[seed]))
    moved, labels = points.copy(), np.zeros(count, bool)
    for rank, k in enumerate(np.argsort(distance)[:chosen]):
        moved[k] += normals[seed] * (chosen - rank) * 100 * spread
        labels[k] = True
    return moved, labels


def recall(drawn: Sample, source: Cloud) -> float:
    """Share of the source's points that moved which are labelled."""
    assert drawn.cloud is not None
    assert drawn.cloud.labels is not None
    masks = None if drawn.provenance is None else drawn.provenance.masks
    assert masks is not None
    index = masks.source
    assert index is not None
    falls = np.diff(index) <= 0  # points that were added come last
    own = np.arange(len(index)) <= (np.argmax(falls) if falls.any() else len(index))
    moved = (np.abs(drawn.cloud.points - source.points[index]).max(1) > 1e-6) & own
    return float(drawn.cloud.labels[moved].mean())


def save(sample: Sample, folder: Path, name: int) -> None:
    """Write a pair as a run does: image, mask, cloud and masks of each modality, each with its hash."""
    assert sample.image is not None
    assert sample.mask is not None
    files = {
        ".png": png_bytes(sample.image),
        "_mask.png": png_bytes(sample.mask),
        **dict(encoded_extras(sample).values()),
    }
    for suffix, content in files.items():
        write_whole(folder / f"{name}{suffix}", content)
        hashlib.sha256(content).hexdigest()


def scan(side: int) -> Sample:
    """A textured plate that fills most of a square frame, seen from half a metre."""
    focal = 1.25 * side
    rows, columns = np.mgrid[:side, :side].astype(float)
    away = np.maximum(np.abs(columns - side / 2), np.abs(rows - side / 2))
    depth = np.where(away < 0.4 * side, 0.47, 0.5)
    xyz = np.stack([(columns - side / 2) / focal * depth, (rows - side / 2) / focal * depth, depth], -1)
    grey = np.random.default_rng(0).integers(110, 140, (side, side, 1))
    return Sample(id=f"scan{side}", image=grey.repeat(3, 2).astype(np.uint8), xyz=xyz.astype(np.float32))


def perlin_speed() -> None:
    rng = np.random.default_rng(0)
    ours = seconds(lambda: Lattice.draw(rng).at(turned_places((512, 512), (16, 16), 0.0)))
    usual = seconds(lambda: usual_perlin(512, 16, rng))
    print(f"perlin 512: {1e3 * ours:.2f} ms, usual {1e3 * usual:.2f} ms, {usual / ours:.1f} x")


def organised_speed(folder: Path) -> None:
    spec = DefectSpec.of("dent", scale="none", radius_mm=(8, 8), amp_mm=(1, 2))
    for side in (400, 800):
        sample, synthesizer = scan(side), DualSynthesizer(spec)
        scene = prepare(sample)
        took = float(np.mean([seconds(partial(synthesizer.draw_on, scene, sample, k), 3) for k in range(SEEDS)]))
        print(f"organised dent {side}: {1e3 * took:.2f} ms, {1 / took:.0f} samples/s")
        start, clock = time.process_time(), time.perf_counter()
        for k in range(SEEDS):
            save(synthesizer.draw_on(scene, sample, k), folder, k)
        took, waited = time.process_time() - start, time.perf_counter() - clock
        print(f"  and saved: {SEEDS / took:.0f} pairs/s a core, {SEEDS / waited:.0f} pairs/s by the clock")


def cloud_speed() -> None:
    unit = np.random.default_rng(0).standard_normal((50_000, 3))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    source = Cloud((0.05 * unit).astype(np.float32), unit.astype(np.float32))
    ball, surface = Sample(id="ball", cloud=source), prepare_surface("ball", source)
    shortest = seconds(lambda: looped_bump(surface.points, surface.normals, 3e-3, 1e-3), 2)
    published = seconds(lambda: looped_stretch(surface.points, surface.normals, surface.tree), 1)
    for radius, height in ((3, 1), (9, 2)):
        bump = DefectSpec.of("bulge", scale="none", radius_mm=(radius, radius), amp_mm=(height, height), ragged=0)
        ours = seconds(lambda: draw_on_cloud(ball, [bump], 1, surface), 10)  # noqa: B023
        drawn = [draw_on_cloud(ball, [bump], k, surface) for k in range(SEEDS)]
        made = drawn[1].provenance
        assert made is not None
        points = made.instances[0].parameters["points"]
        print(
            f"cloud bump 50k, {points} points: {1e3 * ours:.2f} ms; published {1e3 * published:.0f} ms, "
            f"{published / ours:.0f} x; shortest loop {1e3 * shortest:.0f} ms, {shortest / ours:.0f} x; "
            f"least recall {min(recall(one, source) for one in drawn):.3f}"
        )


if __name__ == "__main__":
    perlin_speed()
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as place:
        organised_speed(Path(place))
    cloud_speed()
