"""RAD as a detector; several products may share one memory, and no label of a product is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from eval.detectors.config import DetectorConfig
from eval.detectors.detector import Detector, Judged
from eval.detectors.encoding import Encoded
from eval.detectors.grids import CELL, grid_of, on_grid
from eval.detectors.rad import scoring
from eval.detectors.rad.maps import image_scores, smooth_maps
from eval.detectors.rad.memory import GrowingMemory


class RadConfig(DetectorConfig):
    """k_image: good images that an image is compared with, all where there are fewer. positional: cells are compared
    within rho rows and columns of their place, else with all cells. weights: of the levels, scaled to sum 1, alike by
    default. max_ratio: share of the map's pixels whose mean is the image score, 0 for the largest alone. map_side,
    sigma: of the map, in px. cell: no cell of the grid is smaller, in px of the resized image. precision: of the
    memory."""

    k_image: int = Field(150, ge=1)
    positional: bool = True
    rho: int = Field(1, ge=0)
    weights: tuple[Annotated[float, Field(gt=0)], ...] | None = None
    max_ratio: float = Field(0.01, ge=0, le=1)
    map_side: int = Field(256, ge=8)
    sigma: float = Field(1.0, ge=0)
    cell: int = Field(CELL, ge=1)
    precision: Literal["half", "single"] = "half"


class Rad(Detector):
    """A memory of whole good images, searched by image and then by place."""

    name = "rad"
    Config = RadConfig
    config: RadConfig

    def _learn(self, batches: Iterator[Encoded]) -> None:
        kind = torch.float16 if self.config.precision == "half" else torch.float32
        growing: list[GrowingMemory] = []
        whole = GrowingMemory(torch.float32)
        for encoded in batches:
            levels, _ = self._tokens(encoded)
            growing = growing or [GrowingMemory(kind) for _ in levels]
            for memory, level in zip(growing, levels, strict=True):
                memory.append(level)
            whole.append(_whole(encoded))
        self._keep([memory.mapped() for memory in growing], whole.mapped())

    def _judge(self, encoded: Encoded) -> Judged:
        levels, grid = self._tokens(encoded)
        window = scoring.window(grid, self.config.rho if self.config.positional else None)
        away, images = scoring.retrieved(_whole(encoded), self._whole, self.config.k_image)
        cells = [
            scoring.distances([level[row] for level in levels], self._memory, images[row], window, self._weights)
            for row in range(len(encoded.ids))
        ]
        maps = smooth_maps(torch.stack(cells).unflatten(1, grid), self.config.map_side, self.config.sigma)
        return Judged(image_scores(maps, self.config.max_ratio), maps, {"nearest_image": away[:, 0]})

    @property
    def operations(self) -> float:
        images = min(self.config.k_image, len(self._whole))
        cells = self._memory[0].shape[1]
        near = min(cells, (2 * self.config.rho + 1) ** 2) if self.config.positional else cells
        return float(sum(images * near * level[0].numel() for level in self._memory))

    def state(self) -> dict[str, Tensor]:
        return {"whole": self._whole} | {f"level_{number}": level for number, level in enumerate(self._memory)}

    def restore(self, state: dict[str, Tensor]) -> None:
        self._keep([state[f"level_{number}"] for number in range(len(state) - 1)], state["whole"])

    def _keep(self, memory: list[Tensor], whole: Tensor) -> None:
        self._memory, self._whole = memory, whole
        self._weights = scoring.level_weights(self.config.weights, len(memory))

    def _tokens(self, encoded: Encoded) -> tuple[list[Tensor], tuple[int, int]]:
        """Tokens (B, L, C_l) of each level, and the grid of all of them: that of the finest level, so that a place
        means the same in all, but with cells no smaller than `cell`, since memory and time grow with their number."""
        assert encoded.maps is not None
        levels = encoded.maps.levels
        finest = max((tuple(level.shape[-2:]) for level in levels), key=lambda size: size[0] * size[1])
        rows, columns = (min(pair) for pair in zip(finest, grid_of(encoded.size, self.config.cell), strict=True))
        tokens = [on_grid(level, (rows, columns)).flatten(2).transpose(1, 2) for level in levels]
        return [scoring.directions(level) for level in tokens], (rows, columns)


def _whole(encoded: Encoded) -> Tensor:
    assert encoded.maps is not None
    return encoded.maps.whole
