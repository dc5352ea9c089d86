"""Long and thin defects: the windows along them, their blending, and drawing that agrees where they overlap."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from synth.seas.base import build_scheduler
from synth.seas.overlaps import Overlaps, noise_of
from synth.seas.plan import Start
from synth.seas.sampler import Group, build_sampler, draw_latents, sample_noise
from synth.seas.strips import COARSE, MOST, along, blended, patches, whole
from synth.seas.window import Window, window_for

R = 64


def _stroke(shape: tuple[int, int], points: list[tuple[int, int]], width: int) -> np.ndarray:
    mask = np.zeros(shape, bool)
    for (r0, c0), (r1, c1) in pairwise(points):
        steps = max(abs(r1 - r0), abs(c1 - c0)) + 1
        rows, columns = np.linspace(r0, r1, steps).round(), np.linspace(c0, c1, steps).round()
        mask[rows.astype(int).clip(0, shape[0] - 1), columns.astype(int).clip(0, shape[1] - 1)] = True
    return ndimage.binary_dilation(mask, iterations=width // 2) if width > 1 else mask


LONG = {
    "level": _stroke((300, 400), [(150, 0), (150, 399)], 5),
    "slanting": _stroke((300, 400), [(20, 30), (280, 370)], 3),
    "bent": _stroke((400, 400), [(50, 50), (50, 350), (350, 350)], 5),
    "upright at the border": _stroke((400, 90), [(0, 2), (399, 2)], 4),
    "in a narrow image": _stroke((400, 40), [(0, 20), (399, 20)], 4),
    "forked": _stroke((400, 400), [(10, 200), (200, 200), (390, 60)], 3)
    | _stroke((400, 400), [(200, 200), (390, 340)], 3),
    "in pieces": _stroke((300, 400), [(150, 10), (150, 180)], 3) | _stroke((300, 400), [(160, 200), (170, 390)], 3),
    "too long for windows of one px a px": _stroke((1500, 1500), [(10, 10), (1490, 1490)], 9),
}


def _single(mask: np.ndarray) -> Window:
    return window_for(mask, R, np.random.default_rng(0))


@pytest.mark.parametrize("mask", LONG.values(), ids=LONG)
def test_windows_along_a_long_defect_cover_it_finely_and_lie_on_one_lattice(mask: np.ndarray) -> None:
    single = _single(mask)
    assert single.side > COARSE * R
    windows = along(mask, single, R)
    assert 1 < len(windows) <= MOST
    assert len({window.side for window in windows}) == 1
    assert 1.5 * windows[0].side <= single.side
    covered = np.zeros_like(mask)
    for window in windows:
        covered[window.overlap(mask.shape)] = True
    assert covered[mask].all()
    pitch = windows[0].side / R
    for axis in ("top", "left"):
        assert {(getattr(w, axis) - getattr(windows[0], axis)) / pitch % 8 for w in windows} == {0}
    assert windows == along(mask, single, R)


@pytest.mark.parametrize("mask", LONG.values(), ids=LONG)
def test_windows_next_to_each_other_overlap_where_the_defect_passes(mask: np.ndarray) -> None:
    windows = along(mask, _single(mask), R)
    area = np.zeros(mask.shape, int)
    for window in windows:
        rows, columns = window.overlap(mask.shape)
        edge = round(window.side / 20)
        inner = (
            slice(rows.start + edge * (rows.start > 0), rows.stop - edge * (rows.stop < mask.shape[0])),
            slice(columns.start + edge * (columns.start > 0), columns.stop - edge * (columns.stop < mask.shape[1])),
        )
        area[inner] += 1
    assert (area[mask] > 0).all()


def _disc(shape: tuple[int, int], radius: int) -> np.ndarray:
    rows, columns = np.indices(shape)
    return np.hypot(rows - shape[0] // 2, columns - shape[1] // 2) <= radius


@pytest.mark.parametrize(
    "mask",
    [_disc((400, 400), 8), _disc((400, 400), 60), _disc((800, 800), 300), _stroke((300, 300), [(20, 20), (90, 20)], 5)],
    ids=["small", "middling", "large", "short and thin"],
)
def test_what_is_compact_or_small_keeps_its_one_window(mask: np.ndarray) -> None:
    for seed in range(8):
        assert along(mask, window_for(mask, R, np.random.default_rng(seed)), R) == []


def test_blended_windows_give_back_an_image_that_was_cut_and_what_lies_under_elsewhere() -> None:
    mask = LONG["bent"]
    windows = along(mask, _single(mask), R)
    outer = whole(windows, R)
    image = np.random.default_rng(0).uniform(size=(outer.side, outer.side, 3)).astype(np.float32)
    places = patches(windows, R)
    parts = [image[p.row : p.row + R, p.column : p.column + R] for p in places]
    found = blended(parts, places, np.full_like(image, -1))
    seen = blended([np.ones((R, R), np.float32)] * len(parts), places, np.zeros(image.shape[:2], np.float32))
    assert set(np.unique(seen.round(5))) == {0, 1}  # weights sum to one
    assert np.abs(found - image)[seen > 0.5].max() < 1e-5
    assert (found[seen < 0.5] == -1).all()


def _starts(mask: np.ndarray) -> list[Start]:
    windows = along(mask, _single(mask), R)
    start = Start(np.zeros((R, R, 3), np.uint8), None, "crack", 7, 3)
    single = replace(start, seed=8)
    return [*(replace(start, patch=place) for place in patches(windows, R)), single]


def _same_where_they_overlap(latents: Tensor, starts: list[Start]) -> bool:
    """Of latents (b, C, h, w) with cells of 4 px."""
    field = starts[0].patch.field
    canvas = torch.full((latents.shape[1], field.rows // 4, field.columns // 4), float("nan"))
    for values, start in zip(latents, starts, strict=False):
        if start.patch is not None:
            row, column = start.patch.row // 4, start.patch.column // 4
            area = canvas[:, row : row + 16, column : column + 16]
            known = ~area.isnan()
            if not torch.allclose(area[known], values[known], atol=1e-5):
                return False
            area[:] = values
    return True


def test_neighbours_share_one_noise_and_a_single_window_keeps_its_own() -> None:
    starts = _starts(LONG["slanting"])
    noise = noise_of(starts, (4, 16, 16))
    assert _same_where_they_overlap(noise, starts)
    assert torch.equal(noise[-1], sample_noise([8], (4, 16, 16))[0])
    assert len({row.numpy().tobytes() for row in noise}) == len(starts)


def test_windows_that_overlap_are_drawn_as_one_and_others_as_without_them() -> None:
    starts = _starts(LONG["level"])
    noise, overlaps = noise_of(starts, (4, 16, 16)), Overlaps.of(starts, 16)
    assert overlaps is not None
    begin = overlaps.agreed(torch.randn(noise.shape, generator=torch.Generator().manual_seed(1)))

    def drawn(rows: slice, agreed: bool) -> Tensor:
        group = Group(3, begin[rows], noise[rows], None, overlaps.agreed if agreed else None)
        config = dict(build_scheduler("epsilon").config)
        offset = torch.arange(rows.start, rows.stop)[:, None, None, None] / 10  # each window is drawn differently
        return draw_latents(lambda x, t: x + offset, lambda: build_sampler(config, 4, "zero"), [group], 0.07)

    every = slice(0, len(starts))
    assert _same_where_they_overlap(drawn(every, True), starts)
    assert not _same_where_they_overlap(drawn(every, False), starts)
    last = slice(len(starts) - 1, len(starts))
    assert torch.equal(drawn(every, True)[last], drawn(last, False))
