from __future__ import annotations

import pytest
import torch

from eval.detectors.cif.smoothing import anomaly_map, box_cascade


def test_the_cascade_of_boxes_spreads_a_point_with_a_variance_of_22_px_and_keeps_its_sum():
    point = torch.zeros(61, 73, dtype=torch.float64)
    point[30, 36] = 1
    spread = box_cascade(point)
    rows, columns = torch.arange(61).double() - 30, torch.arange(73).double() - 36
    assert spread.sum() == pytest.approx(1)
    assert (spread.sum(1) * rows**2).sum() == pytest.approx(22)
    assert (spread.sum(0) * columns**2).sum() == pytest.approx(22)


def test_the_border_is_not_darker_than_the_middle():
    torch.testing.assert_close(box_cascade(torch.full((23, 31), 3.0)), torch.full((23, 31), 3.0))


def test_a_cascade_smooths_every_map_alone():
    maps = torch.rand(3, 2, 20, 17, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(box_cascade(maps)[1, 1], box_cascade(maps[1, 1]))


def test_a_ramp_rises_from_border_to_border():
    found = anomaly_map([torch.tensor([[0.0, 1.0], [0.0, 1.0]])], (50, 201))
    torch.testing.assert_close(found[25, [50, 100, 150]], torch.tensor([0.25, 0.5, 0.75]) ** 1.5, atol=2e-3, rtol=0)


def test_modalities_multiply_and_corners_stay_corners():
    first, second = torch.zeros(4, 5), torch.full((4, 5), 2.0)
    first[0, 0], first[3, 4] = 3, 1
    found = anomaly_map([first, second], (60, 85))
    assert found.shape == (60, 85)
    peaks = found[:30].argmax(), found[30:].argmax()
    assert peaks[0] % 85 < 9
    assert peaks[1] % 85 > 75
    assert found[0, 0] > found[-1, -1] > 10 * found[30, 42]
    torch.testing.assert_close(anomaly_map([second, second], (60, 85))[30, 42], torch.tensor(8.0))
