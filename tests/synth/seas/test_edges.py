"""Masks of drawn marks end where the shots' outlines do."""

import numpy as np
import pytest
from scipy import ndimage

from synth.seas.edges import corrected, edge_level, tighten
from synth.seas.marks import Mark, describe


def fading_mark(radius: float = 9.0, fade: float = 2.0, strength: float = 60.0) -> tuple[np.ndarray, np.ndarray]:
    """A grainy grey image with a dark disc that fades out, and the disc's strength in [0, 1] pixel by pixel."""
    y, x = np.mgrid[-32:32, -32:32] + 0.5
    share = ndimage.gaussian_filter((np.hypot(x, y) < radius).astype(float), fade)
    share /= share.max()
    grain = np.random.default_rng(0).normal(0, 2, share.shape)
    grey = 140 + grain - strength * share
    return np.repeat(grey.round().astype(np.uint8)[..., None], 3, axis=-1), share


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize("drawn_at", [0.2, 0.35, 0.5])
def test_measures_where_the_annotator_drew_the_line(drawn_at: float) -> None:
    image, share = fading_mark()
    assert edge_level([describe(image, share > drawn_at)] * 3) == pytest.approx(drawn_at, abs=0.08)


def test_one_careless_outline_does_not_count() -> None:
    image, share = fading_mark()
    marks = [describe(image, share > level) for level in (0.45, 0.5, 0.02)]
    assert edge_level(marks) == edge_level(marks[:1])


def test_marks_that_hardly_show_and_outlines_without_image_say_nothing() -> None:
    image, share = fading_mark(strength=3)
    faint = describe(image, share > 0.5)
    drawn = Mark(faint.outline, None, None, faint.size, faint.centre, None, False, 0.0, 1.0)
    assert edge_level([faint, drawn]) == edge_level([]) == 0.3


@pytest.mark.parametrize("drawn_at", [0.3, 0.5, 0.6])
def test_a_loose_mask_gets_the_measured_tightness(drawn_at: float) -> None:
    after, share = fading_mark()
    before = np.full_like(after, 140)
    loose, wanted = share > 0.08, share > drawn_at
    tight = tighten(loose, before, after, edge_level([describe(after, wanted)]))
    assert overlap(tight, wanted) > 0.86
    assert overlap(loose, wanted) < 0.75
    assert not (tight & ~loose).any()


def test_a_thin_line_halves() -> None:
    y, x = np.mgrid[:64, :64]
    share = np.exp(-((y - 32) ** 2) / (2 * 1.0**2)) * ((x > 8) & (x < 56))
    before = np.full((64, 64, 3), 120, np.uint8)
    after = (before - 50 * share[..., None]).round().astype(np.uint8)
    tight = tighten(ndimage.binary_dilation(share > 0.05), before, after, 0.5)
    assert tight[:, 32].sum() in (2, 3)
    assert tight[:, 12:52].any(axis=0).all()


def test_the_outline_of_a_faint_wide_mark_does_not_fray() -> None:
    y, x = np.mgrid[:90, :120]
    frayed = (np.abs(y - 45) < 22) & (np.abs(x - 60) < 40) & ((x // 3) % 2 == 0)
    loose = frayed | ((np.abs(y - 45) < 19) & (np.abs(x - 60) < 37))
    before = np.full((90, 120, 3), 120, np.uint8)
    after = np.where(loose[..., None], 130, before).astype(np.uint8)

    def border(mask: np.ndarray) -> int:
        return int((mask ^ ndimage.binary_erosion(mask)).sum())

    tight = tighten(loose, before, after, 0.3)
    assert overlap(tight, loose) > 0.9
    assert border(tight) < 0.7 * border(loose)


def test_what_lies_deep_stays_and_a_mask_never_vanishes() -> None:
    mask = np.zeros((80, 80), bool)
    mask[10:70, 10:70] = True
    before = np.full((80, 80, 3), 120, np.uint8)
    after = before.copy()
    after[10:40, 10:70] = 60
    assert tighten(mask, before, after, 0.5)[20:60, 20:60].all()
    assert overlap(tighten(mask, before, before, 0.5), mask) > 0.99
    speck = np.zeros((80, 80), bool)
    speck[5, 5] = True
    assert np.array_equal(tighten(speck, before, before, 0.5), speck)
    nothing = np.zeros((80, 80), bool)
    assert not tighten(nothing, before, after, 0.5).any()


def test_the_images_border_is_no_outline() -> None:
    mask = np.zeros((40, 60), bool)
    mask[:12, 20:40] = True
    before = np.full((40, 60, 3), 120, np.uint8)
    after = before.copy()
    after[:12, 20:40] = 118
    after[:6, 20:40] = 60
    tight = tighten(mask, before, after, 0.5)
    assert tight[0, 20:40].all()
    assert not tight[11].any()


def _disc(radius: float) -> tuple[np.ndarray, np.ndarray]:
    """A dark disc on grey, (61, 47, 3) uint8, with an edge of about two pixels, and its mask."""
    away = np.hypot(*(np.mgrid[:61, :47] - np.array([30, 22])[:, None, None])) - radius
    image = 120 - 60 * np.clip(0.5 - away / 2, 0, 1)
    return np.repeat(np.rint(image)[..., None], 3, axis=2).astype(np.uint8), away <= 0


GOOD_DISC = np.full((61, 47, 3), 120, np.uint8)


def test_what_is_drawn_as_it_was_pasted_keeps_its_mask() -> None:
    pasted, mask = _disc(9)
    kept, gone = corrected(mask, GOOD_DISC, pasted, pasted)
    assert np.array_equal(kept, mask)
    assert not gone.any()


@pytest.mark.parametrize("radius", [6.8, 10.5])
def test_a_pasted_label_follows_an_outline_that_drawing_moved_a_little(radius: float) -> None:
    pasted, mask = _disc(9)
    after, wanted = _disc(radius)
    kept, _ = corrected(mask, GOOD_DISC, pasted, after)
    assert (kept ^ wanted).sum() < 0.5 * (mask ^ wanted).sum()


def test_pieces_that_drawing_wiped_out_are_no_defect_and_those_beside_them_stay() -> None:
    pasted, mask = _disc(9)
    pasted[50:56, 35:42], mask[50:56, 35:42] = 60, True
    after, left = _disc(9)
    kept, gone = corrected(mask, GOOD_DISC, pasted, after)
    assert np.array_equal(kept, left)
    assert gone[50:56, 35:42].all()
    assert not gone[left].any()
    nothing, everywhere = corrected(mask, GOOD_DISC, pasted, GOOD_DISC)
    assert not nothing.any()
    assert everywhere.all()
