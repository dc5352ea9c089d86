"""`Detector`: learn what good looks like, then score and map what does not; high = anomalous.

A method implements `_learn`, `_judge`, `state` and `restore`; everything around them is here and the same for all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from eval.detectors.config import BaseConfig
from eval.detectors.encoding import Encoded, Encoder, fitted_size
from eval.detectors.networks import image_network, point_network
from eval.detectors.stored import read_state, write_state
from synth.errors import EvalError
from synth.generators import Progress
from synth.sample import Sample
from synth.sources.listing import reopen

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True)
class Prediction:
    """score (n,) float64 and anomaly_map, n arrays float32 (H, W) at each image's own size, of unorganised clouds
    (1, N), a value a point: high = anomalous. parts: further figures of length n by name. Ids in the order of the
    samples."""

    ids: list[str]
    score: np.ndarray
    anomaly_map: list[np.ndarray]
    parts: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Judged:
    """What a method says of a batch: score (B,), maps (B, h, w) on any grid, smoothed as the method says, or B maps
    (h, w) of sizes of their own."""

    score: Tensor
    maps: Tensor | list[Tensor]
    parts: dict[str, Tensor] = field(default_factory=dict)


class Detector(ABC):
    """Made by `eval.detectors.create`. `transductive` ones score images by each other: see `fit_predict`;
    `learns_from_defects`: those that want samples of defects with true masks, synthetic ones, beside the good samples;
    `takes_clouds`: those that look at unorganised clouds where there is no organised one, whose points are then mapped
    as one row of pixels; `reconstructed`: those that follow a publication whose code and numbers cannot be read, whose
    names end in "_style"."""

    name: ClassVar[str]
    Config: ClassVar[type[BaseConfig]] = BaseConfig
    transductive: ClassVar[bool] = False
    learns_from_defects: ClassVar[bool] = False
    takes_clouds: ClassVar[bool] = False
    reconstructed: ClassVar[bool] = False

    def __init__(self, config: BaseConfig) -> None:
        self.config = config
        self.cache: Path | None = None  # a folder in which features are kept, for detectors that look at the same
        self.folder: Path | None = None  # a folder in which an interrupted training is kept and resumed from
        self.progress: Progress | None = None
        self._encoder: Encoder | None = None

    @property
    def modalities(self) -> frozenset[str]:
        """What is looked at, of "image" and "xyz"."""
        return getattr(self.config, "modalities", frozenset({"image"}))

    def fit(self, good: Sequence[Sample], defects: Sequence[Sample] = ()) -> Self:
        """Learn from good samples, and from defects where the method `learns_from_defects`; their order is without
        effect. EvalError for none, for a defective one among the good, or one that lacks a modality."""
        samples = list(good)
        if not samples:
            raise EvalError(f"{self.name} learns from good samples and was given none")
        bad = next((sample.id for sample in samples if sample.defect is not None), None)
        if bad is not None and not self.transductive:
            raise EvalError(f"{bad} is defective; {self.name} learns from good samples alone")
        samples.sort(key=lambda sample: sample.id)
        samples += self._labelled(defects)
        self._encoder = self._open(reopen(samples[0]))
        self._learn_from(samples)
        return self

    def predict(self, samples: Sequence[Sample]) -> Prediction:
        """Scores and maps, in the order of the samples; what one gets does not depend on the others. EvalError before
        `fit`."""
        found = [(encoded, self._judge(encoded)) for encoded in self.encoder.batches(samples)]
        return as_prediction(found)

    def fit_predict(self, samples: Sequence[Sample]) -> Prediction:
        """Score unlabelled samples by each other, where the method can."""
        raise EvalError(f"{self.name} learns from good samples: fit(good), then predict(samples)")

    def save(self, folder: str | Path) -> None:
        """Write what was learnt: detector.json and state.safetensors. WriterError for a folder with other files."""
        written = {"detector": self.name, "config": self.config.model_dump(mode="json")}
        encoder = self.encoder
        networks = [network.identity for network in (encoder.network, encoder.points) if network is not None]
        write_state(Path(folder), written | {"size": encoder.size, "networks": networks}, self.state())

    @classmethod
    def open(cls, folder: Path) -> Self:
        """What `save` wrote, with the networks opened anew; see `eval.detectors.load`."""
        written, tensors = read_state(folder)
        detector = cls(cls.Config.model_validate(written["config"]))
        network = detector._networks()
        found = [one.identity for one in network if one is not None]
        if found != written["networks"]:
            raise EvalError(f"{folder} was saved with other weights of its features than are here; fit again")
        detector._encoder = Encoder(*network, tuple(written["size"]), cls.takes_clouds)
        detector.restore(tensors)
        return detector

    @property
    def nbytes(self) -> int:
        """Bytes of what was learnt."""
        return sum(tensor.nbytes for tensor in self.state().values())

    @property
    @abstractmethod
    def operations(self) -> float:
        """Multiplications that compare one image with what was learnt, its features aside."""

    @property
    def encoder(self) -> Encoder:
        """The networks and the size at which they look. EvalError before `fit`."""
        if self._encoder is None:
            raise EvalError(f"{self.name} has learnt nothing yet; call fit(good_samples) first")
        return self._encoder

    def _learn_from(self, samples: Sequence[Sample]) -> None:
        """Take in the good samples, sorted by id: their features, unless a method needs them as they are too."""
        self._learn(self.encoder.batches(samples))

    @abstractmethod
    def _learn(self, batches: Iterator[Encoded]) -> None:
        """Take in the good samples, sorted by id, and after them the defects, alike."""

    @abstractmethod
    def _judge(self, encoded: Encoded) -> Judged:
        """Score a batch."""

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """What was learnt."""

    @abstractmethod
    def restore(self, state: dict[str, Tensor]) -> None:
        """Take back what `state` gave; the tensors are read from a file as they are needed."""

    def _labelled(self, defects: Sequence[Sample]) -> list[Sample]:
        found = sorted(defects, key=lambda sample: sample.id)
        if self.learns_from_defects and not found:
            raise EvalError(f"{self.name} learns from labelled defects: fit(good, defects), such as a run's samples")
        if found and not self.learns_from_defects:
            raise EvalError(f"{self.name} learns from good samples alone; leave the {len(found)} defects out")
        whole = next((sample.id for sample in found if sample.defect is None), None)
        if whole is not None:
            raise EvalError(f"{whole} is good; pass it with the good samples, not with the defects")
        return found

    def _networks(self) -> tuple[Any, Any]:
        """Those that the config names, else none: then pixels and points are looked at themselves."""
        image, points = None, None
        if "image" in self.modalities:
            levels = getattr(self.config, "levels", None)
            image = image_network(getattr(self.config, "features", "pixels"), levels, self.cache)
        if "xyz" in self.modalities:
            points = point_network(getattr(self.config, "points", "points"), self.cache)
        return image, points

    def _open(self, first: Sample) -> Encoder:
        image, points = self._networks()
        side = self.config.side or (224 if image is None else image.side)
        multiple = 8 if image is None else image.multiple
        return Encoder(image, points, fitted_size(first, side, multiple, self.config.square), self.takes_clouds)


def as_prediction(found: Sequence[tuple[Encoded, Judged]]) -> Prediction:
    """The batches as one prediction, every map at its image's own size. EvalError where a score is not finite."""
    ids = [one for encoded, _ in found for one in encoded.ids]
    score = torch.cat([judged.score for _, judged in found]).double().numpy() if found else np.empty(0)
    for name, value in zip(ids, score, strict=True):
        if not np.isfinite(value):
            raise EvalError(f"{name} gets the score {value}; its features are damaged")
    maps = [enlarged(judged.maps[row], size) for encoded, judged in found for row, size in enumerate(encoded.sizes)]
    names = found[0][1].parts if found else {}
    return Prediction(ids, score, maps, {name: _joined(found, name) for name in names})


def _joined(found: Sequence[tuple[Encoded, Judged]], name: str) -> np.ndarray:
    return torch.cat([judged.parts[name] for _, judged in found]).double().numpy()


def enlarged(patches: Tensor, size: tuple[int, int]) -> np.ndarray:
    """A map (h, w) at another size, bilinear, float32."""
    return F.interpolate(patches[None, None].float(), size, mode="bilinear", align_corners=False)[0, 0].numpy()
