"""The dial from pasting to free drawing: what a recipe says of each type, and what each sample takes of it."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from synth.errors import GeneratorError
from synth.seas.config import SeasConfig
from synth.seas.freedom import FreedomChoice, choose, steps_taken


def test_a_type_has_its_own_freedom_and_the_others_the_default() -> None:
    choice = choose({"crack": 0.3, "default": 0}, ["stain", "crack"])
    assert dict(choice.by_defect) == {"crack": 0.3, "stain": 0}
    assert choice.drawn == {"crack"}
    assert choose(0.5, ["dent"]).of("dent") == 0.5


@pytest.mark.parametrize(("limit", "reads"), [(0, False), (0.5, False), (0.51, True), (1, True)])
def test_masks_are_read_off_where_more_than_half_of_the_steps_may_be_taken(limit: float, reads: bool) -> None:
    assert choose(limit, ["dent"]).reads_masks == reads


@pytest.mark.parametrize("freedom", [-0.1, 1.5, float("nan"), {"crack": 0.3}, {"default": 2}, "some"])
def test_what_is_no_freedom_is_refused(freedom: object) -> None:
    with pytest.raises(ValidationError, match="freedom"):
        SeasConfig.model_validate({"freedom": freedom})


@pytest.mark.parametrize(
    "choices", [{"mask_mode": "predict"}, {"preserve_background": False}, {"masks": "somewhere", "freedom": 0}]
)
def test_choices_that_no_paste_can_meet_ask_for_free_drawing(choices: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="freedom"):
        SeasConfig.model_validate({"freedom": 0.3} | choices)
    SeasConfig.model_validate(choices | {"freedom": 1})


def test_samples_spread_evenly_up_to_the_largest_freedom_and_all_are_free_at_one() -> None:
    taken = [steps_taken(0.4, 25, np.random.default_rng(seed)) for seed in range(400)]
    assert set(taken) == set(range(11))
    assert np.mean(taken) == pytest.approx(5, abs=0.4)
    assert {steps_taken(0, 25, np.random.default_rng(seed)) for seed in range(9)} == {0}
    assert {steps_taken(1, 25, np.random.default_rng(seed)) for seed in range(9)} == {25}


def test_a_choice_is_read_back_and_damage_is_named(tmp_path: Path) -> None:
    choice = choose({"crack": 0.3, "default": 0}, ["stain", "crack"])
    choice.write(tmp_path, "plate")
    assert FreedomChoice.read(tmp_path, "plate") == choice
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes().replace(b"0.3", b"0.4"))
    with pytest.raises(GeneratorError, match="is damaged"):
        FreedomChoice.read(tmp_path, "plate")
    with pytest.raises(GeneratorError, match="fit has not seen"):
        FreedomChoice.read(tmp_path, "cup")
