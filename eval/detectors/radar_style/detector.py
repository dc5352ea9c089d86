"""RADAR-style as a detector of images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from eval.detectors.config import BaseConfig
from eval.detectors.cost import device, multiplications
from eval.detectors.detector import Detector, Judged
from eval.detectors.encoding import Encoded
from eval.detectors.radar_style import tiles
from eval.detectors.radar_style.diffusion import STEPS
from eval.detectors.radar_style.evidence import Evidence, evidence
from eval.detectors.radar_style.forest import Forest, decisions, fit_forest
from eval.detectors.radar_style.learning import Course, Learning, signed
from eval.detectors.radar_style.network import SIZES, Size, new_predictor
from eval.detectors.smoothing import smoothed
from eval.detectors.training import descend, mark_of
from synth.errors import EvalError

_KEPT = 5
"""One of so many good images fits the forest and trains no predictor, where there are as many."""
_PASSED = 0.995
"""Share of the pixels of good images below the threshold of pixels."""


class RadarConfig(BaseConfig):
    """patch: side of patches and tiles, px. size: of the noise predictor. steps, batch, learning_rate (that of the size
    by default): of its training; last_step: the highest step of diffusion that it learns, fewer are learnt sooner.
    flips: for textures that look alike from all sides. step: the forward step at which images are looked at.
    noise: added then, the same for all images, or none. residual: look at the predicted noise less the added one.
    trees, contamination: of the forest on good tiles; contamination is the share of good tiles that it calls anomalous,
    never that of defects among the test images. sigma: of the smoothing, px of the resized image."""

    patch: int = Field(64, ge=16, multiple_of=8)
    size: Size = "tiny"
    steps: int = Field(1000, ge=1)
    batch: int = Field(16, ge=1)
    learning_rate: float | None = Field(None, gt=0)
    last_step: int = Field(STEPS, ge=1, le=STEPS)
    flips: bool = False
    step: int = Field(1, ge=1, le=STEPS)
    noise: Literal["fixed", "none"] = "fixed"
    residual: bool = False
    trees: int = Field(100, ge=1)
    contamination: Literal["auto"] | Annotated[float, Field(gt=0, le=0.5)] = "auto"
    sigma: float = Field(2.0, ge=0)


class RadarStyle(Detector):
    """A predictor of the noise of good patches, and a forest that knows what it says of good tiles. `parts`: how much
    of an image exceeds what 99.5 % of the pixels of good images stay below. After a fit `losses` (steps,) are those of
    its training."""

    name = "radar_style"
    Config = RadarConfig
    config: RadarConfig
    reconstructed = True

    def _learn(self, batches: Iterator[Encoded]) -> None:
        images = torch.cat([(255 * _pixels(encoded)).round().to(torch.uint8) for encoded in batches])
        self._check_size()
        kept = images[_KEPT - 1 :: _KEPT] if len(images) >= _KEPT else images
        learnt = images[torch.arange(len(images)) % _KEPT != _KEPT - 1]
        self._network = new_predictor(self.config.size, self.config.patch, self.config.seed)
        self._train(learnt)
        found = [self._evidence(image) for image in kept]
        features = torch.cat([one.features for one in found])
        self._forest = fit_forest(features, self.config.trees, self.config.contamination, self.config.seed)
        mapped = torch.cat([self._map(one).flatten() for one in found])
        self._highest = mapped.kthvalue(max(1, round(_PASSED * len(mapped)))).values

    def _judge(self, encoded: Encoded) -> Judged:
        found = [self._evidence((255 * image).round().to(torch.uint8)) for image in _pixels(encoded)]
        score = torch.stack([-decisions(self._forest, one.features).min() for one in found])
        maps = torch.stack([self._map(one) for one in found])
        return Judged(score, maps, {"flagged": (maps > self._highest).float().mean((1, 2))})

    @property
    def operations(self) -> float:
        """Of one call of the network on all tiles of an image."""
        tile = torch.zeros(1, 3, self.config.patch, self.config.patch, device=device())
        return len(self._corners) * multiplications(self._network, tile, torch.zeros(1, dtype=torch.long))

    def state(self) -> dict[str, Tensor]:
        weights = {f"network.{name}": value.cpu() for name, value in self._network.state_dict().items()}
        forest = {f"forest.{name}": value for name, value in self._forest.to_tensors().items()}
        return weights | forest | {"highest": self._highest}

    def restore(self, state: dict[str, Tensor]) -> None:
        config = self.config
        self._network = new_predictor(config.size, config.patch, config.seed).to(device()).eval()
        self._network.load_state_dict(_under("network.", state))
        self._forest = Forest(**_under("forest.", state))
        self._highest = state["highest"]

    def _train(self, images: Tensor) -> None:
        config = self.config
        rate = config.learning_rate or SIZES[config.size].rate
        course = Course(config.patch, config.batch, rate, 0.999, config.last_step, config.flips)
        mark = mark_of({"detector": self.name, **config.model_dump(mode="json")}, self._network, [images])
        learning = Learning(self._network, images, course, config.steps, config.seed)
        descend(learning.descent, config.steps, self.name, mark, self.folder, self.progress)
        learning.finish()
        self.losses = learning.losses

    @property
    def _corners(self) -> list[tiles.Corner]:
        return tiles.corners(self.encoder.size, self.config.patch)

    def _evidence(self, image: Tensor) -> Evidence:
        """Of an image uint8 (3, H, W), on its tiles, in one call of the network."""
        side, where, noise = self.config.patch, self._corners, None
        if self.config.noise == "fixed":
            rng = torch.Generator().manual_seed(self.config.seed)
            noise = tiles.cut(torch.randn(image.shape, generator=rng), where, side)
        seen = tiles.cut(signed(image), where, side)
        with torch.inference_mode():
            return evidence(self._predict, seen, noise, self.config.step, self.config.residual)

    def _predict(self, x: Tensor, steps: Tensor) -> Tensor:
        found: Tensor = self._network(x.to(device()), steps).cpu()
        return found

    def _map(self, found: Evidence) -> Tensor:
        whole = tiles.blended(found.edges, self._corners, self.encoder.size)
        return smoothed(whole[None], self.config.sigma)[0]

    def _check_size(self) -> None:
        if min(self.encoder.size) < self.config.patch:
            rows, columns = self.encoder.size
            raise EvalError(
                f"images are resized to {columns} x {rows} px, less than a patch of {self.config.patch}; raise side or "
                "lower patch"
            )


def _pixels(encoded: Encoded) -> Tensor:
    assert encoded.maps is not None
    return encoded.maps.levels[0]


def _under(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
