"""A local Hub, a process that pushes to it, and small finished runs, made once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from synth import generators
from synth.io.points import ply_bytes
from synth.io.tiff import xyz_bytes
from synth.pipeline.runs import Run, run
from synth.recipe import Recipe
from tests.synth.blobs import BLOBS, recipe_for, write_source
from tests.synth.dual.scans import ball_cloud, plate
from tests.synth.hub.client import Client
from tests.synth.hub.local_hub import LocalHub


@pytest.fixture(scope="session")
def hub() -> Iterator[LocalHub]:
    with LocalHub() as started:
        yield started


@pytest.fixture(scope="session")
def client(hub, tmp_path_factory) -> Iterator[Client]:
    started = Client(hub, tmp_path_factory.mktemp("hf"))
    yield started
    started.close()


@pytest.fixture(autouse=True)
def _no_faults(hub):
    hub.faults.clear()
    hub.on_upload = lambda: None


@pytest.fixture(scope="session")
def images(tmp_path_factory) -> Run:
    """A run on images of two defect types, its real test images among what it exports."""
    folder = tmp_path_factory.mktemp("images")
    root = write_source(folder / "source", good_images=9, shots=6)
    source = {"kind": "folder", "root": str(root), "product": "plate", "test_fraction": 0.34, "licence": "CC-BY-4.0"}
    blocks = recipe_for(root, request={"per_defect": 3}, output={"real_test": True}).model_dump() | {"source": source}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(generators.GENERATORS, "seas", BLOBS)
        return run(Recipe.model_validate(blocks), folder / "run")


@pytest.fixture(scope="session")
def scans(tmp_path_factory) -> Run:
    """A run on organised scans of two sizes."""
    folder = tmp_path_factory.mktemp("scans")
    for k, size in enumerate([(61, 83), (61, 83), (59, 79)]):
        scan = plate(*size, seed=k)
        place = folder / "source" / "train" / "good"
        for name in ("rgb", "xyz"):
            (place / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(scan.image).save(place / "rgb" / f"{k}.png")
        (place / "xyz" / f"{k}.tiff").write_bytes(xyz_bytes(scan.xyz))
    return _dual(folder, {"kind": "mvtec_3d", "product": "lid"})


@pytest.fixture(scope="session")
def clouds(tmp_path_factory) -> Run:
    """A run on clouds without a grid."""
    folder = tmp_path_factory.mktemp("clouds")
    (folder / "source").mkdir()
    for k in range(2):
        (folder / "source" / f"{k}.ply").write_bytes(ply_bytes(ball_cloud(900 + 100 * k, seed=k).cloud))
    return _dual(folder, {"kind": "clouds", "product": "ball"})


def _dual(folder: Path, source: dict[str, str]) -> Run:
    dent = {"scale": "none", "radius_mm": [8, 12], "amp_mm": [1, 2]}
    blocks = {
        "name": "things",
        "source": {"root": str(folder / "source"), "licence": "mit", **source},
        "generator": {"kind": "dual", "types": ["dent"], "defects": {"dent": dent}, "draw_batch": 1},
        "request": {"per_defect": 2},
        "checks": {"min_on_product": 0, "min_area": 1},
        "output": {"format": "ply"},
    }
    return run(Recipe.model_validate(blocks), folder / "run")
