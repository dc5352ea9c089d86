"""Makes a folder of scans of whole parts from CAD meshes, for measuring detectors of clouds.

python benchmarks/cloud_scans.py MESHES OUT [--parts idler_riser,plate_holes] [--scans 30] [--points 8000]
flawsmith run parts --set source.root=OUT --out outputs/scans
flawsmith eval detectors --data outputs/scans --detectors all --test synthetic

Each scan draws its points anew, with noise of 0.05 mm on a part that is brought to a diagonal of 100 mm, and lies up to
2 degrees and 0.5 mm off: what a fixture leaves. The tree is Real3D-AD's; a quarter of the scans are good test scans.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import trimesh
from scipy.spatial.transform import Rotation

from synth.io.ply import ply_bytes
from synth.sample import Cloud

DIAGONAL, NOISE, OFF, TURN = 0.1, 5e-5, 5e-4, 2.0
"""Metres, metres, metres and degrees."""


def scan(mesh: trimesh.Trimesh, points: int, rng: np.random.Generator) -> Cloud:
    """Points (n, 3) of the mesh in a pose of its own."""
    found, _ = trimesh.sample.sample_surface(mesh, points, seed=int(rng.integers(2**31)))
    turn = Rotation.from_rotvec(np.radians(rng.uniform(-TURN, TURN, 3))).as_matrix()
    moved = found @ turn.T + rng.uniform(-OFF, OFF, 3) + rng.normal(0, NOISE, found.shape)
    return Cloud(moved.astype(np.float32))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("meshes", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--parts", default="")
    parser.add_argument("--scans", type=int, default=30)
    parser.add_argument("--points", type=int, default=8000)
    given = parser.parse_args()
    names = [name for name in given.parts.split(",") if name]
    for file in sorted(given.meshes.iterdir()):
        if file.suffix.lower() not in (".stl", ".obj", ".ply") or (names and file.stem not in names):
            continue
        mesh = trimesh.load_mesh(file)
        mesh.apply_translation(-mesh.bounds.mean(0))
        mesh.apply_scale(DIAGONAL / np.linalg.norm(np.ptp(mesh.bounds, 0)))
        rng = np.random.default_rng([0, len(file.stem)])
        tests = given.scans // 4
        for number in range(given.scans):
            part = f"test/{file.stem}_good{number}.ply" if number < tests else f"train/{file.stem}_template{number}.ply"
            path = given.out / file.stem / part
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(ply_bytes(scan(mesh, given.points, rng)))
        print(f"{file.stem}: {given.scans} scans")


if __name__ == "__main__":
    main()
