"""A defect type is one file and one line: what it declares is all that drawing, labels and recipes go by."""

import numpy as np
import pytest
from pydantic import ValidationError

from synth.dual import TYPES, DefectSpec, DualSynthesizer
from synth.dual.config import DualConfig
from synth.dual.material import Layer
from synth.dual.profiles import Relief
from synth.dual.types import DefectType
from synth.recipe import Recipe
from tests.synth.dual.scans import plate
from tests.synth.dual.test_labels import good
from tests.synth.dual.truth import lies


class Ridge:
    """A straight ridge, triangular across: a profile that no type has."""

    def __init__(self, amplitude, reach):
        self.amplitude, self.reach = amplitude, reach

    def scaled(self, amplitude):
        return Ridge(amplitude, self.reach)

    def at(self, q):
        across = np.clip(1 - np.abs(q[..., 0]) / (0.4 * self.reach), 0, 1)
        along = np.abs(q[..., 1]) < 0.8 * self.reach
        return Relief((self.amplitude * across * along).astype(q.dtype), (across * along > 0).astype(q.dtype))


def draw_ridge(numbers, rng, amplitude, metres):
    return Ridge(amplitude, metres * rng.uniform(*numbers.radius_mm))


def painted_red(linear, relief, grain, rng):
    return Layer(np.broadcast_to(np.float32([0.8, 0.05, 0.05]), linear.shape), relief.cover)


RIDGE = DefectType("ridge", draw_ridge, {"amp_mm": (1, 2), "radius_mm": (8, 12), "scale": "none"}, painted_red)


def test_a_new_type_is_drawn_on_scans_and_clouds_from_what_it_declares_alone(monkeypatch):
    monkeypatch.setitem(TYPES, "ridge", RIDGE)
    for start in (plate(121, 161), *good("cloud")[:3]):
        made = DualSynthesizer(["ridge", "dent"]).draw(start, 1)
        assert [instance.type for instance in made.provenance.instances] == ["ridge", "dent"]
        assert lies(start, made) == []
    assert DualConfig(types=("ridge",), defects={"ridge": {"amp_mm": [1, 1]}}).specs()["ridge"].amp_mm == (1, 1)


@pytest.mark.parametrize(
    ("declared", "words"),
    [({"geometric": False}, "a ridge shows in colours alone"), ({"whole_part": True}, "a cloud takes one of .*ridge")],
)
def test_what_a_type_declares_decides_what_a_cloud_takes(monkeypatch, declared, words):
    monkeypatch.setitem(TYPES, "ridge", DefectType("ridge", draw_ridge, **declared))
    start = good("cloud")[0]
    bare = type(start)(id="bare", cloud=type(start.cloud)(start.cloud.points, start.cloud.normals))
    with pytest.raises(Exception, match=words):
        DualSynthesizer(["ridge", "ridge"]).draw(bare, 0)


def test_recipes_know_the_types_and_guess_what_was_meant():
    assert DefectSpec.model_json_schema()["properties"]["type"]["enum"] == list(TYPES)
    assert DualConfig.model_json_schema()["properties"]["types"]["items"]["enum"] == list(TYPES)
    with pytest.raises(ValidationError, match="defect type 'dentt' is unknown; did you mean dent"):
        DefectSpec.of("dentt")
    with pytest.raises(ValidationError, match="did you mean scratch"):
        Recipe.model_validate({"generator": {"kind": "dual", "types": ["scrach"]}})
    with pytest.raises(ValidationError, match="there are: bulge, dent"):
        DefectSpec.of("xyz")


@pytest.mark.parametrize("name", TYPES)
def test_the_defaults_of_every_type_are_numbers_of_a_spec(name):
    assert TYPES[name].name == name
    assert DefectSpec.of(name).kind is TYPES[name]
