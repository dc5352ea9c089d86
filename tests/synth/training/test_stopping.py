"""A training that is asked to stop saves first: what resumes it does no step twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
import torch

from synth.training.checkpoint import Checkpoints
from synth.training.loop import every, run_steps
from synth.training.stopping import SIGNALS, between_steps, saving, stop_workers, workers_first
from tests.synth.training.test_loop import Walk

STEPS = 9
SLOW = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background has it ignored
from pathlib import Path
sys.path.insert(0, {root!r})
import typer
from synth.cli.verbs import Verbs
from synth.training.checkpoint import Checkpoints
from synth.training.loop import run_steps
from tests.synth.training.test_loop import Walk
place = Path({place!r})
class Slow(Walk):
    def step(self, step, batch):
        print("step", step, flush=True)
        time.sleep(0.3)
        super().step(step, batch)
app = typer.Typer(cls=Verbs)
@app.callback()
def about(): pass
@app.command()
def train():
    walk = Slow(place)
    run_steps("walk", walk, walk.batches, 9, Checkpoints(place / "checkpoints", "walk", "mark"))
app(["train"], prog_name="flawsmith")
"""


class Struck(Walk):
    """A walk in whose step number `at` the process is asked to stop."""

    at, number = 4, signal.SIGINT

    def step(self, step, batch):
        if step == self.at:
            os.kill(os.getpid(), self.number)
            time.sleep(0.01)
        super().step(step, batch)


def run(walk, folder):
    run_steps("walk", walk, walk.batches, STEPS, Checkpoints(folder / "checkpoints", "walk", "mark"), every(100, STEPS))
    return walk


@pytest.fixture
def ending_signals():
    """Every signal that ends a process raises KeyboardInterrupt, as in the command."""

    def stop(number, frame):
        raise KeyboardInterrupt(number)

    before = {number: signal.signal(number, stop) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_within_a_step_is_heeded_after_it_and_nothing_is_done_twice(number, tmp_path, ending_signals):
    whole = run(Walk(tmp_path), tmp_path / "whole")
    struck = Struck(tmp_path)
    struck.number = number
    with pytest.raises(KeyboardInterrupt):
        run(struck, tmp_path / "struck")
    assert struck.steps == [0, 1, 2, 3, 4]
    assert not saving()
    resumed = run(Walk(tmp_path), tmp_path / "struck")
    assert resumed.steps == [5, 6, 7, 8]
    assert torch.equal(resumed.parameter, whole.parameter)


def test_without_checkpoints_a_signal_is_heeded_at_once(tmp_path, ending_signals):
    struck = Struck(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run_steps("walk", struck, struck.batches, STEPS)
    assert struck.steps == [0, 1, 2, 3]


def test_one_that_does_not_save_of_several_processes_writes_no_checkpoint(tmp_path, ending_signals):
    struck, kept = Struck(tmp_path), Checkpoints(tmp_path / "checkpoints", "walk", "mark", writes=False)
    with pytest.raises(KeyboardInterrupt):
        run_steps("walk", struck, struck.batches, STEPS, kept, every(2, STEPS))
    assert not (tmp_path / "checkpoints").exists()


def test_ignored_signals_stay_ignored_and_threads_hear_of_none(ending_signals):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with between_steps() as stopping:
        os.kill(os.getpid(), signal.SIGINT)
    assert stopping.signal is None
    heard = []

    def elsewhere():
        with between_steps() as stopping:
            heard.append(stopping.signal)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert heard == [None]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_command_saves_what_it_trains_before_it_ends(number, code, tmp_path):
    source = SLOW.format(root=os.getcwd(), place=str(tmp_path))  # noqa: PTH109
    process = subprocess.Popen(
        [sys.executable, "-c", source], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    while process.stdout.readline() != "step 2\n":
        assert process.poll() is None, process.stderr.read()
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert process.returncode == code, told
    assert told.endswith("interrupted: the same command resumes where this one stopped\n")
    found = Checkpoints(tmp_path / "checkpoints", "walk", "mark").latest()
    assert found is not None
    assert found.step == 3


def test_workers_are_stopped_before_the_signal_does_what_it_did_before_and_a_second_one_is_as_ignored(monkeypatch):
    done = []

    def ended(number, frame):
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        done.append("ended")
        raise KeyboardInterrupt

    before = {number: signal.signal(number, ended) for number in SIGNALS}
    worker = SimpleNamespace(
        is_alive=lambda: True, terminate=lambda: done.append("asked"), join=lambda _: done.append(saving())
    )

    def struck():
        with workers_first(lambda: [worker]):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)

    try:
        with pytest.raises(KeyboardInterrupt):
            struck()
        assert done == ["asked", True, "ended"]
        assert {signal.getsignal(number) for number in SIGNALS} == {signal.SIG_IGN}
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_worker_processes_save_before_they_end_and_others_end_at_once(tmp_path):
    from multiprocessing import get_context

    context = get_context("spawn")
    begun = context.Event()
    worker = context.Process(target=_train, args=(tmp_path, begun))
    worker.start()
    assert begun.wait(300)
    stop_workers([worker])
    assert worker.exitcode == -signal.SIGTERM
    found = Checkpoints(tmp_path / "checkpoints", "walk", "mark").latest()
    assert found is not None
    assert found.step >= 1


def _train(folder, begun):
    class Slow(Walk):
        def step(self, step, batch):
            super().step(step, batch)
            begun.set()
            time.sleep(0.1)

    walk = Slow(folder)
    run_steps("walk", walk, walk.batches, 10_000, Checkpoints(folder / "checkpoints", "walk", "mark"))
