"""Training a segmenter for a fixed number of steps, with selection on validation images and resumption after a kill.

In the last quarter of the steps, when the rate has come down, the validation images are segmented every
`validate_every` steps; the weights and the threshold of the best mean IoU (over defect types, of the IoU of each of
their images) are kept. Earlier weights still change so much that five images, all that few shots can spare, would
choose by chance. Each step seeds its own randomness, so a resumed training ends like an uninterrupted one.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from eval.metrics.overlap import iou
from eval.segmenters.config import TrainingConfig
from eval.segmenters.feed import Feed, Pool
from eval.segmenters.losses import LOSSES
from synth.errors import EvalError
from synth.io.atomic import replacing
from synth.sample import Sample

Progress = Callable[[str, int, int], None]
THRESHOLDS = (0.02, 0.05, *(round(0.1 * tenth, 1) for tenth in range(1, 10)))
_AUXILIARY = 0.4
_WARMUP = 0.05
_LAST = 0.01
_SETTLED = 0.75
_CLIP = 5.0
_LEAST_DEVIATION = 4.0
_PREDICTED_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Trained:
    """What training came to: the step that was kept, its threshold and validation IoU; seconds in all, share of them
    spent waiting for images, and CPU cores in use on average."""

    step: int
    threshold: float
    validation_iou: float
    seconds: float
    data_wait: float
    cores: float

    def to_json(self) -> dict[str, float]:
        return asdict(self)


@dataclass
class State:
    """Where training stands: steps taken, the best look so far and the weights it was made with."""

    step: int = 0
    best_step: int = 0
    threshold: float = 0.5
    best: float = -1.0
    weights: dict[str, Tensor] | None = None
    seconds: float = 0.0
    waited: float = 0.0
    worked: float = 0.0


def new_network(build: Callable[[Any], nn.Module], config: TrainingConfig) -> nn.Module:
    """A network with weights from the config's seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return build(config)


def train(
    network: nn.Module,
    config: TrainingConfig,
    samples: Sequence[Sample],
    validation: Sequence[Sample],
    folder: Path | None,
    progress: Progress | None,
) -> Trained:
    """Train the network in place, leave the best weights in it. EvalError without a defect to validate on."""
    judges = [sample for sample in validation if sample.mask is not None and sample.mask.any()]
    if not judges:
        raise EvalError("no validation image shows a defect; keep at least one of each type back")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.to(device)
    judged = Pool(judges, config.resolution)
    types = [str(sample.defect) for sample in judges]
    feed = Feed(Pool(samples, config.resolution), config.batch, config.seed)
    optimiser = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    state = _resume(folder, network, optimiser) or State()
    began, cpu = time.perf_counter() - state.seconds, time.process_time() - state.worked
    waited = state.waited
    for images, masks in feed.batches(state.step, config.steps):
        _step(network, optimiser, config, state.step, _pixels(images, device), masks)
        state.step += 1
        if state.step % config.validate_every == 0 or state.step == config.steps:
            if state.step >= _SETTLED * config.steps:
                _look(network, state, judged, types)
            state.seconds, state.worked = time.perf_counter() - began, time.process_time() - cpu
            state.waited = waited + feed.waited
            _keep(folder, network, optimiser, state)
        if progress is not None:
            progress("training", state.step, config.steps)
    assert state.weights is not None
    network.load_state_dict(state.weights)
    return Trained(
        state.best_step,
        state.threshold,
        state.best,
        state.seconds,
        state.waited / state.seconds,
        state.worked / state.seconds,
    )


def probabilities(network: nn.Module, images: np.ndarray) -> np.ndarray:
    """Probability of defect: images uint8 (N, r, r, 3) -> float32 (N, r, r)."""
    network.eval()
    device = next(network.parameters()).device
    maps = []
    with torch.inference_mode():
        for start in range(0, len(images), _PREDICTED_AT_ONCE):
            logits = network(_pixels(images[start : start + _PREDICTED_AT_ONCE], device))[0]
            maps.append(torch.sigmoid(logits)[:, 0].float().cpu().numpy())
    return np.concatenate(maps)


