"""The log of a long run without a terminal: where it is, at what time, in few lines."""

from __future__ import annotations

import re
import time
from types import SimpleNamespace

import pytest

from synth.cli import lines as module
from synth.cli.lines import Lines
from synth.progress import WHOLE


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets, and no thread that would look at it."""
    now = SimpleNamespace(seconds=100.0)
    stand_in = SimpleNamespace(monotonic=lambda: now.seconds, strftime=lambda _: "12:03:05")
    monkeypatch.setattr(module, "time", stand_in)
    monkeypatch.setattr(Lines, "_watch", lambda self: None)
    return now


def told(calls, clock=None, between: float = 0.0) -> list[str]:
    found: list[str] = []
    lines = Lines(found.append)
    for call in calls:
        lines(*call)
        if clock is not None:
            clock.seconds += between
    lines.end()
    return [line.removeprefix("12:03:05 ") for line in found]


def test_lines_carry_the_time_and_say_how_far_a_stage_is():
    found: list[str] = []
    lines = Lines(found.append)
    lines("drawing tile/crack", 10, 30)
    lines.end()
    assert re.fullmatch(r"\d\d:\d\d:\d\d drawing tile/crack: 10 of 30", found[0])


def test_a_long_stage_is_told_at_each_tenth(clock):
    found = told([("drawing", done, 200) for done in range(201)], clock, between=1)
    assert found == ["drawing: 0 of 200", *(f"drawing: {done} of 200" for done in range(20, 201, 20))]


def test_a_slow_stage_is_told_every_minute_and_a_quick_one_not_at_every_step(clock):
    assert len(told([("training", done, 10_000) for done in range(100)], clock, between=30)) == 50
    assert told([("training", done, 1000) for done in range(1001)], clock, between=0.001) == [
        "training: 0 of 1000",
        "training: 1000 of 1000",
    ]


def test_of_many_quick_stages_few_are_told(clock):
    calls = [(f"job {n}", done, 1) for n in range(200) for done in (0, 1)]
    pauses = 0.1 * len(calls) / module.LEAST_S
    assert pauses - 2 < len(told(calls, clock, between=0.1)) < 2 * pauses + 2


def test_messages_are_never_lost_and_unknown_totals_are_counted(clock):
    calls = [("reading", 1, 0), ("reading", 2, 0), ("3 damaged files, making them again", 1, 1), ("reading", 9, 0)]
    assert told([*calls, ("shots kept", 1, 1)], clock) == [
        "reading: 2",
        "3 damaged files, making them again",
        "reading: 9",
        "shots kept",
    ]


def test_what_waits_when_the_work_fails_is_not_told(clock):
    found: list[str] = []
    lines = Lines(found.append)
    lines("reading", 1, 0)
    lines.end(failed=True)
    assert found == []


def test_every_line_says_how_far_the_whole_is_where_that_is_known(clock):
    calls = [(WHOLE, 3, 20), ("rad on tile", 0, 1), ("rad on tile", 1, 1), (WHOLE, 20, 20), ("tables", 0, 2)]
    assert told(calls, clock) == ["[3 of 20] rad on tile", "[3 of 20] rad on tile: done", "tables: 0 of 2"]


def test_a_stage_that_reports_nothing_more_is_told_all_the_same(monkeypatch):
    monkeypatch.setattr(module, "LEAST_S", 0.1)
    found: list[str] = []
    lines = Lines(found.append)
    lines("drawing", 0, 3)
    lines("a long job", 0, 1)
    until = time.monotonic() + 10
    while len(found) < 2 and time.monotonic() < until:
        time.sleep(0.02)
    assert found[1].endswith(" a long job")
    lines.end()
    assert len(found) == 2
