"""Types between the shots' types: which are refused, what a run makes of them, and that drawings lie between."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from synth.errors import GeneratorError, SourceError
from synth.generators import Request
from synth.pipeline.plan import plan
from synth.pipeline.preparation import prepare, silent
from synth.recipe import Recipe
from synth.sample import Sample
from synth.seas import models as room
from synth.seas.base import MICRO, build_untrained
from synth.seas.config import SeasConfig
from synth.seas.drawing import draw_windows
from synth.seas.freedom import steps_taken
from synth.seas.generator import SeasGenerator
from synth.seas.mixed_text import text_of
from synth.seas.mixes import LEAST
from synth.seas.plan import Start

SETTINGS = {
    "updates_per_defect": 1,
    "mask_updates_per_defect": 1,
    "windows_per_defect": 2,
    "batch": 2,
    "steps": 4,
    "mask_threshold": 0.2,
    "freedom": {"dent": 0, "default": 0.3},
    "mixes": {"dent_rust": {"dent": 0.5, "rust": 0.5}},
}


def _plate(name: str, defect: str | None = None) -> Sample:
    rows, columns = np.indices((48, 60))
    image = np.repeat((60 + 8 * ((rows + 2 * columns) % 7))[..., None], 3, axis=2).astype(np.uint8)
    mask = np.zeros((48, 60), dtype=bool)
    if defect is not None:
        mask[15:24, 20:32] = True
        image[mask] = 230 if defect == "dent" else 10
    return Sample(id=name, image=image, mask=mask, product="plate", defect=defect, meta={"file": f"{name}.png"})


SHOTS = [_plate(f"{defect}{i}", defect) for defect in ("dent", "rust") for i in range(3)]
GOOD_IMAGES = [_plate(f"g{i}") for i in range(2)]
NAMES = {"plate", "dent", "rust"}


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeasGenerator]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "load_base", lambda _name: build_untrained(MICRO))
        fitted = SeasGenerator(SeasConfig(**SETTINGS), tmp_path_factory.mktemp("models"), 0)
        fitted.fit(SHOTS, GOOD_IMAGES)
        yield fitted


@pytest.mark.parametrize(
    "weights", [{"dent": 1.0}, {"dent": 0.5, "rust": 0.4}, {"dent": 1.0, "rust": 0.0}, {"dent": 1.5, "rust": -0.5}, {}]
)
def test_weights_that_are_no_mix_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="mixes"):
        SeasConfig(mixes={"new": weights})


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"mixes": {"rust": {"dent": 0.5, "rust": 0.5}}}, "name the mix anew"),
        ({"mixes": {"new": {"dnt": 0.5, "rust": 0.5}}}, "did you mean dent"),
        ({"mixes": {"new": {"dent": 0.5, "hole": 0.5}}}, "no product has shots of all of dent, hole"),
        ({"freedom": {"dent_rust": 0.2, "default": 0.3}}, "never pasted"),
    ],
)
def test_a_mix_that_cannot_be_made_is_refused_by_name(choices: dict[str, object], said: str, tmp_path: Path) -> None:
    generator = SeasGenerator(SeasConfig(**(SETTINGS | choices)), tmp_path, 0)
    with pytest.raises(GeneratorError, match=said):
        generator.check(SHOTS, GOOD_IMAGES, {*NAMES, "hole"})


SOURCE = {"kind": "procedural", "products": ["flange"], "size": 48, "good_images": 2, "shots_per_defect": 2}
SOURCE |= {"test_per_defect": 0, "test_good_images": 1, "validation_fraction": 0}


@pytest.mark.parametrize("asked", ["all", "mix alone", "mix and another", "without"])
def test_a_run_makes_a_mix_as_a_type_of_its_own_where_it_is_asked_for(asked: str) -> None:
    types = sorted({str(s.defect) for s in prepare(Recipe.model_validate({"source": SOURCE}), silent).split.shots})
    first, second, third = types[:3]
    wanted = {"all": "all", "mix alone": ["new"], "mix and another": ["new", third], "without": [first]}[asked]
    recipe = Recipe.model_validate(
        {
            "source": SOURCE,
            "generator": {"kind": "seas", "mixes": {"new": {first: 0.5, second: 0.5}}},
            "request": {"defects": wanted},
        }
    )
    split = prepare(recipe, silent).split
    made = [stream.defect for stream in plan(recipe, split.shots, split.good_images)]
    expected = {"all": [*types, "new"], "mix alone": ["new"], "mix and another": [third, "new"], "without": [first]}
    assert made == expected[asked]
    assert {str(shot.defect) for shot in split.shots} >= (set(types[:2]) if asked != "without" else {first})
    unknown = recipe.model_copy(update={"request": recipe.request.model_copy(update={"defects": ["nwe"]})})
    with pytest.raises(SourceError, match="no defect type 'nwe'"):
        prepare(unknown, silent)


def test_samples_of_a_mix_bear_its_name_and_are_drawn_by_half_at_least(generator: SeasGenerator) -> None:
    generator.check(SHOTS, GOOD_IMAGES, NAMES)
    requests = [Request("plate", "dent_rust", index) for index in range(6)]
    samples = generator.draw(requests)
    assert {sample.defect for sample in samples} == {"dent_rust"}
    assert all(sample.provenance.scores["freedom"] >= LEAST for sample in samples)
    again = generator.draw(requests)
    assert all(np.array_equal(one.image, two.image) for one, two in zip(samples, again, strict=True))
    pasted = generator.draw([Request("plate", "dent", 0)])[0]
    assert pasted.provenance.scores["freedom"] == 0
    like = generator.surroundings("plate")
    assert like.misfit("dent_rust", pasted.image, pasted.mask) <= like.misfit("rust", pasted.image, pasted.mask)


def test_the_freedom_of_other_types_starts_at_zero_as_before() -> None:
    for seed in range(20):
        rng, same = np.random.default_rng(seed), np.random.default_rng(seed)
        assert steps_taken(0.4, 25, rng) == round(0.4 * same.uniform() * 25)


def test_prompts_lie_between_those_of_the_types_and_whole_ones_stay(generator: SeasGenerator) -> None:
    model, _ = generator._models._model("plate")
    with torch.inference_mode():
        dent, rust, half, whole = text_of(
            model, [{"dent": 1.0}, {"rust": 1.0}, {"dent": 0.5, "rust": 0.5}, {"dent": 1 - 1e-7, "rust": 1e-7}]
        )[1:]
        (alone,) = text_of(model, [{"rust": 1.0}])[1:]
    assert torch.allclose(rust, alone, atol=1e-6)
    assert torch.allclose(dent, whole, atol=1e-5)
    assert torch.equal(half[:4], dent[:4])  # what stands before the type's tokens
    assert 0.2 < _along(dent, rust, half) < 0.8


def test_drawings_move_from_one_type_to_the_other_with_the_weight(generator: SeasGenerator) -> None:
    model, settings = generator._models._model("plate")
    side = settings.resolution
    starts = [Start(np.full((side, side, 3), 90, np.uint8), None, "new", seed, 4) for seed in range(4)]

    def drawn(weight: float) -> torch.Tensor:
        mixed = settings.model_copy(update={"mixes": {"new": {"dent": 1 - weight, "rust": weight}}})
        return torch.tensor(np.stack([one.image for one in draw_windows(model, starts, mixed)]))

    first, last = drawn(0.0), drawn(1.0)
    places = [_along(first, last, drawn(weight)) for weight in (0.25, 0.5, 0.75)]
    assert 0 < places[0] < places[1] < places[2] < 1


def _along(first: torch.Tensor, last: torch.Tensor, found: torch.Tensor) -> float:
    """Where `found` is projected on the line from `first`, 0, to `last`, 1."""
    axis = (last - first).double().flatten()
    return float((found - first).double().flatten() @ axis / (axis @ axis))
