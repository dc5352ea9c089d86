"""The loop: every training resumes from any checkpoint with the same bits, and knows where its time went."""

import time

import pytest
import torch

from synth.errors import GeneratorError
from synth.training.checkpoint import Checkpoints, optimizer_state, restore_optimizer
from synth.training.log import Log
from synth.training.loop import EverySeconds, every, run_steps


class Walk:
    """One parameter under AdamW, driven by its batches; logs each step."""

    def __init__(self, folder, wait=0.0):
        self.parameter = torch.nn.Parameter(torch.ones(3, 5))
        self.optimizer = torch.optim.AdamW([self.parameter], lr=0.1, fused=True)
        self.log, self.wait, self.steps = Log(folder / "log.jsonl"), wait, []
        self.log.restore("")

    def batches(self, first, stop):
        for number in range(first, stop):
            time.sleep(self.wait)
            yield torch.randn(3, 5, generator=torch.Generator().manual_seed(number))

    def step(self, step, batch):
        self.steps.append(step)
        self.parameter.grad = batch + self.parameter.detach()
        self.optimizer.step()
        self.log.write({"step": step})

    def state(self):
        names = {self.parameter: "a"}
        tensors = {"parameter/a": self.parameter, **optimizer_state(self.optimizer, names)}
        return tensors, {"log": self.log.text}

    def restore(self, tensors, notes):
        with torch.no_grad():
            self.parameter.copy_(tensors["parameter/a"])
        restore_optimizer(self.optimizer, {self.parameter: "a"}, tensors)
        self.log.restore(notes["log"])


def run(folder, stop_at=None, steps=7, mark="mark", **more):
    folder.mkdir(exist_ok=True)
    walk = Walk(folder, **more)

    def progress(_name, done, _total):
        if done == stop_at:
            raise KeyboardInterrupt

    checkpoints = Checkpoints(folder / "checkpoints", "walk", mark)
    spent = run_steps("walk", walk, walk.batches, steps, checkpoints, every(2, steps), progress)
    return walk, spent


@pytest.mark.parametrize("stop_at", range(1, 8))
def test_a_training_stopped_after_any_step_ends_with_the_same_bits_and_the_same_log(stop_at, tmp_path):
    whole, _ = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped", stop_at)
    resumed, _ = run(tmp_path / "stopped")
    assert resumed.steps == list(range(stop_at, 7))
    assert torch.equal(resumed.parameter, whole.parameter)
    assert resumed.log.text == whole.log.text == (tmp_path / "stopped/log.jsonl").read_text()


def test_a_finished_training_is_not_run_again_and_another_one_is_refused(tmp_path):
    whole, _ = run(tmp_path / "a")
    again, _ = run(tmp_path / "a")
    assert again.steps == []
    assert torch.equal(again.parameter, whole.parameter)
    with pytest.raises(GeneratorError, match="belongs to a training with another base"):
        run(tmp_path / "a", mark="other")


def test_time_spent_waiting_for_batches_is_reported_and_adds_up_over_interruptions(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "a", stop_at=4, wait=0.02)
    _, spent = run(tmp_path / "a", wait=0.02)
    assert 7 * 0.02 <= spent.waited <= spent.seconds
    assert spent.worked < spent.seconds


def test_a_checkpoint_is_due_after_so_many_steps_or_seconds_and_at_the_end(monkeypatch):
    assert [done for done in range(1, 8) if every(3, 7)(done)] == [3, 6, 7]
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    due = EverySeconds(lambda: 10.0, steps=7)
    seen = []
    for done in range(1, 8):
        now[0] += 4
        if due(done):
            seen.append(done)
    assert seen == [3, 6, 7]


def test_without_a_place_for_checkpoints_nothing_is_written(tmp_path):
    walk = Walk(tmp_path)
    run_steps("walk", walk, walk.batches, 3)
    assert walk.steps == [0, 1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


def test_an_optimiser_s_moments_come_back_laid_out_like_their_parameters():
    """Fused optimisers walk parameter and moments side by side in memory."""

    def moved(resume):
        weights = torch.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5).to(memory_format=torch.channels_last)
        parameter = torch.nn.Parameter(weights.clone(memory_format=torch.preserve_format))
        optimizer = torch.optim.AdamW([parameter], lr=0.1, fused=True)
        for step in range(4):
            if resume and step == 2:
                state = {k: v.contiguous().clone() for k, v in optimizer_state(optimizer, {parameter: "a"}).items()}
                optimizer = torch.optim.AdamW([parameter], lr=0.1, fused=True)
                restore_optimizer(optimizer, {parameter: "a"}, state)
            parameter.grad = torch.sin(parameter.detach() + step)
            optimizer.step()
        return parameter

    assert torch.equal(moved(resume=True), moved(resume=False))
