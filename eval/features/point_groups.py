"""Groups of a point cloud: centres by farthest-point sampling, then the nearest points of each, or a group grown along
the surface where that surface bends (iterative point grouping of MuSc-V2, arXiv 2511.10047).

A ball of nearest points round a thin edge takes in the far side of the part; a group that is grown from point to point
stays on the sheet it began on. Unlike the released code, a point is in a group once, and the sampling starts at the
point farthest from the centroid, so that the centres do not depend on the order of the points."""

from __future__ import annotations

import torch
from scipy.spatial import cKDTree
from torch import Tensor

FLAT = 0.01  # curvature under which a neighbourhood counts as flat
AT_ONCE = 64  # groups grown together: bounds the memory to AT_ONCE * candidates^2 floats


def farthest_points(points: Tensor, count: int, start: int | None = None) -> Tensor:
    """Rows of `count` points, each the farthest from those before it: points (n, 3) -> (min(count, n),) int64. The
    first is the row `start`, else the point farthest from the centroid (the lowest row of several). Never twice the
    same row, even among duplicates."""
    columns = points.T.contiguous()
    if start is None:
        start = int(_squared(columns, columns.mean(1)).argmax())
    rows = torch.empty(min(count, len(points)), dtype=torch.int64)
    nearest = torch.full((len(points),), torch.inf, dtype=points.dtype)
    row = start
    for position in range(len(rows)):
        rows[position] = row
        torch.minimum(nearest, _squared(columns, columns[:, row]), out=nearest)
        nearest[row] = -1
        row = int(nearest.argmax())
    return rows


def nearest_groups(points: Tensor, centres: Tensor, size: int) -> Tensor:
    """The `size` nearest points of each centre, nearest first: points (n, 3), rows of the centres (G,) -> rows
    (G, size) int64. A cloud of fewer points repeats them in turn."""
    known = min(size, len(points))
    _, rows = cKDTree(points.double().numpy()).query(points[centres].double().numpy(), k=range(1, known + 1))
    return torch.from_numpy(rows).long()[:, torch.arange(size) % known]


def curvatures(points: Tensor, groups: Tensor) -> Tensor:
    """Smallest over summed eigenvalues of the covariance of each group, its first member (the centre) left out: points
    (n, 3), groups (G, M) -> (G,) float32 in [0, 1/3]; 0 on a plane, and where all points coincide."""
    members = points[groups[:, 1:]].double()
    centred = members - members.mean(1, keepdim=True)
    values = torch.linalg.eigvalsh(centred.mT @ centred).clamp(min=0)
    total = values.sum(1)
    return torch.where(total > 0, values[:, 0] / total, 0).float()


def surface_groups(
    points: Tensor, centres: Tensor, size: int = 128, start: int = 80, flat: float = FLAT, dedup: bool = True
) -> tuple[Tensor, Tensor]:
    """Iterative point grouping: rows (G, size) of the points of each group, and the curvature (G,) at its centre.

    points (n, 3), rows of the centres (G,). Where the curvature is under `flat`: the `size` nearest points. Elsewhere:
    the `start` nearest, then in rounds of at most `start` those of the 2 * size nearest that lie closest to any member
    of the group. dedup=False ranks pairs of member and candidate as the released code does, so that a point can come
    several times."""
    candidates = nearest_groups(points, centres, min(2 * size, max(size, len(points))))
    groups = candidates[:, :size].clone()
    curved = curvatures(points, groups)
    if candidates.shape[1] > size:
        for rows in (curved >= flat).nonzero().squeeze(1).split(AT_ONCE):
            chosen = _grown(points[candidates[rows]], size, min(start, size), dedup)
            groups[rows] = candidates[rows].gather(1, chosen)
    return groups, curved


def _grown(candidates: Tensor, size: int, start: int, dedup: bool) -> Tensor:
    """Positions (G, size) of the group members among candidates (G, n, 3), which come nearest first."""
    between = torch.cdist(candidates, candidates, compute_mode="donot_use_mm_for_euclid_dist")
    groups = torch.arange(start).expand(len(candidates), start)
    while groups.shape[1] < size:
        wanted = min(start, size - groups.shape[1])
        inside = torch.zeros(candidates.shape[:2], dtype=torch.bool).scatter(1, groups, True)
        reach = between.gather(1, groups[..., None].expand(-1, -1, candidates.shape[1]))
        reach = reach.masked_fill(inside[:, None], torch.inf)
        ranked = reach.amin(1) if dedup else reach.flatten(1)
        added = ranked.sort(dim=1, stable=True).indices[:, :wanted] % candidates.shape[1]
        groups = torch.cat([groups, added], 1)
    return groups


def _squared(columns: Tensor, point: Tensor) -> Tensor:
    """Squared distances of columns (3, n) to a point (3,)."""
    return (columns - point[:, None]).square().sum(0)
