from itertools import pairwise

import pytest
import torch
from accelerate import Accelerator

from synth.errors import RunError
from synth.seas.updates import ParameterGroup, Stage, Training, run_stage


def _run(tmp_path, losses, model=None, lr=0.1, **stage):
    model = model or torch.nn.Linear(3, 1, bias=False)
    training = Training(tmp_path, "mark", seed=5, accelerator=Accelerator(mixed_precision="no"))
    training.checkpoint_folder.mkdir(exist_ok=True)
    groups = [ParameterGroup(dict(model.named_parameters()), lr)]
    run_stage(Stage(**{"name": "toy", "updates": 4, **stage}), groups, model, losses, training)
    return model


def _line(weight):
    model = torch.nn.Linear(3, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(weight)
    return model


def test_every_micro_batch_of_every_update_draws_from_a_stream_of_its_own(tmp_path):
    model, drawn = _line(0.0), []

    def losses(rng):
        drawn.append(torch.randint(2**40, (1,), generator=rng).item())
        return {"total": model.weight.square().sum()}

    for name in ("toy", "other"):
        _run(tmp_path, losses, model, accumulate=2, name=name)
    assert len(set(drawn)) == len(drawn) == 16


def test_an_update_follows_the_mean_of_its_micro_batches(tmp_path):
    slopes = iter([1.0, 3.0])
    model = _line(0.0)
    seen = []
    model.weight.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.clone()))
    _run(tmp_path, lambda _rng: {"total": next(slopes) * model.weight.sum()}, model, updates=1, accumulate=2)
    assert torch.allclose(seen[-1], torch.full((1, 3), 2.0))


def test_rates_grow_over_the_warm_up(tmp_path):
    """AdamW moves by its rate while the gradient is constant."""
    model, path = _line(1.0), []

    def losses(_rng):
        path.append(model.weight[0, 0].item())
        return {"total": 100 * model.weight.sum()}

    _run(tmp_path, losses, model, lr=1e-3, updates=6, warmup=3)
    steps = [(a - b) / 1e-3 for a, b in pairwise(path)]
    assert steps == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0], abs=0.03)


def test_the_average_lags_behind_the_weights_and_is_what_remains(tmp_path):
    last, averaged = _line(1.0), _line(1.0)
    for model, decay, folder in [(last, 0.0, "a"), (averaged, 0.9, "b")]:
        (tmp_path / folder).mkdir()
        _run(tmp_path / folder, lambda _rng, m=model: {"total": m.weight.sum()}, model, updates=20, ema_decay=decay)
    assert last.weight[0, 0] < averaged.weight[0, 0] < 1


def test_long_gradients_are_clipped(tmp_path):
    """The second moment of AdamW shows what the optimiser was given."""
    model, grads = _line(1.0), []
    model.weight.register_post_accumulate_grad_hook(lambda p: grads.append(p.grad))
    _run(tmp_path, lambda _rng: {"total": 50 * model.weight.sum()}, model, updates=1, grad_clip=1.0)
    assert grads[0].norm().item() == pytest.approx(1.0, rel=1e-4)


def test_a_loss_that_is_not_finite_names_its_update_and_moves_nothing(tmp_path):
    model, calls = _line(1.0), []

    def losses(_rng):
        calls.append(model.weight.detach().clone())
        return {"total": model.weight.sum() * (float("inf") if len(calls) == 3 else 1.0)}

    with pytest.raises(RunError, match=r"\(toy\) broke at update 3: total"):
        _run(tmp_path, losses, model)
    assert torch.equal(model.weight, calls[2])
