"""`Segmenter`: learns from labelled samples and says where an image is defective."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from eval.segmenters.config import TrainingConfig
from eval.segmenters.registry import SEGMENTERS, configure
from eval.segmenters.resizing import resize
from eval.segmenters.start import begin
from eval.segmenters.training import Trained, discard_checkpoints, new_network, predicted, train
from synth.errors import EvalError
from synth.generators import Progress
from synth.io.atomic import replacing
from synth.io.json_text import json_text
from synth.sample import Sample
from synth.training.checkpoint import read_state, write_state

_WEIGHTS = "segmenter.safetensors"
_SETTINGS = "segmenter.json"


class Segmenter:
    """A named network, its config and, once trained, its weights and threshold. It starts from `weights`, or else from
    those that its config asks for; EvalError where they are not installed."""

    def __init__(self, name: str, config: TrainingConfig, weights: Mapping[str, Tensor] | None = None) -> None:
        self.name, self.config = name, config
        self._network = new_network(SEGMENTERS[name][1], config)
        if weights is None:
            begin(self._network, name, config)
        else:
            self._network.load_state_dict(weights)
        self._trained: Trained | None = None

    @property
    def trained(self) -> Trained:
        """What training came to. EvalError before it."""
        return self._known()

    def fit(
        self,
        samples: Sequence[Sample],
        validation: Sequence[Sample],
        folder: Path | None = None,
        progress: Progress | None = None,
    ) -> Trained:
        """Train on samples; weights and threshold are those that do best on the validation samples, which must hold
        defects and share no image with the rest. With a folder, an interrupted call is resumed."""
        self._trained = train(self._network, self.config, samples, validation, folder, progress)
        return self._trained

    def predict(self, samples: Sequence[Sample]) -> list[np.ndarray]:
        """Probability of defect of every pixel, one float32 (H, W) a sample, at the image's own size."""
        self._known()
        side = self.config.resolution
        images = [resize(sample, side, self.config.tile)[0] for sample in samples]
        maps = predicted(self._network, images, side)
        return [_enlarged(found, sample) for found, sample in zip(maps, samples, strict=True)]

    def weights(self) -> dict[str, Tensor]:
        """The network's weights by name."""
        return {key: value.detach().cpu() for key, value in self._network.state_dict().items()}

    def save(self, folder: str | Path) -> None:
        """Weights with name, config and what training came to, in one file with a sha256; and all but the weights once
        more as JSON for people, written last. Checkpoints in `folder` go."""
        folder = Path(folder)
        settings: dict[str, Any] = {"name": self.name, "config": self.config.model_dump(mode="json")}
        settings["trained"] = self.trained.to_json()
        write_state(folder / _WEIGHTS, self.weights(), settings)
        with replacing(folder / _SETTINGS) as temporary:
            temporary.write_text(json_text(settings, indent=1), encoding="utf-8")
        discard_checkpoints(folder)

    def _known(self) -> Trained:
        if self._trained is None:
            raise EvalError(f"{self.name} is not trained yet: call fit, or load a folder that save wrote")
        return self._trained

    @classmethod
    def load(cls, folder: str | Path) -> Segmenter:
        """What `save` wrote. EvalError where it is not there or damaged."""
        path = Path(folder) / _WEIGHTS
        found = read_state(path)
        if found is None:
            raise EvalError(
                f"{folder} holds no segmenter: {path.name} is missing or damaged; delete the folder and run again, or "
                "name a folder that save wrote"
            )
        try:
            weights, settings = found
            segmenter = cls(settings["name"], configure(settings["name"], **settings["config"]), weights)
            segmenter._trained = Trained(**settings["trained"])
        except (KeyError, TypeError, RuntimeError) as problem:
            raise EvalError(f"{path} was made by another version ({problem}); train it again") from problem
        return segmenter


def _enlarged(found: np.ndarray, sample: Sample) -> np.ndarray:
    assert sample.image is not None
    size = sample.image.shape[1::-1]
    return np.asarray(Image.fromarray(found).resize(size, Image.Resampling.BILINEAR))


def count_parameters(name: str, **params: Any) -> int:
    """Parameters of a segmenter's network."""
    with torch.device("meta"):
        network = SEGMENTERS[name][1](configure(name, **params))
    return sum(parameter.numel() for parameter in network.parameters())
