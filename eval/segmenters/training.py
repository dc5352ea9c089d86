"""Training a segmenter for a fixed number of steps, with selection on validation images and resumption after a kill.

In the last quarter of the steps, when the rate has come down, the validation images are segmented every
`validate_every` steps; the weights and the threshold of the best mean IoU (over defect types, of the IoU of each of
their images) are kept. Earlier weights still change so much that five images, all that few shots can spare, would
choose by chance. Each step seeds its own randomness, so a resumed training ends like an uninterrupted one.

A folder holds `checkpoints/` while a training runs; `discard_checkpoints` removes them once its result is saved.
"""

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, SupportsFloat

import numpy as np
import torch
from torch import Tensor, nn

from eval.metrics.overlap import iou
from eval.segmenters.config import LiteUnetConfig, TrainingConfig
from eval.segmenters.feed import Batch, Feed, Pool
from eval.segmenters.losses import LOSSES
from eval.segmenters.tiles import blended
from synth.errors import EvalError
from synth.generators import Progress
from synth.sample import Sample
from synth.training.checkpoint import Checkpoints, Notes, State, optimizer_state, restore_optimizer
from synth.training.loop import every, run_steps
from synth.training.trackers import Tracked, tracked

CHECKPOINTS = "checkpoints"
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
class Best:
    """The best look at the validation images so far, and the weights it was made with."""

    step: int = 0
    threshold: float = 0.5
    score: float = -1.0
    weights: State | None = None


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
    pool, judged = (Pool(each, config.resolution, config.tile) for each in (samples, judges))
    training = _Training(network, config, judged, [str(sample.defect) for sample in judges])
    checkpoints = None
    if folder is not None:
        mark = _fingerprint(network, config, pool, judged, training.types)
        checkpoints = Checkpoints(folder / CHECKPOINTS, "training", mark, EvalError)
    feed = Feed(pool, config)
    with _tracked(network, config, folder) as told:
        spent = run_steps("training", training, feed.batches, config.steps, checkpoints, training.looks, progress, told)
    best = training.best
    if best.weights is None:
        raise EvalError("the loss broke, and no weights could be chosen: train again with a smaller learning_rate")
    network.load_state_dict(best.weights)
    waited, cores = spent.waited / spent.seconds, spent.worked / spent.seconds
    return Trained(best.step, best.threshold, best.score, spent.seconds, waited, cores)


def discard_checkpoints(folder: Path) -> None:
    """Remove what an interrupted training would resume from."""
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)


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


def predicted(network: nn.Module, images: Sequence[np.ndarray], side: int) -> list[np.ndarray]:
    """Probability of defect of images uint8 (H, W, 3), each at its own size, float32 (H, W): of those larger or smaller
    than (side, side) by tiles."""
    if all(image.shape[:2] == (side, side) for image in images):
        return list(probabilities(network, np.stack(images)))
    return [blended(partial(probabilities, network), image, side) for image in images]


