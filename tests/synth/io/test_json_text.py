"""JSON that every reader takes."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest

from synth.io.json_text import json_text
from synth.pipeline.stored import StoredSample

ROOT = Path(__file__).parent.parent.parent.parent


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_null(number):
    content = {"a": [number, (1.5, {"b": number})], "c": "NaN", "d": None, "e": True}
    assert json.loads(json_text(content)) == {"a": [None, [1.5, {"b": None}]], "c": "NaN", "d": None, "e": True}


def test_other_content_is_what_json_makes_of_it():
    content = {"a": [1, 2.5, "ü"], "b": (None, False)}
    for options in ({}, {"indent": 1}, {"ensure_ascii": False, "sort_keys": True}):
        assert json_text(content, **options) == json.dumps(content, **options)


def test_a_score_that_is_not_a_number_is_kept_as_such():
    sample = StoredSample("a", "accepted", "lid", "bent", scores={"change": math.nan, "area": 0.5})
    again = StoredSample.from_json(json.loads(json_text(sample.to_json())))
    assert math.isnan(again.scores["change"])
    assert again.scores["area"] == 0.5


def test_whatever_is_written_for_programs_goes_through_it():
    fine = {"synth/io/json_text.py", "synth/recipe/__init__.py", "synth/recipe/starter.py", "synth/seas/finetune.py"}
    fine |= {
        "synth/seas/pretraining/training.py",
        "synth/pipeline/runs.py",
        "eval/study/plan.py",
    }  # hashes, or values of a checked schema
    found = {
        file.relative_to(ROOT).as_posix()
        for room in ("synth", "eval")
        for file in (ROOT / room).rglob("*.py")
        if re.search(r"json\.dumps\(", file.read_text(encoding="utf-8"))
    }
    assert found <= fine
