"""CIF (arXiv 2511.05966, "Commonality in Few": few-shot multimodal anomaly detection by hypergraph-enhanced memory).

Tokens of the good samples are remembered by the hyperedge, the kind of surface, that they belong to. A test token first
takes a message from its own edges and from the memory, then is searched both in the whole memory and among edges like
its own; both distances multiply, and so do image and shape.

Published for 1, 2 or 4 good samples of one product. The first sample by id says which edges there are. The released
code differs from the paper in `repo_ties`; its AUPRO is an approximation, so that ours is likely lower.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from eval.detectors.cif import foreground
from eval.detectors.cif.hypergraph import Hypergraph, build
from eval.detectors.cif.memory import Memory, MemoryBuilder
from eval.detectors.cif.passing import update
from eval.detectors.cif.scoring import image_score, patch_scores
from eval.detectors.cif.smoothing import anomaly_map
from eval.detectors.config import MultimodalConfig
from eval.detectors.detector import Detector, Judged
from eval.detectors.encoding import Encoded, Shape
from eval.detectors.grids import CELL, grid_of, image_cells, point_cells


class CIFConfig(MultimodalConfig):
    """edges, similar: hyperedges of a sample, and how close to its best edge another must be for a token to lie in it
    too, in [0, 1]. share: rows of the memory, as a share of all cells of the good samples. layers, keep: messages a
    token takes, and what of itself it keeps at each. top_edges: of the memory, searched for a token. neighbours:
    re-weight the image score. foreground: "valid", every cell with a point; "surface", what stands more than
    `surface_mm` off a surface through the corners of the image; "all", also cells without a point, whose features of
    the shape are 0. Without clouds it is all. neighbourhood: cells averaged within each level of image features."""

    edges: int = Field(4, ge=1)
    similar: float = Field(0.9, ge=0, le=1)
    share: float = Field(0.1, gt=0, le=1)
    layers: int = Field(1, ge=0)
    keep: float = Field(0.9, ge=0, le=1)
    top_edges: int = Field(3, ge=1)
    neighbours: int = Field(9, ge=2)
    foreground: Literal["valid", "surface", "all"] = "valid"
    surface_mm: float = Field(7.0, ge=0)
    cell: int = Field(CELL, ge=1)
    neighbourhood: int = Field(1, ge=1)
    repo_ties: bool = False


@dataclass(frozen=True)
class Tokens:
    """One sample: its tokens (L, C) by modality, and the hypergraph that all of them share."""

    by_modality: dict[str, Tensor]
    graph: Hypergraph


class CIF(Detector):
    """A memory a modality. The hypergraph is built on the image where it is looked at, else on the shape."""

    name = "cif"
    Config = CIFConfig
    config: CIFConfig

    def _learn(self, batches: Iterator[Encoded]) -> None:
        builders = {modality: MemoryBuilder() for modality in sorted(self.modalities)}
        cells = 0
        for tokens in (tokens for encoded in batches for tokens in self._tokens(encoded)):
            cells += len(tokens.graph.edge)
            for modality, builder in builders.items():
                builder.add(tokens.graph, tokens.by_modality[modality])
        target = int(self.config.share * cells)
        self._memories = {key: builder.build(target, self.config.seed) for key, builder in builders.items()}

    def _judge(self, encoded: Encoded) -> Judged:
        scores, maps = [], []
        for tokens in self._tokens(encoded):
            found = [self._search(tokens, modality) for modality in self._memories]
            scores.append(torch.stack([score for _, score in found]))
            maps.append(anomaly_map([patches.view(self._grid(encoded)) for patches, _ in found], encoded.size))
        each = torch.stack(scores)
        return Judged(each.prod(1), torch.stack(maps), dict(zip(self._memories, each.unbind(1), strict=True)))

    def _search(self, tokens: Tokens, modality: str) -> tuple[Tensor, Tensor]:
        """Scores of the patches (L,) and of the image, of one modality."""
        memory, own = self._memories[modality], tokens.by_modality[modality]
        updated = update(own, tokens.graph, memory, self.config.layers, self.config.keep)
        patches = patch_scores(updated, tokens.graph, memory, self.config.top_edges)
        return patches.score, image_score(patches, own, memory, self.config.neighbours)

    @property
    def operations(self) -> float:
        rows, columns = grid_of(self.encoder.size, self.config.cell)
        # Whom to take messages from, then how far from the memory.
        return 2.0 * rows * columns * sum(memory.rows.numel() for memory in self._memories.values())

    def state(self) -> dict[str, Tensor]:
        rows = {f"{modality}_rows": memory.rows for modality, memory in self._memories.items()}
        return rows | {f"{modality}_edges": memory.edges for modality, memory in self._memories.items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        found = sorted(self.modalities)
        self._memories = {key: Memory(state[f"{key}_rows"], state[f"{key}_edges"]) for key in found}

    def _tokens(self, encoded: Encoded) -> Iterator[Tokens]:
        grid = self._grid(encoded)
        cells: dict[str, Tensor] = {}
        seen = torch.ones(len(encoded.ids), *grid, dtype=torch.bool)
        if encoded.maps is not None:
            cells["image"] = image_cells(encoded.maps.levels, grid, self.config.neighbourhood)
        if encoded.shapes is not None:
            cells["xyz"], there = point_cells(encoded, grid)
            if self.config.foreground != "all":
                seen = torch.stack([self._foreground(shape, encoded.size, grid) for shape in encoded.shapes]) & there
        for row, inside in enumerate(seen):
            tokens = {modality: part[row].flatten(1).T.contiguous() for modality, part in cells.items()}
            yield Tokens(tokens, self._graph(next(iter(tokens.values())), inside.flatten()))

    def _graph(self, tokens: Tensor, inside: Tensor) -> Hypergraph:
        config = self.config
        return build(tokens, inside, config.edges, config.similar, config.seed, config.repo_ties)

    def _foreground(self, shape: Shape, size: tuple[int, int], grid: tuple[int, int]) -> Tensor:
        depth, valid = torch.zeros(size), torch.zeros(size, dtype=torch.bool)
        row, column = shape.place.unbind(1)
        depth[row, column], valid[row, column] = shape.points[:, 2], True
        if self.config.foreground == "surface":
            valid = foreground.of_surface(depth, valid, self.config.surface_mm / 1000)
        return foreground.on_grid(valid, grid)

    def _grid(self, encoded: Encoded) -> tuple[int, int]:
        return grid_of(encoded.size, self.config.cell)
