"""`freedom: auto`: cross-validation over the shots, and what is made of its scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from synth.errors import GeneratorError
from synth.sample import Sample
from synth.seas import choosing
from synth.seas.choosing import choose_freedom, dealt, decide
from synth.seas.config import SeasConfig
from synth.seas.freedom import CANDIDATES, FreedomChoice
from synth.seas.generator import SeasGenerator


def _gains(best: int, size: float, noise: float, shots: int = 12) -> np.ndarray:
    rng = np.random.default_rng(0)
    scores = 0.4 + noise * rng.normal(size=(len(CANDIDATES), shots))
    scores[best] += size
    return scores


@pytest.mark.parametrize("best", range(len(CANDIDATES)))
def test_the_candidate_that_clearly_helps_is_chosen(best: int) -> None:
    assert decide({"a"}, ["a"] * 12, _gains(best, 0.2, 0.02)) == {"a": CANDIDATES[best]}


def test_a_gain_within_its_error_leaves_the_shots_pixels() -> None:
    chosen = [decide({"a"}, ["a"] * 12, 0.4 + 0.1 * np.random.default_rng(n).normal(size=(3, 12))) for n in range(200)]
    assert np.mean([choice["a"] == 0 for choice in chosen]) > 0.6


def test_types_that_gain_and_types_that_lose_are_chosen_apart() -> None:
    scores = np.full((len(CANDIDATES), 40), 0.4)
    scores[1:, :20] += 0.2
    scores[1:, 20:] -= 0.2
    assert decide({"gains", "loses"}, ["gains"] * 20 + ["loses"] * 20, scores) == {"gains": CANDIDATES[1], "loses": 0.0}


def test_a_type_without_unseen_shots_follows_the_others() -> None:
    assert decide({"a", "alone"}, ["a"] * 12, _gains(2, 0.2, 0.02))["alone"] == CANDIDATES[2]


def _shots(counts: dict[str, int]) -> list[Sample]:
    image, mask = np.full((16, 16, 3), 90, np.uint8), np.zeros((16, 16), bool)
    mask[4:8, 4:8] = True
    return [
        Sample(f"{kind}-{n}", image, mask, product="part", defect=kind)
        for kind, count in counts.items()
        for n in range(count)
    ]


def test_folds_leave_something_of_each_type_to_learn_from() -> None:
    shots = _shots({"a": 5, "b": 2, "alone": 1})
    folds = dealt(shots)
    seen = [shot.id for fold in folds for shot in fold]
    assert sorted(seen) == sorted(shot.id for shot in shots if shot.defect != "alone")
    for fold in folds:
        left = {shot.defect for shot in shots if shot.id not in {unseen.id for unseen in fold}}
        assert left == {"a", "b", "alone"}


class _Judge:
    def __init__(self) -> None:
        self.asked: list[tuple[set[str], set[str]]] = []

    def scores(self, shots, good_images, unseen, candidates, progress):  # type: ignore[no-untyped-def]
        self.asked.append(({shot.id for shot in shots}, {shot.id for shot in unseen}))
        return np.array([[0.1 + 0.2 * index] * len(unseen) for index, _ in enumerate(candidates)])

    def seconds(self, shots, good_images):  # type: ignore[no-untyped-def]
        return 1.0


def test_what_is_judged_on_was_not_learnt_from_and_the_choice_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "_made", lambda *args: [[] for _ in CANDIDATES])
    judge, shots = _Judge(), _shots({"a": 4, "b": 3})
    said: list[str] = []
    trial = tmp_path / "choice" / "part" / "0" / "model"
    trial.parent.mkdir(parents=True)
    trial.write_text("weights")
    choose_freedom(SeasConfig(freedom="auto"), shots, [], tmp_path, 0, judge, lambda stage, *_: said.append(stage))
    assert said[-1] == f"part: freedom chosen on 7 unseen shots: a {CANDIDATES[-1]:g}, b {CANDIDATES[-1]:g}"
    assert not trial.exists()
    assert len(judge.asked) == 2
    assert all(not learnt & unseen for learnt, unseen in judge.asked)
    assert FreedomChoice.read(tmp_path, "part").by_defect == {"a": CANDIDATES[-1], "b": CANDIDATES[-1]}
    choose_freedom(SeasConfig(freedom="auto"), shots, [], tmp_path, 0, None, lambda *_: None)  # known: nobody is asked


def test_an_open_choice_without_a_judge_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(GeneratorError, match="or set a number from 0 to 1"):
        choose_freedom(SeasConfig(freedom="auto"), _shots({"a": 2}), [], tmp_path, 0, None, lambda *_: None)
    with pytest.raises(GeneratorError):
        SeasGenerator(SeasConfig(freedom="auto"), tmp_path, 0).fit(_shots({"a": 2}), _shots({}), None)


def test_nothing_is_chosen_where_the_recipe_says_it(tmp_path: Path) -> None:
    choose_freedom(SeasConfig(freedom=0.3), _shots({"a": 2}), [], tmp_path, 0, None, lambda *_: None)
    assert not list(tmp_path.iterdir())
