"""Regions, run lengths and outlines give back the mask, pixel by pixel, whatever its shape."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image, ImageDraw
from pycocotools import mask as coco_masks

from synth.sources.labels.coco import decoded_counts
from synth.sources.labels.label_studio import decoded_brush
from synth.sources.labels.marks import Polygon, Runs
from synth.writers.outlines import inset_outline, outline
from synth.writers.regions import regions
from synth.writers.runs import box_run_lengths, brush_stroke, coco_rle, run_lengths
from tests.synth.writers.held import HARD, MASKS, drawn, sample, with_instances

EXAMPLES = settings(max_examples=120, deadline=None, derandomize=True)


def found(mask):
    return regions(sample("a", mask, "crack"))


@EXAMPLES
@given(MASKS)
def test_regions_are_the_mask_and_share_no_pixel(mask):
    count = sum((one.drawn(mask.shape).astype(int) for one in found(mask)), np.zeros(mask.shape, int))
    assert np.array_equal(count, mask.astype(int))
    assert all(one.mask.any(0)[[0, -1]].all() and one.mask.any(1)[[0, -1]].all() for one in found(mask))


def test_instances_that_a_sample_knows_are_regions_however_many_pieces_they_have():
    one, other, rest = regions(with_instances())
    assert (one.box, one.area) == ((0, 0, 3, 2), 6)
    assert (other.box, other.area, len(other.pieces())) == ((3, 0, 6, 2), 8, 2)
    assert rest.box == (4, 3, 1, 1)


def test_pixels_that_a_mask_lost_after_drawing_are_of_no_instance():
    made = with_instances()
    edited = made.mask.copy()
    edited[:, :3] = False
    kept = regions(sample("a", edited, "crack", provenance=made.provenance))
    assert np.array_equal(np.logical_or.reduce([one.drawn(edited.shape) for one in kept]), edited)


@EXAMPLES
@given(MASKS)
def test_run_lengths_are_those_of_pycocotools(mask):
    for one in found(mask):
        whole = one.drawn(mask.shape)
        rle = coco_rle(one, mask.shape)
        assert rle["counts"] == coco_masks.encode(np.asfortranarray(whole.astype(np.uint8)))["counts"].decode()
        assert list(decoded_counts(rle["counts"])) == run_lengths(one, mask.shape)
        assert np.array_equal(coco_masks.decode(rle), whole)


@EXAMPLES
@given(MASKS)
def test_runs_of_a_box_give_back_the_region(mask):
    for one in found(mask):
        left, top, width, height = one.box
        again = np.zeros(mask.shape, bool)
        Runs(tuple(box_run_lengths(one)), (top, left, height, width), by_column=False).draw(again)
        assert np.array_equal(again, one.drawn(mask.shape))


@settings(EXAMPLES, max_examples=30)
@given(MASKS)
def test_a_brush_stroke_gives_back_the_region(mask):
    for one in found(mask):
        values = decoded_brush(bytes(brush_stroke(one, mask.shape))).reshape(*mask.shape, 4)
        assert np.array_equal(values > 0, np.repeat(one.drawn(mask.shape)[..., None], 4, 2))


def test_a_brush_stroke_longer_than_a_run_may_be_is_several_runs():
    mask = np.ones((150, 160), bool)
    mask[70] = False
    (upper, lower) = found(mask)
    values = [
        decoded_brush(bytes(brush_stroke(one, mask.shape))).reshape(150, 160, 4)[..., 3] for one in (upper, lower)
    ]
    assert np.array_equal(np.maximum(*values) > 0, mask)


def filled_by_pycocotools(ring, size):
    flat = [float(number) for point in ring for number in point]
    return coco_masks.decode(coco_masks.frPyObjects([flat], *size))[..., 0].astype(bool)


def filled_by_our_reader(ring, size):
    mask = np.zeros(size, bool)
    Polygon(tuple(float(number) for point in ring for number in point)).draw(mask)
    return mask


@pytest.mark.parametrize("fill", [filled_by_pycocotools, filled_by_our_reader])
@settings(EXAMPLES, max_examples=60)
@given(MASKS)
def test_an_outline_filled_by_centres_of_pixels_is_the_piece_with_its_holes(fill, mask):
    for one in found(mask):
        assert np.array_equal(fill(outline(one), mask.shape), one.drawn(mask.shape))


@pytest.mark.parametrize("name", HARD)
def test_outlines_of_hard_masks_are_exact(name):
    mask = drawn(HARD[name])
    again = np.zeros(mask.shape, bool)
    for one in found(mask):
        ring = outline(one)
        assert len(ring) >= 4
        assert np.array_equal(filled_by_pycocotools(ring, mask.shape), one.drawn(mask.shape))
        again |= filled_by_our_reader(ring, mask.shape)
    assert np.array_equal(again, mask)


def test_an_outline_has_corners_alone():
    (square,) = found(np.ones((5, 9), bool))
    assert outline(square) == [(0, 0), (9, 0), (9, 5), (0, 5)]


def filled_with_border_by_opencv(ring, size):
    """As Ultralytics makes masks of polygons."""
    mask = np.zeros(size, np.uint8)
    return cv2.fillPoly(mask, [np.array(ring, np.float32).astype(np.int32)], 1) > 0


def filled_with_border_by_pillow(ring, size):
    """As labelme makes masks of polygons."""
    mask = Image.new("L", size[::-1], 0)
    ImageDraw.Draw(mask).polygon([tuple(point) for point in ring], outline=1, fill=1)
    return np.asarray(mask) > 0


@pytest.mark.parametrize(
    "fill",
    [filled_by_pycocotools, filled_by_our_reader, filled_with_border_by_opencv, filled_with_border_by_pillow],
)
@settings(EXAMPLES, max_examples=40)
@given(MASKS)
def test_an_inset_outline_is_the_piece_whichever_way_a_reader_fills_it(fill, mask):
    for one in found(mask):
        assert np.array_equal(fill(inset_outline(one), mask.shape), one.drawn(mask.shape))


@pytest.mark.parametrize("name", HARD)
def test_inset_outlines_of_hard_masks_are_exact_with_their_border(name):
    mask = np.pad(drawn(HARD[name]), ((3, 0), (5, 0)))
    for one in found(mask):
        assert np.array_equal(filled_with_border_by_opencv(inset_outline(one), mask.shape), one.drawn(mask.shape))
