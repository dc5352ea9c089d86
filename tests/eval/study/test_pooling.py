"""What a study over data sets and draws concludes, on simulated measurements whose truth is known."""

import json
import re
from collections import Counter
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from eval.study.answer import PooledStudy
from eval.study.judging import QUICK
from eval.study.pooled_study import _judge
from eval.study.pooling import ALL_SEGMENTERS, POOLED, MeasuredCondition, gains_of
from eval.study.study import Study
from eval.study.study_page import COLUMNS, as_markdown, as_plot, write_study_pages
from synth.errors import EvalError
from tests.eval.study.test_verdict import TYPES, simulated

GAINS = {"real": 0.0, "copy_paste": 0.04, "ours_real": 0.15}


def condition(name: str, images: str, seed: int, draws: int = 4, trainings: int = 2, **others) -> MeasuredCondition:
    rng = np.random.default_rng(seed)
    measured = []
    for draw in range(draws):
        gains = {key: gain + (gain > 0) * rng.normal(0, 0.02) for key, gain in GAINS.items()}
        one = simulated(seed + draw, gains, trainings=trainings, **others)
        wide = [{**row, "segmenter": name} for name in ("lfd", "lite") for row in one.results]
        measured.append(replace(one, results=wide))
    return MeasuredCondition(name, images, measured)


def judged_study(draws: int = 4, trainings: int = 2, unseen: bool = True, **others) -> PooledStudy:
    conditions = [
        condition(f"{name}, {shots} shots", name, 10 * number, draws, trainings, **others)
        for number, (name, shots) in enumerate((("tile", 4), ("tyre", 4), ("tyre", 9)))
    ]
    study = Study({"lfd": {"steps": 9}, "lite": {}}, tuple(GAINS), trainings)
    return _judge("helps", study, conditions, conditions if unseen else [], ["a note"])


def found(judged: PooledStudy, what: str, segmenter: str = ALL_SEGMENTERS, pair=("ours_real", "real")):
    wanted = (segmenter, *pair, what)
    return next(g for g in judged.gains if (g.segmenter, g.training_set, g.over, g.what) == wanted)


def test_gains_are_told_by_condition_and_pooled_for_each_segmenter_and_for_all():
    judged = judged_study()
    pooled = found(judged, POOLED)
    assert pooled.verdict == "helps"
    assert pooled.interval.low < 0.15 < pooled.interval.high
    assert pooled.images == 2 * 55
    own = [found(judged, one.name).value for one in judged.conditions]
    assert pooled.value == pytest.approx(np.mean(own))
    assert found(judged, "tile, 4 shots").images == 55
    assert found(judged, POOLED, pair=("ours_real", "copy_paste")).value == pytest.approx(0.11, abs=0.03)
    pairs = Counter((g.training_set, g.over) for g in judged.gains)
    assert pairs == dict.fromkeys((("ours_real", "real"), ("ours_real", "copy_paste"), ("copy_paste", "real")), 12)
    assert {g.segmenter for g in judged.gains} == {ALL_SEGMENTERS, "lfd", "lite"}


def test_pooling_finds_what_one_draw_hides():
    one = judged_study(draws=1)
    many = judged_study(draws=6)
    widths = [g.interval.high - g.interval.low for g in (found(one, POOLED), found(many, POOLED))]
    assert widths[1] < widths[0]


def test_draws_carry_the_interval_where_each_is_trained_once():
    assert found(judged_study(trainings=1), POOLED).interval is not None
    assert found(judged_study(draws=1, trainings=1), POOLED).interval is None


def test_draws_on_different_test_images_are_refused():
    first, second = (simulated(seed) for seed in (1, 2))
    with pytest.raises(EvalError, match="measured on different test images"):
        MeasuredCondition("tile", "a", [first, replace(second, defects=["pit", *TYPES[1:]])])


def test_nothing_learnt_is_said_so_for_each_condition():
    bad = condition("tile", "tile", 1, scale=0.0)
    good = condition("tyre", "tyre", 2)
    said = {g.what: g.verdict for g in gains_of([bad, good], ["lfd"], tuple(GAINS)) if g.training_set == "ours_real"}
    assert said["tile"] == "not learnt"
    assert said["tyre"] == said[POOLED] == "helps"


def test_text_tables_plot_and_json_say_the_same(tmp_path):
    judged = judged_study()
    points = found(judged, POOLED).points
    assert f"{points} helps, AP +0.0 [+0.0, +0.0]" in str(judged)
    table = as_markdown(judged)
    assert f"| all conditions | {points} | helps | +0.0 [+0.0, +0.0] |" in table
    rows = [line.split(" | ")[0] for line in table.partition("pixel AP |")[2].splitlines() if " | +" in line]
    assert rows[:4] == ["| all conditions", "| tile, 4 shots", "| tyre, 4 shots", "| tyre, 9 shots"]
    assert "### Unseen defect types" in table
    drawn = ElementTree.fromstring(as_plot(judged))
    assert points in [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert len(list(drawn.iter("{http://www.w3.org/2000/svg}circle"))) == len(judged.gains)
    write_study_pages(judged, tmp_path)
    stored = json.loads((tmp_path / "study.json").read_text())
    assert len(stored["trainings"]) == 3 * 4 * 2 * 2 * 3
    assert stored["gains"][0]["interval"]["value"] == pytest.approx(judged.gains[0].value)
    levels = [line for line in table.splitlines() if line.startswith("| tile, 4 shots | real shots")]
    assert {line.count("|") for line in levels} == {len(COLUMNS) + 3}


def test_a_quick_study_claims_no_interval_anywhere(tmp_path):
    judged = judged_study(draws=1, trainings=1)
    write_study_pages(judged, tmp_path)
    for text in (str(judged), *(file.read_text() for file in tmp_path.iterdir())):
        assert QUICK in text
        assert not re.search(r"\[[+-]?\d", text)
        assert not re.search("no evidence|helps over|hurts|95 %", text)


@pytest.mark.parametrize("name", ["a|b`c`*d*", "<script>&", "[a](http://b)"])
def test_no_name_of_a_type_writes_a_cell_of_the_page(name):
    conditions = [
        replace(one, draws=[replace(d, defects=[name if k == "pit" else k for k in TYPES]) for d in one.draws])
        for one in (condition("tile", "tile", 1), condition("tyre", "tyre", 2))
    ]
    judged = _judge("helps", Study({"lfd": {}, "lite": {}}, tuple(GAINS), 2), conditions, [], [])
    line = next(line for line in as_markdown(judged).splitlines() if line.startswith("| tile |"))
    assert len(re.findall(r"(?<!\\)\|", line)) == 5
    assert not re.search(r"(?<!\\)[<>`*&\[]", line)
    ElementTree.fromstring(as_plot(judged))
