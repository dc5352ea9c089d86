"""Exports as the tools open them that they are for."""

import contextlib
import io
import json
import subprocess
import sys

import numpy as np
import pytest
from pycocotools.coco import COCO

from synth.writers import write
from tests.synth.writers.held import hard_samples, with_depth


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("coco", "annotations/instances_{}.json"),
        ("coco_polygon", "annotations/instances_{}.json"),
        ("fiftyone", "{}/labels.json"),
    ],
)
def test_pycocotools_opens_it_with_equal_masks(name, labels, tmp_path):
    samples = hard_samples()
    write(samples, tmp_path / "out", name)
    seen = 0
    for split, short in {"train": "train", "validation": "val", "test": "test"}.items():
        with contextlib.redirect_stdout(io.StringIO()):
            opened = COCO(tmp_path / "out" / labels.format(short))
        kinds = {one["id"]: one["name"] for one in opened.loadCats(opened.getCatIds())}
        by_id = {one.id: one for one in samples if one.split == split}
        assert sorted(image["sample"] for image in opened.dataset["images"]) == sorted(by_id)
        for image in opened.dataset["images"]:
            one, mask = by_id[image["sample"]], np.zeros((image["height"], image["width"]), bool)
            for mark in opened.loadAnns(opened.getAnnIds(image["id"])):
                drawn = opened.annToMask(mark).astype(bool)
                assert mark["area"] == drawn.sum()
                assert kinds[mark["category_id"]] == one.defect
                mask |= drawn
            assert np.array_equal(mask, one.mask)
            seen += 1
    assert seen == len(samples)


def test_pycocotools_scores_a_perfect_prediction_with_one(tmp_path):
    from pycocotools.cocoeval import COCOeval

    write(hard_samples(), tmp_path / "out", "coco")
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(tmp_path / "out/annotations/instances_train.json")
        marks = [{**mark, "score": 0.9} for mark in truth.dataset["annotations"]]
        scored = COCOeval(truth, truth.loadRes(marks), "segm")
        scored.evaluate()
        scored.accumulate()
        scored.summarize()
    assert scored.stats[0] == pytest.approx(1.0)


def test_datasets_loads_the_tars_with_images_masks_and_clouds(tmp_path):
    from datasets import load_dataset

    samples = [with_depth(number) for number in range(8)]
    write(samples, tmp_path / "out", "webdataset")
    files = {split: str(tmp_path / "out" / f"{split}-*.tar") for split in ("train", "test")}
    for streaming in (False, True):
        data = load_dataset("webdataset", data_files=files, streaming=streaming, cache_dir=str(tmp_path / "cache"))
        rows = {row["json"]["id"]: row for split in ("train", "test") for row in data[split]}
        assert len(rows) == len(samples)
        for one in samples:
            row = rows[one.id]
            assert np.array_equal(np.asarray(row["png"]), one.image)
            assert np.array_equal(np.asarray(row["mask.png"]) > 0, one.mask)
            assert np.array_equal(np.array(row["xyz.npy"], np.float32), one.xyz)
            assert row["json"]["defect"] == (one.defect or "good")


def test_the_tools_are_not_needed_to_write_their_formats(tmp_path):
    program = """
import sys
for name in ("pycocotools", "webdataset", "fiftyone", "torch"):
    sys.modules[name] = None
import numpy as np
from synth.sample import Sample
from synth.writers import WRITERS, write
mask = np.ones((9, 9), bool)
for name, form in WRITERS.items():
    if form.apart:
        sample = Sample("a", np.zeros((9, 9, 3), np.uint8), mask, product="p", defect="d")
        write(sample, f"{sys.argv[1]}/{name}", name)
        print(name)
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 13
    assert json.loads((tmp_path / "coco/annotations/instances_train.json").read_text())["annotations"]
