"""Where defects go: the rules of placing on clouds, and a user's legal region on scans."""

import numpy as np
import pytest
from PIL import Image

from synth.dual import DefectSpec, DualSynthesizer
from synth.dual.config import DualConfig
from synth.dual.generator import DualGenerator
from synth.dual.surface import prepare_surface
from synth.errors import GeneratorError, SampleError
from synth.pipeline.runs import Run, run
from synth.sample import Sample
from tests.synth.dual.scans import ball_cloud, egg_cloud
from tests.synth.dual.test_run import recipe_for, write_scans

SMALL = {"scale": "none", "radius_mm": (4, 5), "amp_mm": (0.5, 1)}


def seed_points(sample: Sample, place: str, count: int = 20) -> np.ndarray:
    drawing = DualSynthesizer(DefectSpec.of("dent", place=place, **SMALL))
    drawn = [drawing.draw(sample, seed).provenance.instances[0].parameters["seed_point"] for seed in range(count)]
    return np.array(drawn)


def test_curved_and_flat_places_of_an_egg_are_its_tips_and_its_flanks() -> None:
    egg = egg_cloud()
    assert egg.cloud is not None
    bend = prepare_surface("egg", egg.cloud).bend
    middle = np.median(bend)
    assert (bend[seed_points(egg, "curved")] > middle).all()
    assert (bend[seed_points(egg, "flat")] <= middle).all()
    everywhere = bend[seed_points(egg, "uniform")] > middle
    assert 0 < everywhere.sum() < len(everywhere)


def test_a_users_points_are_where_defects_go_and_must_fit_the_cloud() -> None:
    ball = ball_cloud()
    assert ball.cloud is not None
    allowed = ball.cloud.points[:, 2] > 0.03
    ball.meta["allowed"] = allowed
    assert allowed[seed_points(ball, "mask", 8)].all()
    assert allowed[seed_points(ball, "edge", 4)].all()
    ball.meta["allowed"] = allowed[:-1]
    with pytest.raises(SampleError, match=r"allowed'\] is \(3999,\).*wanted one a point"):
        seed_points(ball, "mask", 1)
    del ball.meta["allowed"]
    with pytest.raises(SampleError, match=r"place 'mask' needs a bool \(N,\) mask"):
        seed_points(ball, "mask", 1)


def test_a_legal_region_keeps_defects_of_a_run_on_its_side(tmp_path) -> None:
    white = np.zeros((61, 83), np.uint8)
    white[:, :38] = 255
    Image.fromarray(white).save(tmp_path / "region.png")
    dent = {"dent": {"scale": "none", "radius_mm": [5, 7], "amp_mm": [1, 2]}}
    generator = {"kind": "dual", "types": ["dent"], "defects": dent, "legal_region": str(tmp_path / "region.png")}
    recipe = recipe_for(write_scans(tmp_path / "scans"), generator=generator, request={"per_defect": 6})
    made: Run = run(recipe, tmp_path / "out")
    for sample in made.samples():
        assert np.nonzero(sample.mask)[1].mean() < 44, sample.id


def test_a_legal_region_has_no_place_on_clouds(tmp_path) -> None:
    Image.fromarray(np.full((4, 4), 255, np.uint8)).save(tmp_path / "region.png")
    generator = DualGenerator(DualConfig(legal_region=tmp_path / "region.png"), tmp_path, 0)
    with pytest.raises(GeneratorError, match=r"is a cloud; generator\.legal_region is for RGB-D scans"):
        generator.fit([], [ball_cloud()])
