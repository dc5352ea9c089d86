"""Mentor3AD-style detection: fusion, guided reconstruction and voting, learnt from good samples alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from eval.detectors.best_weights import Course, seeded, train
from eval.detectors.config import MultimodalConfig
from eval.detectors.detector import Detector, Judged
from eval.detectors.encoding import Encoded
from eval.detectors.grids import CELL, grid_of, image_cells, point_cells
from eval.detectors.mentor3ad_style.cells import Cells, cells_of, joined, split
from eval.detectors.mentor3ad_style.fusion import Fusion, fusion_loss, inconsistency
from eval.detectors.mentor3ad_style.guidance import Guidance, errors, guidance_loss, mentor_width
from eval.detectors.mentor3ad_style.voting import Rule, Statistics, product, statistics, vote
from synth.errors import EvalError

_JUDGED = 5
"""One of so many images validates the fusion."""
_STATISTICS = ("mean", "deviation", "cell_weights", "image_weights")


class Mentor3ADStyleConfig(MultimodalConfig):
    """All numbers are inferred or those of CFM and M3DM, none is Mentor3AD's. cells: kept to learn from, at most.
    expansion, joint: widths of the fusion; mentor: of its result, no more than half the narrower modality; hidden: of
    the reconstructing networks. fusion_steps, steps: of the two stages. vm: the rule of the vote; parts of a prediction
    always hold that of "product". sigma: of the smoothing, in px, that of CFM's eight box filters."""

    modality: Literal["image+xyz"] = "image+xyz"
    cell: int = Field(CELL, ge=1)
    cells: int = Field(100_000, ge=1)
    expansion: int = Field(4, ge=1)
    joint: int = Field(256, ge=1)
    mentor: int = Field(256, ge=1, le=256)
    hidden: int = Field(960, ge=1)
    temperature: float = Field(0.1, gt=0)
    fusion_steps: int = Field(300, ge=0)
    steps: int = Field(600, ge=0)
    batch: int = Field(1024, ge=2)
    rate: float = Field(1e-3, gt=0)
    vm: Rule = "product"
    sigma: float = Field(4.69, ge=0)


