"""One unit for the files of a product: found, told, decided by the recipe, or refused where it is not clear."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from synth.errors import SourceError
from synth.io.units import Sized, unit_of_family
from synth.sample import Sample
from synth.sources import list_tree, read
from synth.sources.config import CloudSource
from tests.synth.dual.scans import ball_cloud

BALL = ball_cloud(400, radius=0.5).cloud.points.astype(np.float64)
"""1 across."""


def mesh(path, size: float):
    path.parent.mkdir(parents=True, exist_ok=True)
    made = trimesh.creation.box((size, 0.6 * size, 0.3 * size))
    made.export(path)


def scan(path, size: float):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, BALL * size)


def across(sample: Sample) -> float:
    """Millimetres."""
    return 1e3 * float(np.ptp(sample.cloud.points, axis=0).max())


def units_told(samples) -> set[str]:
    return {note.text for sample in samples for note in sample.meta["notes"] if note.topic == "unit"}


@pytest.mark.parametrize("sizes", [(12, 19, 21, 40), (15, 300), (80,), (19.5, 20.5)])
@pytest.mark.parametrize(("write", "ending"), [(mesh, "stl"), (scan, "xyz")])
def test_a_family_has_one_unit_by_its_median(tmp_path, sizes, write, ending):
    for size in sizes:
        write(tmp_path / f"part{size}.{ending}", size)
    found = sorted(across(sample) for sample in read(tmp_path, points=1500))
    np.testing.assert_allclose(found, sizes, rtol=0.03)
    (told,) = units_told(read(tmp_path, points=1500))
    assert "is read in mm" in told


@pytest.mark.parametrize(("sizes", "wanted"), [((0.08,), 80), ((0.3, 0.9), 300), ((0.9,), 900)])
def test_scans_of_a_part_in_metres_are_metres(tmp_path, sizes, wanted):
    for size in sizes:
        scan(tmp_path / f"{size}.xyz", size)
    assert min(across(sample) for sample in read(tmp_path, points=1500)) == pytest.approx(wanted, rel=0.01)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            {"a.stl": 12.0, "b.stl": 19.0},
            r"15\.5 across in the median, which suits mm \(15\.5 mm\), cm .*, inch .* and m",
        ),
        (
            {"a.stl": 1.0},
            r"which suits mm \(1 mm\), cm \(10 mm\), inch \(25\.4 mm\) and m \(1e\+03 mm\); set source\.unit",
        ),
        ({"a.xyz": 5.0}, r"which suits mm .*; set source\.unit"),
        (
            {"a.stl": 80.0, "b.stl": 0.08},
            r"b\.stl: is 0\.08 across and .*a\.stl 80, as if .* in two units; set source\.unit",
        ),
        ({"a.xyz": 80.0, "b.xyz": 82.0, "c.stl": 3.15}, r"c\.stl: is 3\.15 across and .*a\.xyz 79\.9"),
        ({"a.xyz": 4e4}, r"a\.xyz would be 39\.9 m across in mm; set source\.unit"),
    ],
)
def test_what_suits_two_units_is_refused_and_decided_by_the_recipe(tmp_path, files, words):
    for name, size in files.items():
        (mesh if name.endswith("stl") else scan)(tmp_path / name, size)
    with pytest.raises(SourceError, match=words):
        list(read(tmp_path, points=1500))
    unit = "um" if "a.xyz" in files and files["a.xyz"] > 1e3 else "mm" if min(files.values()) >= 1 else None
    given = unit or {"b*": "m", "*.stl": "mm"}
    samples = list(read(tmp_path, unit=given, points=1500))
    assert len(samples) == len(files)
    assert not units_told(samples)


def test_a_collection_of_all_sizes_is_read_file_by_file_with_a_warning(tmp_path):
    sizes = (0.05, 0.4, 3.0, 25.0, 120.0)
    for size in sizes:
        mesh(tmp_path / f"{size}.stl", size)
    samples = list(read(tmp_path, points=1500))
    np.testing.assert_allclose([across(sample) for sample in samples], [50, 400, 120, 25, 76.2], rtol=0.03)
    assert all(note.warning for sample in samples for note in sample.meta["notes"] if note.topic == "unit")


@pytest.mark.parametrize("size", [0.02, 1.2, 25.0])
def test_a_glb_is_in_metres(tmp_path, size):
    mesh(tmp_path / "a.glb", size)
    (sample,) = read(tmp_path, points=1500)
    assert across(sample) == pytest.approx(1e3 * size, rel=0.01)
    assert units_told([sample]) == {"is read in m, as its format prescribes"}


def test_a_unit_by_pattern_is_a_field_of_the_recipe(tmp_path):
    source = CloudSource(root=tmp_path, unit={"*.stl": "inch", "old/*": "um"})
    assert source.unit == {"*.stl": "inch", "old/*": "um"}


def test_the_files_of_a_listing_are_measured_once(tmp_path, monkeypatch):
    import synth.io.points as points

    scan(tmp_path / "a.xyz", 80)
    list_tree(tmp_path)
    monkeypatch.setattr(points, "parsed", None)
    list_tree(tmp_path)


def test_two_products_are_two_families(tmp_path):
    sized = [Sized(tmp_path / "a", 80.0, False), Sized(tmp_path / "b", 100.0, False)]
    assert set(unit_of_family("a", sized).values()) == {"mm"}
