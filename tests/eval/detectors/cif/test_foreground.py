from __future__ import annotations

import pytest
import torch

from eval.detectors.cif.foreground import corner_surface, filled, of_surface, on_grid

SIZE = (37, 53)


def tilted_table() -> torch.Tensor:
    """(H, W) metres: a table seen at a slant, not square to the camera along either axis."""
    rows, columns = torch.meshgrid(torch.arange(37.0), torch.arange(53.0), indexing="ij")
    return 0.5 + 0.002 * rows - 0.001 * columns


def scene() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """depth, valid, part: a part 20 mm above the table."""
    depth, part = tilted_table(), torch.zeros(SIZE, dtype=torch.bool)
    part[10:28, 15:40] = True
    depth[part] -= 0.02
    return depth, torch.ones(SIZE, dtype=torch.bool), part


def test_a_part_on_a_slanting_table_is_found_and_the_table_is_not():
    depth, valid, part = scene()
    assert torch.equal(of_surface(depth, valid), part)


def test_what_stands_off_less_than_asked_is_table():
    depth, valid, _ = scene()
    assert not of_surface(depth, valid, off=0.025).any()


def test_a_hole_of_six_pixels_is_filled_and_a_wider_one_stays_out():
    depth, valid, part = scene()
    valid[12:18, 17:23] = False
    valid[20:27, 25:32] = False
    depth[~valid] = 0
    found = of_surface(depth, valid)
    assert (part & ~found).nonzero().tolist() == [[23, 28]]


@pytest.mark.parametrize("corner", [(0, 0), (0, -1), (-1, 0), (-1, -1)])
def test_a_corner_without_a_point_is_taken_from_the_other_three(corner):
    depth, valid, part = scene()
    rows = slice(0, 6) if corner[0] == 0 else slice(-6, None)
    columns = slice(0, 6) if corner[1] == 0 else slice(-6, None)
    valid[rows, columns] = False
    depth[~valid] = 0
    found = of_surface(depth, valid)
    assert torch.equal(found, part)
    torch.testing.assert_close(corner_surface(depth, valid), tilted_table(), atol=3e-3, rtol=0)


def test_without_a_table_every_valid_pixel_is_product():
    depth, valid, part = scene()
    valid &= part
    assert torch.equal(of_surface(depth, valid), filled(depth, valid)[1])
    assert not of_surface(depth, torch.zeros_like(valid)).any()


def test_the_data_given_are_not_written_to():
    depth, valid, _ = scene()
    valid[12:15, 17:20] = False
    before = depth.clone(), valid.clone()
    of_surface(depth, valid)
    assert torch.equal(depth, before[0])
    assert torch.equal(valid, before[1])


def test_a_cell_is_product_where_half_of_it_is():
    mask = torch.zeros(16, 24, dtype=torch.bool)
    mask[:8, :12] = True
    assert on_grid(mask, (2, 3)).tolist() == [[True, True, False], [False, False, False]]
