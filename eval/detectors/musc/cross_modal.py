"""Cross-modal enhancement (CAE of MuSc-V2): image tokens and point groups at the same place lend each other their
distances, as ranks, so that neither scale counts. Where two values differ in the last bit alone their ranks can change
places, by which maps change in the fifth digit."""

from __future__ import annotations

import torch
from torch import Tensor


def enhanced(image: Tensor, points: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """Distances of one image to R others, by image tokens X (L, R) and by point groups Y (G, R), with the image cell
    of each group (G,) int64 -> both, enhanced, in the same shapes and each with the mean it had.

    Either takes over the larger of its own distance and of the other's at the same place, mapped to its own scale by
    rank and trusted the more, the less the other varies over the R images. Cells without a group have their own."""
    if not len(cell):
        return image, points
    linked = torch.zeros(len(image), dtype=torch.bool).index_fill(0, cell, True)
    from_points, from_image = _mean_by_cell(points, cell, len(image)), image[cell]
    trust_image = 1 - rank_transfer(_spread(image), _spread(from_points))
    trust_points = 1 - rank_transfer(_spread(points), _spread(from_image))
    from_image = rank_transfer(points, from_image)
    from_points[linked] = rank_transfer(image[linked], from_points[linked])
    from_points = torch.maximum(image, from_points) * trust_image[:, None]
    from_image = torch.maximum(points, from_image) * trust_points[:, None]
    from_points, from_image = rank_transfer(image, from_points), rank_transfer(points, from_image)
    return (image + from_points) / 2, (points + from_image) / 2


def rank_transfer(values: Tensor, ranks: Tensor) -> Tensor:
    """The multiset of `values` in the order of `ranks`: both of the same shape; equal ranks keep their order."""
    places = ranks.flatten().argsort(stable=True)
    moved = torch.empty_like(values).flatten()
    moved[places] = values.flatten().sort().values
    return moved.view_as(values)


def _mean_by_cell(values: Tensor, cell: Tensor, cells: int) -> Tensor:
    """Mean of the rows (G, R) that fall into each cell: (cells, R), zeros where there are none."""
    counts = torch.bincount(cell, minlength=cells).clamp(min=1)
    total = torch.zeros(cells, values.shape[1], dtype=values.dtype).index_add(0, cell, values)
    return total / counts[:, None]


def _spread(values: Tensor) -> Tensor:
    """Standard deviation over the others (L, R) -> (L,), 0 where there is one other."""
    return values.std(1, correction=min(1, values.shape[1] - 1))
