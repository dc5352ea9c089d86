import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from eval.calibration import Scores, as_markdown, calibrate
from eval.metrics import f1_max
from synth.errors import EvalError
from synth.io.json_text import json_text


def drawn(seed: int = 0, gap: float = 3.0) -> Scores:
    rng = np.random.default_rng(seed)
    test, labels = rng.normal(size=120), np.arange(120) >= 80
    return Scores(
        good=rng.normal(size=60),
        synthetic=rng.normal(gap, 1, size=200),
        test=test + 3 * labels,
        labels=labels,
        perlin=rng.normal(7, 1, size=100),
        shots=rng.normal(3, 1, size=8),
    )


def test_every_rule_is_judged_as_scikit_learn_judges_its_threshold():
    scores = drawn()
    found = calibrate(scores)
    assert list(found.rules) == ["synthetic", "perlin", "good", "oracle"]
    for rule in found.rules.values():
        called = scores.test >= rule.threshold
        assert rule.figures == {
            "precision": pytest.approx(precision_score(scores.labels, called)),
            "recall": pytest.approx(recall_score(scores.labels, called)),
            "f1": pytest.approx(f1_score(scores.labels, called)),
            "specificity": pytest.approx(recall_score(~scores.labels, ~called)),
        }
        assert rule.f1_interval.low < rule.figures["f1"] <= rule.f1_interval.high
    assert found.all_positive_f1 == pytest.approx(f1_score(scores.labels, np.ones(120, bool)))
    assert found.rules["oracle"].figures["f1"] == pytest.approx(f1_max(scores.test, scores.labels))
    assert all(found.oracle_gap(name) >= 0 for name in found.rules)


def test_synthetic_defects_like_real_ones_come_near_the_oracle_and_too_easy_ones_do_not():
    gaps = {"synthetic": [], "perlin": [], "good": []}
    for seed in range(8):
        found = calibrate(drawn(seed))
        assert found.chosen.name == "synthetic"
        assert found.rules["perlin"].reasons
        for name, own in gaps.items():
            own.append(found.oracle_gap(name))
    assert np.mean(gaps["synthetic"]) < 0.03
    assert np.mean(gaps["synthetic"]) < np.mean(gaps["good"]) < np.mean(gaps["perlin"])


def test_a_rule_that_abstains_leaves_its_place_to_good_images():
    found = calibrate(drawn(gap=0))
    assert found.chosen is found.rules["good"]
    assert found.chosen.threshold > drawn(gap=0).good.max()
    assert "abstains" in found.lines()[1]
    assert any(note.startswith("the synthetic rule abstains: synthetic defects do not") for note in found.notes)


def test_no_rule_but_the_oracle_sees_a_test_label():
    scores = drawn(3)
    turned = replace(scores, labels=~scores.labels, test=-scores.test)
    for name in ("synthetic", "perlin", "good"):
        assert calibrate(scores).rules[name].threshold == calibrate(turned).rules[name].threshold


def test_the_number_of_synthetic_defects_does_not_move_the_threshold():
    scores = drawn(4)
    many = replace(scores, synthetic=np.tile(scores.synthetic, 20))
    assert calibrate(many).rules["synthetic"].threshold == calibrate(scores).rules["synthetic"].threshold


def test_without_perlin_and_shots_it_says_what_was_not_measured():
    found = calibrate(replace(drawn(), perlin=None, shots=None))
    assert list(found.rules) == ["synthetic", "good", "oracle"]
    assert any("no real shots were given" in note for note in found.notes)
    assert any("60 good scores are too few for 99.5 %" in note for note in found.notes)


@pytest.mark.parametrize("only", [True, False])
def test_test_images_of_one_class_give_nan_and_a_note_and_no_warning(only, recwarn):
    scores = drawn()
    found = calibrate(replace(scores, labels=np.full(120, only)))
    undefined = {name for name, value in found.rules["good"].figures.items() if math.isnan(value)}
    assert undefined == ({"specificity"} if only else {"recall", "f1"})
    assert any("the test images have no" in note for note in found.notes)
    assert not recwarn.list
    assert '"oracle_gap"' in json_text(found.to_json())
    assert as_markdown([found]).count("\n| ") == 6


def test_the_page_shows_every_rule_and_no_name_breaks_it():
    text = as_markdown([calibrate(drawn(), "rad|x", "<b>tire"), calibrate(drawn(gap=0), "musc", "tire")])
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 1 + 2 * 5
    assert r"| rad\|x | \<b\>tire | **good + synthetic** |" in rows[1]
    assert rows[1].endswith("| use |")
    assert rows[2].endswith("| abstains |")
    assert "the shuffled control abstains in 20 of 20" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"good": np.array([])}, "good scores have shape"),
        ({"synthetic": np.zeros((3, 2))}, r"synthetic scores have shape \(3, 2\)"),
        ({"shots": np.array([np.nan, 1.0])}, "1 of 2 shots scores are no numbers"),
        ({"labels": np.zeros(120)}, "labels are float64"),
        ({"labels": np.zeros(7, bool)}, "one of 120 test scores"),
    ],
)
def test_what_is_no_score_of_an_image_is_an_error(change, message):
    with pytest.raises(EvalError, match=message):
        replace(drawn(), **change)
