import pytest
import torch

from synth.errors import GeneratorError
from synth.seas.checkpoint import Checkpoints, optimizer_state, restore_optimizer


def _state(value):
    return {"parameter/a": torch.full((3, 5), float(value)), "parameter/b": torch.tensor(value)}


def test_the_newest_two_are_kept_and_the_newest_is_read(tmp_path):
    checkpoints = Checkpoints(tmp_path, "denoiser", "mark")
    assert checkpoints.latest() is None
    for update in (90, 100, 1000):
        checkpoints.save(update, _state(update))
    assert len(list(tmp_path.iterdir())) == 2
    update, state = checkpoints.latest()
    assert update == 1000
    assert torch.equal(state["parameter/a"], _state(1000)["parameter/a"])


def test_a_torn_file_is_passed_over(tmp_path):
    checkpoints = Checkpoints(tmp_path, "denoiser", "mark")
    for update in (100, 200):
        checkpoints.save(update, _state(update))
    newest = max(tmp_path.iterdir())
    newest.write_bytes(newest.read_bytes()[:-7])
    assert checkpoints.latest()[0] == 100


def test_a_state_of_other_settings_is_refused_by_name(tmp_path):
    Checkpoints(tmp_path, "denoiser", "mark").save(100, _state(100))
    with pytest.raises(GeneratorError, match=r"denoiser-000100.*other images or settings.*delete"):
        Checkpoints(tmp_path, "denoiser", "other").latest()


def test_stages_do_not_see_each_other(tmp_path):
    Checkpoints(tmp_path, "denoiser", "mark").save(100, _state(100))
    assert Checkpoints(tmp_path, "mask", "mark").latest() is None


def test_an_optimiser_goes_on_as_if_it_had_never_stopped():
    def step(optimizer, parameter, update):
        parameter.grad = torch.cos(parameter.detach() + update)
        optimizer.step()

    through = torch.nn.Parameter(torch.arange(5.0))
    optimizer = torch.optim.AdamW([through], lr=0.1, fused=True)
    for update in range(3):
        step(optimizer, through, update)
    resumed = torch.nn.Parameter(through.detach().clone())
    another = torch.optim.AdamW([resumed], lr=0.1, fused=True)
    kept = {key: value.clone() for key, value in optimizer_state(optimizer, {through: "unet.a"}).items()}
    restore_optimizer(another, {resumed: "unet.a"}, kept)
    step(optimizer, through, 3)
    step(another, resumed, 3)
    assert torch.equal(through, resumed)
