"""Signed volume of dents and bulges against the volume of their profile, on closed meshes in real units.

Measured on what comes out: the volume of a closed mesh whose vertices are the cloud, before and after; on parts, whose
points are sampled, the volume swept by the triangles of neighbours. Defects over a sharp edge are left out: there the
surface is not the nearly flat one that a profile's volume is for."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import trimesh
from scipy.spatial import Delaunay

from synth.dual import DefectSpec
from synth.dual.surface import Surface, prepare_surface
from synth.dual.unorganised import draw_on_cloud
from synth.errors import GeneratorError
from synth.io.points import METRES, read_points
from synth.sample import Cloud, Sample

PARTS = Path(__file__).parents[3].parent / "shared" / "data" / "parts"


def box() -> trimesh.Trimesh:
    mesh = trimesh.creation.box((60.0, 45.0, 30.0))
    for _ in range(6):
        mesh = mesh.subdivide()
    return mesh


MESHES = {
    "box": box,
    "ball": lambda: trimesh.creation.icosphere(subdivisions=6, radius=30.0),
    "torus": lambda: trimesh.creation.torus(28.0, 14.0, major_sections=220, minor_sections=120),
    "cylinder": lambda: trimesh.creation.revolve(
        np.vstack(
            [
                np.column_stack([np.linspace(0, 20, 36), np.full(36, -25.0)]),
                np.column_stack([np.full(86, 20.0), np.linspace(-25, 25, 88)[1:-1]]),
                np.column_stack([np.linspace(20, 0, 36), np.full(36, 25.0)]),
            ]
        ),
        sections=200,
    ),
}
"""Closed, in millimetres, with vertices at most 1 mm apart or so."""


@cache
def prepared(name: str, unit: str) -> tuple[trimesh.Trimesh, Sample, Surface]:
    mesh = MESHES[name]()
    mesh.apply_scale(METRES["mm"] / METRES[unit])  # as a file in that unit holds it
    mesh.merge_vertices()
    assert mesh.is_watertight
    assert mesh.volume > 0
    points = np.asarray(mesh.vertices * METRES[unit], np.float32)
    sample = Sample(id=name, cloud=Cloud(points, np.asarray(mesh.vertex_normals, np.float32)))
    return mesh, sample, prepare_surface(name, sample.cloud)


def moved(made: Sample, before: np.ndarray) -> np.ndarray:
    """The source's points (n, 3) after the defect, without those that were added; they come first, in order."""
    source = made.provenance.masks.source
    falls = np.flatnonzero(np.diff(source) <= 0)
    own = slice(0, falls[0] + 1 if len(falls) else len(source))
    after = before.copy()
    after[source[own]] = made.cloud.points[own]
    return after


@pytest.mark.parametrize("kind", ["dent", "bulge"])
@pytest.mark.parametrize(("name", "unit"), [("box", "mm"), ("ball", "inch"), ("torus", "m"), ("cylinder", "cm")])
def test_a_closed_mesh_loses_or_gains_the_volume_of_the_profile(name, unit, kind):
    mesh, sample, surface = prepared(name, unit)
    before = sample.cloud.points.astype(float)
    sign = 1 if kind == "bulge" else -1
    spec = DefectSpec.of(kind, scale="none", amp_mm=(0.5, 1.0), radius_mm=(4, 6))
    drawn = [draw_on_cloud(sample, [spec], seed, surface) for seed in range(5)]
    drawn = [made for made in drawn if within_a_face(surface, made)]
    assert len(drawn) >= 2
    for made in drawn:
        (volume, start) = (trimesh.Trimesh(p, mesh.faces, process=False).volume for p in (moved(made, before), before))
        wanted = made.provenance.instances[0].parameters["volume_mm3"]
        assert sign * wanted > 0
        assert 1e9 * (volume - start) == pytest.approx(wanted, rel=0.05)


def within_a_face(surface: Surface, made: Sample) -> bool:
    parameters = made.provenance.instances[0].parameters
    members, _ = surface.around(parameters["seed_point"], 1.2e-3 * parameters["reach_mm"])
    return bool((surface.normals[members] @ surface.normals[parameters["seed_point"]]).min() > 0.6)


def swept(surface: Surface, place: int, reach: float, after: np.ndarray) -> float:
    """Signed volume in cubic metres between the surface around a point and where it went: triangles of neighbours,
    each with its area along the normal times the mean way of its corners."""
    members, q = surface.around(place, 1.15 * reach)
    corners = members[Delaunay(q).simplices]
    a, b, c = (surface.points[corners[:, k]] for k in range(3))
    area = 0.5 * np.cross(b - a, c - a)
    area *= np.sign(np.einsum("ij,ij->i", area, surface.normals[corners[:, 0]]))[:, None]
    way = (after - surface.points)[corners].mean(1)
    return float(np.einsum("ij,ij->", area, way))


@pytest.mark.skipif(not PARTS.is_dir(), reason="the real parts are not here")
@pytest.mark.parametrize("file", ["cylinder.stl", "torus.STL"])
def test_dents_and_bulges_of_real_parts_have_the_volume_of_their_profile(file):
    sample = Sample(id=file, cloud=read_points(PARTS / file, 200_000))
    surface = prepare_surface(file, sample.cloud)
    ratios = []
    for kind in ("dent", "bulge"):
        for seed in range(6):
            spec = DefectSpec.of(kind, scale="none", radius_mm=(2.5, 4), amp_mm=(0.3, 0.6))
            try:
                made = draw_on_cloud(sample, [spec], seed, surface)
            except GeneratorError:
                continue
            if not within_a_face(surface, made):
                continue
            parameters = made.provenance.instances[0].parameters
            after = moved(made, surface.points)
            measured = 1e9 * swept(surface, parameters["seed_point"], 1e-3 * parameters["reach_mm"], after)
            ratios.append(measured / parameters["volume_mm3"])
    assert len(ratios) >= 4
    np.testing.assert_allclose(ratios, 1, atol=0.05)
