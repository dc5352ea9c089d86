"""Which patches show the product, from organised points.

A part lies on a table: a surface through the four corners of the image is taken for the table, and what stands off it
for the part (as M3DM and CIF do for MVTec 3D). Data without background have a valid point wherever there is product.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate, unfold

FILLS = 3


def of_surface(depth: Tensor, valid: Tensor, off: float = 7e-3) -> Tensor:
    """(H, W) bool: more than `off` metres from the surface through the corners. depth (H, W) metres, valid (H, W) bool;
    holes next to valid pixels are filled three times first. Where a corner of 2 x 2 px shows no point, a plane through
    the other corners; with fewer than three, every valid pixel: no table is seen."""
    depth, valid = filled(depth, valid)
    table = corner_surface(depth, valid)
    return valid if table is None else valid & ((depth - table).abs() > off)


def filled(depth: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """depth, valid (H, W): an invalid pixel takes the mean of its valid neighbours, 3 x 3, three times over."""
    for _ in range(FILLS):
        near = unfold(torch.where(valid, depth, 0)[None, None], 3, padding=1)[0].sum(0).view_as(depth)
        seen = unfold(valid.to(depth.dtype)[None, None], 3, padding=1)[0].sum(0).view_as(depth)
        depth = torch.where(valid, depth, near / seen.clamp(min=1))
        valid = valid | (seen > 0)
    return depth, valid


def corner_surface(depth: Tensor, valid: Tensor) -> Tensor | None:
    """(H, W) metres: bilinear through the means of the four corners of 2 x 2 px; a plane where three of them show a
    point; None where fewer do."""
    height, width = depth.shape
    down = torch.linspace(0, 1, height, dtype=depth.dtype, device=depth.device)[:, None]
    along = torch.linspace(0, 1, width, dtype=depth.dtype, device=depth.device)[None, :]
    corners: dict[tuple[int, int], Tensor] = {}
    for row in (0, 1):
        for column in (0, 1):
            cut = (slice(-2, None) if row else slice(0, 2), slice(-2, None) if column else slice(0, 2))
            if valid[cut].any():
                corners[row, column] = depth[cut][valid[cut]].mean()
    if len(corners) < 3:
        return None
    for row in (0, 1):
        for column in (0, 1):
            if (row, column) not in corners:
                opposite = corners[1 - row, 1 - column]
                corners[row, column] = corners[1 - row, column] + corners[row, 1 - column] - opposite
    top = corners[0, 0] * (1 - along) + corners[0, 1] * along
    bottom = corners[1, 0] * (1 - along) + corners[1, 1] * along
    return top * (1 - down) + bottom * down


def on_grid(mask: Tensor, grid: tuple[int, int]) -> Tensor:
    """mask (H, W) bool -> (h, w) bool: resized bilinearly, product where at least half."""
    return interpolate(mask[None, None].float(), size=grid, mode="bilinear", align_corners=False)[0, 0] >= 0.5
