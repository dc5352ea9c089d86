"""Masks that hold several types by their values: refused until source.classes says what is what, then read right."""

import numpy as np
import pytest
from PIL import Image

from synth.errors import SourceError
from synth.pipeline.inspect import inspect
from synth.recipe import source_for
from synth.sources import list_source
from synth.sources.listing import samples
from tests.synth.trees import random_image, save

SIZE = (64, 80)
SCRATCH, DENT = (slice(8, 14), slice(5, 60)), (slice(30, 50), slice(30, 55))


def classes_of(number):
    """0 = nothing, 1 = a scratch, 2 = a dent; every sixth image is good, every third shows both."""
    values = np.zeros(SIZE, np.uint8)
    if number % 6 and number % 2:
        values[SCRATCH] = 1
    if number % 6 and (number % 2 == 0 or number % 3 == 0):
        values[DENT] = 2
    return values


def grey(path, values):
    save(path, values)


def bright(path, values):
    save(path, values * 120)


def palette(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(values, "P")
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    image.save(path)


def colours(path, values):
    save(path, np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0]], np.uint8)[values])


ENCODINGS = {
    "grey": (grey, "{scratch: [1], dent: [2]}"),
    "bright": (bright, "{scratch: [120], dent: [240]}"),
    "palette": (palette, "{scratch: [1], dent: [2]}"),
    "colours": (colours, '{scratch: ["#ff0000"], dent: ["#00ff00"]}'),
}


def tree(root, write, count=12):
    """As NEU-Seg and VOC keep them: images and annotations side by side."""
    for number in range(count):
        save(root / "images" / "training" / f"{number:03}.png", random_image(number, *SIZE))
        write(root / "annotations" / "training" / f"{number:03}.png", classes_of(number))
    return root


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_type_has_its_own_mask(tmp_path, encoding):
    write, classes = ENCODINGS[encoding]
    root = tree(tmp_path / "steel", write)
    source = source_for(root, "folder", [f"source.classes={classes}"])
    listing = list_source(source)
    seen = {}
    for sample in samples(listing):
        number = int(sample.meta["file"].rsplit("/", 1)[1][:3])
        wanted = classes_of(number)
        value = {None: 0, "scratch": 1, "dent": 2}[sample.defect]
        assert (sample.mask == (wanted == value) & (value > 0)).all()
        seen.setdefault(number, []).append(sample.defect)
    for number in range(12):
        types = {1: "scratch", 2: "dent"}
        assert sorted(map(str, seen[number])) == sorted(
            [types[v] for v in np.unique(classes_of(number)) if v] or ["None"]
        )
    assert "2 with a black mask are good" in listing.notes[-1]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_without_classes_such_masks_are_refused_with_the_field(tmp_path, encoding):
    root = tree(tmp_path / "steel", ENCODINGS[encoding][0])
    with pytest.raises(SourceError, match=r"source\.classes"):
        list(samples(list_source(source_for(root, "folder"))))
    assert not inspect(root).usable


def test_classes_that_are_not_asked_for_are_left_out_and_counted(tmp_path):
    root = tree(tmp_path / "steel", grey)
    listing = list_source(source_for(root, "folder", ["source.classes={scratch: [1]}"]))
    assert {entry.defect for entry in listing.entries} == {"scratch", None}
    assert "with other values only are left out" in listing.notes[-1]