def best_threshold(maps: np.ndarray, masks: np.ndarray, types: Sequence[str]) -> tuple[float, float]:
    """(threshold, mean IoU over types) of the best of THRESHOLDS; maps (N, r, r), masks (N, r, r) bool, N types. Of
    equally good ones the middle one, which is the least likely to be there by chance."""
    scores = []
    for threshold in THRESHOLDS:
        values = np.array([iou(found >= threshold, mask) for found, mask in zip(maps, masks, strict=True)])
        by_type = [values[[own == kind for own in types]].mean() for kind in sorted(set(types))]
        scores.append(float(np.mean(by_type)))
    best = [index for index, score in enumerate(scores) if score >= max(scores) - 1e-9]
    middle = best[len(best) // 2]
    return THRESHOLDS[middle], scores[middle]


def rate(step: int, steps: int) -> float:
    """The learning rate at a step as a share of the highest: a line up over the first twentieth, then half a cosine
    down to a hundredth."""
    warm = max(1, int(_WARMUP * steps))
    if step < warm:
        return (step + 1) / warm
    done = (step - warm) / max(1, steps - warm)
    return _LAST + (1 - _LAST) * (1 + math.cos(math.pi * done)) / 2


def _step(
    network: nn.Module, optimiser: torch.optim.Optimizer, config: TrainingConfig, step: int, images: Tensor, masks: Any
) -> None:
    network.train()
    for group in optimiser.param_groups:
        group["lr"] = config.learning_rate * rate(step, config.steps)
    targets = torch.from_numpy(masks)[:, None].to(images)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(np.random.SeedSequence((config.seed, step)).generate_state(1)[0]))
        main, *auxiliary = (LOSSES[config.loss](logits, targets).mean() for logits in network(images))
    loss = main + _AUXILIARY * torch.stack(auxiliary).mean() if auxiliary else main
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), _CLIP)
    optimiser.step()


def _look(network: nn.Module, state: State, judged: Pool, types: Sequence[str]) -> None:
    threshold, score = best_threshold(probabilities(network, judged.images), judged.masks, types)
    if score > state.best:
        state.best, state.best_step, state.threshold = score, state.step, threshold
        state.weights = {key: value.detach().cpu().clone() for key, value in network.state_dict().items()}


def _pixels(images: np.ndarray, device: torch.device) -> Tensor:
    """uint8 (B, r, r, 3) -> float32 (B, 3, r, r), each image with zero mean and unit deviation: how long it was
    exposed says nothing about its defects. Images without contrast keep their few grey levels small."""
    pixels = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float()
    deviation, mean = torch.std_mean(pixels, (1, 2, 3), keepdim=True)
    return (pixels - mean) / deviation.clamp(min=_LEAST_DEVIATION)


def _keep(folder: Path | None, network: nn.Module, optimiser: torch.optim.Optimizer, state: State) -> None:
    """One file holds all of it, so that a kill leaves the last checkpoint or the one before, never a mixture."""
    if folder is None:
        return
    tensors = {f"now/{key}": value for key, value in network.state_dict().items()}
    tensors |= {f"best/{key}": value for key, value in (state.weights or {}).items()}
    for index, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser/{index}/{key}": value for key, value in moments.items()}
    numbers = {key: value for key, value in vars(state).items() if key != "weights"}
    with replacing(folder / "checkpoint.safetensors") as temporary:
        kept = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
        save_file(kept, temporary, metadata={"state": json.dumps(numbers)})


def _resume(folder: Path | None, network: nn.Module, optimiser: torch.optim.Optimizer) -> State | None:
    if folder is None or not (folder / "checkpoint.safetensors").is_file():
        return None
    from safetensors import safe_open

    path = folder / "checkpoint.safetensors"
    with safe_open(path, "pt") as file:
        state = State(**json.loads(file.metadata()["state"]))
    groups: dict[str, dict[str, Tensor]] = {"now": {}, "best": {}, "optimiser": {}}
    for key, value in load_file(path).items():
        group, _, name = key.partition("/")
        groups[group][name] = value
    network.load_state_dict(groups["now"])
    state.weights = groups["best"] or None
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in groups["optimiser"].items():
        index, _, key = name.partition("/")
        moments.setdefault(int(index), {})[key] = value
    optimiser.load_state_dict({"state": moments, "param_groups": optimiser.state_dict()["param_groups"]})
    return state
