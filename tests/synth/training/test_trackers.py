"""Trackers are told of losses and settings, by the process that trains alone, and change nothing."""

from __future__ import annotations

import os
import sys
import types

import pytest
import torch

from synth.errors import TrackerError
from synth.training import trackers as module
from synth.training.loop import run_steps
from synth.training.trackers import TRACKERS, flat, tracked, tracker_names, tracking
from tests.synth.training.test_loop import Walk


class Telling(Walk):
    def step(self, step, batch):
        super().step(step, batch)
        return {"loss": self.parameter.detach().square().mean(), "rate": 0.1}


@pytest.fixture
def told(monkeypatch):
    """What the stand-in of every tracker was told."""
    calls: list[tuple] = []

    class Stand:
        def __init__(self, run, **more):
            self.name = more.get("name", run)

        start = finish = lambda self: None

        def store_init_configuration(self, values):
            calls.append((self.name, "settings", values))

        def log(self, values, step):
            calls.append((self.name, step, values))

    import accelerate.tracking

    monkeypatch.setattr(accelerate.tracking, "LOGGER_TYPE_TO_CLASS", dict.fromkeys(TRACKERS, Stand))
    return calls


def train(folder, settings=None) -> Telling:
    folder.mkdir(exist_ok=True)
    walk = Telling(folder)
    with tracked("model/tile", settings or {"seed": 1, "mask": {"rates": [1, 2], "open": None}}) as one:
        run_steps("walk", walk, walk.batches, 4, tracked=one)
    return walk


@pytest.mark.parametrize("names", [["tensorboard"], ["wandb", "trackio"]])
def test_each_is_told_settings_once_and_losses_after_each_step_and_weights_stay_equal(names, told, tmp_path):
    plain = train(tmp_path / "a")
    assert told == []
    with tracking(names, tmp_path / "demo-tracker"):
        followed = train(tmp_path / "b")
    assert torch.equal(plain.parameter, followed.parameter)
    assert [call[1] for call in told] == ["settings"] * len(names) + [s for s in (1, 2, 3, 4) for _ in names]
    assert told[0][2] == {"seed": 1, "mask.rates": "[1, 2]", "mask.open": "None"}
    assert set(told[-1][2]) == {"walk/loss", "walk/rate"}
    assert told[0][0] == ("model/tile" if names == ["tensorboard"] else "demo-tracker/model/tile")
    train(tmp_path / "c")
    assert len(told) == 5 * len(names)


def test_processes_that_are_started_know_of_it_and_others_of_several_that_train_together_do_not_write(
    told, tmp_path, monkeypatch
):
    with tracking(["tensorboard"], tmp_path):
        assert module._ASKED in os.environ
        monkeypatch.setattr(module, "_is_main", lambda: False)
        train(tmp_path / "a")
    assert told == []
    assert module._ASKED not in os.environ


def test_tensorboard_s_files_hold_the_losses(tmp_path):
    pytest.importorskip("tensorboard")
    with tracking(["tensorboard"], tmp_path / "demo-tracker"):
        train(tmp_path / "a")
    files = sorted((tmp_path / "demo-tracker" / "model" / "tile").glob("events.out.*"))
    assert b"walk/loss" in files[0].read_bytes()


@pytest.mark.parametrize(
    ("given", "words"), [(["tensorbord"], "did you mean tensorboard?"), (["absent"], "pip install absent")]
)
def test_a_tracker_that_is_unknown_or_not_installed_is_refused_in_a_sentence(given, words, monkeypatch):
    monkeypatch.setattr(module, "TRACKERS", (*TRACKERS, "absent"))
    with pytest.raises(TrackerError, match=words.replace("?", r"\?")):
        tracker_names(given)


def test_a_folder_of_that_name_is_no_package(tmp_path, monkeypatch):
    (tmp_path / "absent").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(module, "TRACKERS", ("absent",))
    with pytest.raises(TrackerError, match="pip install absent"):
        tracker_names(["absent"])


def test_names_come_one_by_one_or_with_commas_and_once(monkeypatch):
    for name in TRACKERS:
        stand = types.ModuleType(name)
        stand.__spec__ = types.SimpleNamespace(origin=f"{name}.py")
        monkeypatch.setitem(sys.modules, name, stand)
    assert tracker_names(["wandb,tensorboard", " wandb ", ""]) == ("wandb", "tensorboard")
    assert tracker_names([]) == ()


def test_nested_settings_become_one_level_of_plain_values():
    assert flat({"a": {"b": {"c": 1}}, "d": True, "e": [1], "f": 0.5}) == {"a.b.c": 1, "d": True, "e": "[1]", "f": 0.5}