class Mentor3ADStyle(Detector):
    """What one modality says of the other, with a mentor that knows both."""

    name = "mentor3ad_style"
    reconstructed = True
    Config = Mentor3ADStyleConfig
    config: Mentor3ADStyleConfig

    def _learn(self, batches: Iterator[Encoded]) -> None:
        found, number = [], 0
        for encoded in batches:
            found.append(cells_of(*self._parts(encoded), first=number))
            number += len(encoded.ids)
        cells = joined(found, self.config.cells, self.config.seed)
        if not len(cells.owner):
            raise EvalError("no cell of the good samples has a point; the clouds are too sparse for this grid")
        self._spread = torch.stack([_root_mean_square(cells.image), _root_mean_square(cells.points)])
        cells = Cells(cells.image / self._spread[0], cells.points / self._spread[1], cells.owner, cells.place)
        self._build((cells.image.shape[1], cells.points.shape[1]))
        self._train_fusion(cells)
        self._train_guidance(cells)
        cues = self._cues(cells.image, cells.points)
        largest = [cues[cells.owner == owner].amax(0) for owner in cells.owner.unique()]
        self._good = statistics(cues, torch.stack(largest), self.config.seed)

    def _judge(self, encoded: Encoded) -> Judged:
        image, points, valid = self._parts(encoded)
        cues = torch.zeros(*valid.shape, 3)
        cues[valid] = self._cues(image[valid] / self._spread[0], points[valid] / self._spread[1])
        sigma = self.config.sigma / self.config.cell
        score, maps = vote(self.config.vm, cues, valid, self._good, sigma)
        return Judged(score, maps, {"product": product(cues, sigma)[0]})

    @property
    def operations(self) -> float:
        rows, columns = grid_of(self.encoder.size, self.config.cell)
        modules: list[nn.Module] = [self._fusion, self._guidance]
        weights = sum(weight.numel() for module in modules for weight in module.parameters())
        return float(rows * columns * weights)

    def state(self) -> dict[str, Tensor]:
        statistics = {f"good.{name}": getattr(self._good, name) for name in _STATISTICS}
        fusion = {f"fusion.{name}": value for name, value in self._fusion.state_dict().items()}
        guidance = {f"guidance.{name}": value for name, value in self._guidance.state_dict().items()}
        return {"spread": self._spread} | statistics | fusion | guidance

    def restore(self, state: dict[str, Tensor]) -> None:
        parts: dict[str, dict[str, Tensor]] = {"good": {}, "fusion": {}, "guidance": {}}
        for key, value in state.items():
            part, _, name = key.partition(".")
            parts.get(part, {})[name] = value
        self._spread, self._good = state["spread"], Statistics(**parts["good"])
        fused = (parts["fusion"]["image.0.weight"], parts["fusion"]["points.0.weight"])
        self._build((len(fused[0]), len(fused[1])))
        self._fusion.load_state_dict(parts["fusion"])
        self._guidance.load_state_dict(parts["guidance"])
        for module in (self._fusion, self._guidance):
            module.eval().requires_grad_(False)

    def _build(self, widths: tuple[int, int]) -> None:
        config = self.config
        mentor = mentor_width(config.mentor, widths)
        self._fusion: Fusion = seeded(lambda: Fusion(widths, config.expansion, config.joint, mentor), config.seed)
        self._guidance: Guidance = seeded(lambda: Guidance(widths, mentor, config.hidden), config.seed)

    def _train_fusion(self, cells: Cells) -> None:
        config, fusion = self.config, self._fusion
        learnt, judging = split(cells, _JUDGED, config.seed)
        warm = max(1, config.fusion_steps // 3)
        train(
            fusion,
            torch.optim.AdamW(fusion.parameters(), lr=config.rate),
            lambda: fusion_loss(fusion, learnt, config.temperature),
            self._course("fusion", config.fusion_steps, lambda step: min(1.0, (step + 1) / warm)),
            [cells.image, cells.points, cells.owner, cells.place],
            {"rate": config.rate, "temperature": config.temperature},
            lambda: fusion_loss(fusion, judging, config.temperature),
        )

    def _train_guidance(self, cells: Cells) -> None:
        config, guidance = self.config, self._guidance
        train(
            guidance,
            torch.optim.Adam(guidance.parameters(), lr=config.rate),
            lambda: guidance_loss(guidance, self._fusion, cells, config.batch),
            self._course("guidance", config.steps),
            [cells.image, cells.points, *self._fusion.state_dict().values()],
            {"rate": config.rate, "batch": config.batch},
        )

    def _course(self, name: str, steps: int, rate: Callable[[int], float] = lambda _step: 1.0) -> Course:
        return Course(name, steps, self.config.seed, self.folder, self.progress, rate)

    def _cues(self, image: Tensor, points: Tensor) -> Tensor:
        """e_P, e_R and e_M of cells (N, C1) and (N, C2): (N, 3)."""
        fused = self._fusion(image, points)
        made_image, made_points = self._guidance(image, points, fused.mentor)
        return torch.stack([errors(made_points, points), errors(made_image, image), inconsistency(fused)], dim=1)

    def _parts(self, encoded: Encoded) -> tuple[Tensor, Tensor, Tensor]:
        """Image features (B, h, w, C1), point features (B, h, w, C2), and where there are points (B, h, w) bool."""
        assert encoded.maps is not None
        grid = grid_of(encoded.size, self.config.cell)
        points, valid = point_cells(encoded, grid)
        return image_cells(encoded.maps.levels, grid, 1).movedim(1, -1), points.movedim(1, -1), valid


def _root_mean_square(rows: Tensor) -> Tensor:
    return rows.square().mean().sqrt().clamp(min=1e-12)
