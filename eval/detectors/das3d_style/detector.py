"""DAS3D-style as a detector of RGB-D scans."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import torch
from pydantic import Field, field_validator
from torch import Tensor
from torch.nn import functional as F

from eval.detectors.config import BaseConfig
from eval.detectors.cost import device, multiplications
from eval.detectors.das3d_style.depth import Scan, scaled, scan_of, span_of
from eval.detectors.das3d_style.drawing import PHYSICAL, Defects, DefectSource, Dropout
from eval.detectors.das3d_style.learning import Draws, Learning, as_scan
from eval.detectors.das3d_style.network import SIZES, Seen, Size, new_network
from eval.detectors.detector import Detector, Judged
from eval.detectors.encoding import Encoded
from eval.detectors.training import descend, mark_of
from synth.dual.spec import TypeName
from synth.sample import Sample

Weight = Annotated[float, Field(ge=0)]
_WINDOW = 21 / 256
"""Side of the window whose mean is the image score, as a share of a side of the image: 21 px of 256, as in DRAEM."""
_KEPT_NOTES = ("background", "sigma_z", "light")
"""What a sample's notes say that holds at any size."""


class Das3dConfig(BaseConfig):
    """size: of the networks. steps, batch, learning_rate (that of the size by default): of their training. defects:
    what is drawn to learn from, our reading of the published synthesis or our own types. types: of `physical` defects.
    dropout: weights of a defect in both modalities, in the image alone, in the depth alone. side: 128 px by default,
    256 is published of DRAEM."""

    side: int | None = Field(128, ge=16, le=4096)
    size: Size = "tiny"
    steps: int = Field(1000, ge=1)
    batch: int = Field(8, ge=1)
    learning_rate: float | None = Field(None, gt=0)
    defects: Defects = "das3d_like"
    types: tuple[TypeName, ...] = Field(PHYSICAL, min_length=1)
    dropout: tuple[Weight, Weight, Weight] = (1 / 3, 1 / 3, 1 / 3)

    @field_validator("dropout")
    @classmethod
    def _some_weight(cls, value: Dropout) -> Dropout:
        if not sum(value):
            raise ValueError("weights that are not all 0")
        return value


class Das3dStyle(Detector):
    """The probability of a defect in every pixel, and the largest mean of it in a window. `parts`: the mean squared
    error of either reconstruction. After a fit `losses` (steps, 3) are those of its training."""

    name = "das3d_style"
    Config = Das3dConfig
    config: Das3dConfig
    reconstructed = True

    @property
    def modalities(self) -> frozenset[str]:
        return frozenset({"image", "xyz"})

    def _learn(self, batches: Iterator[Encoded]) -> None:
        good = [small for encoded in batches for small in _resized(encoded)]
        scans = [as_scan(sample) for sample in good]
        self._span = span_of(scans)
        config = self.config
        self._network = new_network(config.size, config.seed)
        seen = [tensor for scan in scans for tensor in (scan.image, scan.depth)]
        mark = mark_of({"detector": self.name, **config.model_dump(mode="json")}, self._network, seen)
        source = DefectSource(config.defects, config.types, config.dropout)
        draws = Draws(good, self._span, source, config.batch, config.seed)
        learning = Learning(
            self._network, draws, config.steps, config.learning_rate or SIZES[config.size].rate, config.seed
        )
        descend(learning.descent, config.steps, self.name, mark, self.folder, self.progress)
        self._network.eval()
        self.losses = learning.losses

    def _judge(self, encoded: Encoded) -> Judged:
        scans = _scans(encoded)
        image = torch.stack([scan.image for scan in scans])
        depth = torch.stack([scaled(scan.depth, scan.middle, self._span) for scan in scans])
        with torch.inference_mode():
            seen = Seen(*(each.cpu() for each in self._network(image.to(device()), depth.to(device()))))
        maps = seen.logits[:, 0].sigmoid()
        errors = {"image": (seen.image - image).square(), "depth": (seen.depth - depth).square() * (depth > 0)}
        parts = {f"{name}_error": each.mean((1, 2, 3)) for name, each in errors.items()}
        return Judged(largest_mean(maps), maps, parts)

    @property
    def operations(self) -> float:
        """Of the networks on one scan."""
        size = self.encoder.size
        return multiplications(self._network, *(torch.zeros(1, c, *size, device=device()) for c in (3, 1)))

    def state(self) -> dict[str, Tensor]:
        weights = {f"network.{name}": value.cpu() for name, value in self._network.state_dict().items()}
        return weights | {"span": torch.tensor(self._span, dtype=torch.float64)}

    def restore(self, state: dict[str, Tensor]) -> None:
        self._network = new_network(self.config.size, self.config.seed).to(device()).eval()
        self._network.load_state_dict({k.removeprefix("network."): v for k, v in state.items() if k != "span"})
        self._span = float(state["span"])


def largest_mean(maps: Tensor) -> Tensor:
    """(B,) of maps (B, h, w): the largest mean in a window, of which what lies beyond the border is left out."""
    side = round(_WINDOW * (maps.shape[1] * maps.shape[2]) ** 0.5) // 2 * 2 + 1
    means = F.avg_pool2d(maps[:, None], side, 1, side // 2, count_include_pad=False)
    return means.flatten(1).amax(1)


def _scans(encoded: Encoded) -> list[Scan]:
    assert encoded.maps is not None
    assert encoded.shapes is not None
    return [scan_of(*pair) for pair in zip(encoded.maps.levels[0], encoded.shapes, strict=True)]


def _resized(encoded: Encoded) -> Iterator[Sample]:
    """The good samples at the size of the network, ready to be drawn on."""
    assert encoded.maps is not None
    assert encoded.shapes is not None
    for sample, pixels, shape in zip(encoded.samples, encoded.maps.levels[0], encoded.shapes, strict=True):
        xyz = np.zeros((*encoded.size, 3), np.float32)
        row, column = shape.place.numpy().T
        xyz[row, column] = shape.points.numpy()
        image = (255 * pixels).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
        notes = {name: sample.meta[name] for name in _KEPT_NOTES if name in sample.meta}
        yield Sample(sample.id, image, xyz=xyz, product=sample.product, meta=notes)
