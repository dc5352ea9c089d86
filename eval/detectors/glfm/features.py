"""Features of the groups of a cloud, and of the cloud (GLFM, stage II)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from eval.features.point_grid import interpolation
from eval.features.point_groups import farthest_points, nearest_groups
from eval.features.point_mae import PointMae, in_unit_sphere


@dataclass(frozen=True)
class Groups:
    """points (n, 3) in the unit sphere, index (G,) int64 of the centres among them and members (G, M) int64 of each."""

    points: Tensor
    index: Tensor
    members: Tensor

    @property
    def centres(self) -> Tensor:
        return self.points[self.index]

    def levels(self, network: PointMae, taps: Sequence[int]) -> list[Tensor]:
        """Outputs (G, C) of these blocks. Batch norm in training sees all groups at once."""
        return network(
            self.points[self.members] - self.centres[:, None], self.centres, taps, apart=not network.training
        )


def grouped(points: Tensor, count: int, size: int) -> Groups:
    """Groups of the `size` nearest points round `count` centres, of points (n, 3) in any unit and place: they are put
    about their mean into the unit sphere, which the released code leaves out."""
    sphere = in_unit_sphere(points.float())
    index = farthest_points(sphere, count)
    return Groups(sphere, index, nearest_groups(sphere, index, size))


def local_features(groups: Groups, levels: Sequence[Tensor]) -> Tensor:
    """(G, sum of C_k): the levels beside each other, interpolated to points from the 3 nearest centres and averaged
    over the points of each group."""
    inverse = groups.members.unique(return_inverse=True)
    owners, weights = interpolation(groups.centres, groups.points[inverse[0]])
    owner, weight = owners[inverse[1]], weights[inverse[1]]  # (G, M, 3)
    count, size = groups.members.shape
    rows = torch.arange(count)[:, None, None].expand_as(owner)
    spread = torch.zeros(count, count, dtype=weight.dtype).index_put((rows, owner), weight / size, accumulate=True)
    return spread.float() @ torch.cat(list(levels), 1)
