import pytest
import torch

from synth.errors import GeneratorError
from synth.training.checkpoint import Checkpoints, optimizer_state, read_state, restore_optimizer, write_state


def _state(value):
    return {"parameter/a": torch.full((3, 5), float(value)), "parameter/b": torch.tensor(value)}


def test_the_newest_two_are_kept_and_the_newest_is_read(tmp_path):
    checkpoints = Checkpoints(tmp_path, "denoiser", "mark")
    assert checkpoints.latest() is None
    for update in (90, 100, 1000):
        checkpoints.save(update, _state(update))
    assert len(list(tmp_path.iterdir())) == 2
    found = checkpoints.latest()
    assert found.step == 1000
    assert torch.equal(found.tensors["parameter/a"], _state(1000)["parameter/a"])


def _spoiled(content: bytes) -> dict[str, bytes]:
    """A file cut short, emptied, and with one bit flipped at every 7th byte of its header, and in a tensor."""
    places = [*range(0, len(content) - 8, 7), len(content) - 3]
    flipped = {f"bit {k}": content[:k] + bytes([content[k] ^ 4]) + content[k + 1 :] for k in places}
    return {"cut": content[:-7], "empty": b"", **flipped}


def test_a_damaged_file_is_reported_and_passed_over(tmp_path):
    reports = []
    checkpoints = Checkpoints(tmp_path, "denoiser", "mark", report=reports.append)
    for update in (100, 200):
        checkpoints.save(update, _state(update), {"log": f"{update} rows"})
    newest = max(tmp_path.iterdir())
    whole = newest.read_bytes()
    for how, content in _spoiled(whole).items():
        newest.write_bytes(content)
        found = checkpoints.latest()
        same = how.startswith("bit") and found.step == 200
        if same:  # a blank of the header that became another kind of nothing
            assert found.notes == {"log": "200 rows"}, how
            assert torch.equal(found.tensors["parameter/a"], _state(200)["parameter/a"]), how
        else:
            assert found.step == 100, how
            assert "denoiser-000200.safetensors is damaged" in reports[-1]
    assert len(reports) > 0.9 * len(_spoiled(whole))


def test_states_of_all_types_come_back_with_their_notes(tmp_path):
    tensors = {
        "whole": torch.arange(5),
        "half": torch.full((2, 3), 1.5, dtype=torch.bfloat16),
        "mask": torch.tensor([True, False]),
        "step": torch.tensor(7.0),
        "none": torch.empty(0, 4),
    }
    write_state(tmp_path / "a.safetensors", tensors, {"rows": [1, None], "text": "\u00e9"})
    found, notes = read_state(tmp_path / "a.safetensors")
    assert notes == {"rows": [1, None], "text": "\u00e9"}
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], value) and found[name].dtype == value.dtype for name, value in tensors.items())
    assert read_state(tmp_path / "absent.safetensors") is None


def test_a_state_of_other_settings_is_refused_by_name(tmp_path):
    Checkpoints(tmp_path, "denoiser", "mark").save(100, _state(100))
    with pytest.raises(GeneratorError, match=r"denoiser-000100.*other images or settings.*delete"):
        Checkpoints(tmp_path, "denoiser", "other").latest()


def test_stages_do_not_see_each_other(tmp_path):
    Checkpoints(tmp_path, "denoiser", "mark").save(100, _state(100))
    assert Checkpoints(tmp_path, "mask", "mark").latest() is None


def test_an_optimiser_continues_as_if_it_had_never_stopped():
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


def test_what_a_state_says_of_a_parameter_beside_its_optimiser_is_not_taken_for_the_optimisers():
    parameter = torch.nn.Parameter(torch.arange(3.0))
    optimizer = torch.optim.AdamW([parameter], lr=0.1)
    parameter.grad = torch.ones(3)
    optimizer.step()
    names = {parameter: "a"}
    state = {"network/a": torch.zeros(3), **optimizer_state(optimizer, names)}
    restore_optimizer(optimizer, names, state)
    assert sorted(optimizer_state(optimizer, names)) == ["exp_avg/a", "exp_avg_sq/a", "step/a"]