def best_threshold(
    maps: Sequence[np.ndarray], masks: Sequence[np.ndarray], types: Sequence[str]
) -> tuple[float, float]:
    """(threshold, mean IoU over types) of the best of THRESHOLDS; N maps (H, W), masks (H, W) bool and types. Of
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


def rates(network: nn.Module, config: TrainingConfig) -> list[dict[str, Any]]:
    """Parameter groups with the `highest` rate of each: that of the config, less for an encoder that knows ImageNet."""
    encoder_rate = config.encoder_rate if isinstance(config, LiteUnetConfig) else 1.0
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            share = encoder_rate if name.startswith("encoder.") else 1.0
            groups.setdefault(share, []).append(parameter)
    return [{"params": own, "highest": share * config.learning_rate} for share, own in sorted(groups.items())]


class _Training:
    """A network's training as steps of `run_steps`; `looks(done)`: whether a checkpoint follows and, when the rate has
    come down, a look at the validation images."""

    def __init__(self, network: nn.Module, config: TrainingConfig, judged: Pool, types: list[str]) -> None:
        self._network, self._config, self._judged, self.types = network, config, judged, types
        self._optimiser = torch.optim.AdamW(rates(network, config), weight_decay=config.weight_decay)
        self._names = {parameter: name for name, parameter in network.named_parameters()}
        self.looks: Callable[[int], bool] = every(config.validate_every, config.steps)
        self.best = Best()

    def step(self, step: int, batch: Batch) -> dict[str, SupportsFloat]:
        config = self._config
        told: dict[str, SupportsFloat] = {"loss": self._descend(step, *batch)}
        if self.looks(step + 1) and step + 1 >= _SETTLED * config.steps:
            maps = predicted(self._network, self._judged.images, config.resolution)
            threshold, score = best_threshold(maps, self._judged.masks, self.types)
            if score > self.best.score:
                weights = {key: value.detach().cpu().clone() for key, value in self._network.state_dict().items()}
                self.best = Best(step + 1, threshold, score, weights)
            told["validation_iou"] = score
        return told

    def state(self) -> tuple[State, Notes]:
        tensors = {f"now/{key}": value for key, value in self._network.state_dict().items()}
        tensors |= {f"best/{key}": value for key, value in (self.best.weights or {}).items()}
        best = {"step": self.best.step, "threshold": self.best.threshold, "score": self.best.score}
        return tensors | optimizer_state(self._optimiser, self._names), {"best": best}

    def restore(self, tensors: State, notes: Notes) -> None:
        groups: dict[str, State] = {"now": {}, "best": {}}
        for key, value in tensors.items():
            group, _, name = key.partition("/")
            groups.get(group, {})[name] = value
        self._network.load_state_dict(groups["now"])
        restore_optimizer(self._optimiser, self._names, tensors)
        self.best = Best(**notes["best"], weights=groups["best"] or None)

    def _descend(self, step: int, images: np.ndarray, masks: np.ndarray) -> Tensor:
        network, config = self._network, self._config
        network.train()
        for group in self._optimiser.param_groups:
            group["lr"] = group["highest"] * rate(step, config.steps)
        pixels = _pixels(images, next(network.parameters()).device)
        targets = torch.from_numpy(masks)[:, None].to(pixels)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(np.random.SeedSequence((config.seed, step)).generate_state(1)[0]))
            main, *auxiliary = (LOSSES[config.loss](logits, targets).mean() for logits in network(pixels))
        loss = main + _AUXILIARY * torch.stack(auxiliary).mean() if auxiliary else main
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), _CLIP)
        self._optimiser.step()
        return loss.detach()


def _tracked(network: nn.Module, config: TrainingConfig, folder: Path | None) -> AbstractContextManager[Tracked | None]:
    """Nobody is told of a training that is not kept."""
    if folder is None:
        return nullcontext()
    settings = {"network": type(network).__name__, **config.model_dump(mode="json")}
    return tracked("/".join(folder.parts[-3:]), settings)


def _fingerprint(network: nn.Module, config: TrainingConfig, pool: Pool, judged: Pool, types: Sequence[str]) -> str:
    """A hash of all that the trained weights depend on."""
    groups = pool.groups
    rows = [[own.tolist() for own in kind] for kind in ([groups.good_images], groups.real, groups.synthetic)]
    text = f"{type(network).__name__} {config.model_dump_json()} {types} {rows}"
    digest = hashlib.sha256(text.encode())
    for value in network.state_dict().values():
        digest.update(value.detach().float().cpu().contiguous().numpy())
    for images in (pool, judged):
        for array in (*images.images, *images.masks):
            digest.update(repr(array.shape).encode())
            digest.update(array.tobytes())
    return digest.hexdigest()


def _pixels(images: np.ndarray, device: torch.device) -> Tensor:
    """uint8 (B, r, r, 3) -> float32 (B, 3, r, r), each image with zero mean and unit deviation: how long it was
    exposed says nothing about its defects. Images without contrast keep their few grey levels small."""
    pixels = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float()
    deviation, mean = torch.std_mean(pixels, (1, 2, 3), keepdim=True)
    return (pixels - mean) / deviation.clamp(min=_LEAST_DEVIATION)
