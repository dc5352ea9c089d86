"""What the formats of labels have in common: an image in a file, and a short description of its regions.

Descriptions are collected and images are written one at a time, since the number of a class is known only when all
samples have been seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from synth.errors import WriterError
from synth.io.encoded import Encoded
from synth.io.names import LONGEST
from synth.io.png import png_bytes
from synth.sample import Sample
from synth.writers.names import Names, one_line
from synth.writers.regions import Region, regions
from synth.writers.sink import FolderSink

SPLITS = {"validation": "val", "test": "test"}
"""Role of a sample -> its folder's name; any other is for training."""
MOST_CLASSES = 254
"""Numbers that an 8-bit mask has besides 0, the background, and 255, which evaluators leave out."""

Size = tuple[int, int]
Shapes = TypeVar("Shapes")


class Labelled(NamedTuple, Generic[Shapes]):
    """A sample without its pixels. name: of its file, without the ending; kind: its defect type, None = good; size:
    (H, W); shapes: what the format says of its regions."""

    name: str
    split: str
    id: str
    product: str
    kind: str | None
    size: Size
    shapes: Shapes

    @property
    def file(self) -> str:
        """The name of its image's file."""
        return f"{self.name}.png"


def collect(
    samples: Iterable[Sample],
    sink: FolderSink,
    place: str,
    describe: Callable[[list[Region], Size], Shapes],
) -> list[Labelled[Shapes]]:
    """Write each image to `place`, in which {split} is its split's name, and describe its regions; sorted by split and
    name, whatever the order of the samples. WriterError as in `image_and_mask`, and for a defect without a pixel."""
    names = Names()
    found = []
    for sample in samples:
        image, mask = image_and_mask(sample)
        if sample.defect is not None and not mask.any():
            raise WriterError(
                f"{sample.id} has a black mask, so this format would call it good; leave it out or choose mvtec"
            )
        name, split = names.of(sample, LONGEST), SPLITS.get(sample.split or "", "train")
        sink.put(f"{place.format(split=split)}/{name}.png", image)
        kind = None if sample.defect is None else one_line(sample.defect)
        size = (int(mask.shape[0]), int(mask.shape[1]))
        shapes = describe(regions(sample) if kind is not None else [], size)
        found.append(Labelled(name, split, sample.id, str(sample.product), kind, size, shapes))
    return sorted(found, key=lambda one: (one.split, one.name))


def image_and_mask(sample: Sample) -> tuple[Encoded, np.ndarray]:
    """The image's file and the mask, bool (H, W), black for a good sample. WriterError for a sample without an image,
    or a defective one without a mask."""
    if sample.image is None:
        raise WriterError(f"{sample.id} lacks an image; choose another format")
    if sample.defect is None:
        mask = np.zeros(sample.image.shape[:2], bool)
    elif sample.mask is None:
        raise WriterError(f"{sample.id} lacks a mask; choose another format")
    else:
        mask = sample.mask
    return Encoded(".png", png_bytes(sample.image)), mask


def classes(found: Iterable[Labelled[Shapes]]) -> list[str]:
    """The defect types in alphabetical order, which gives them their numbers."""
    return sorted({one.kind for one in found if one.kind is not None})


def few_classes(found: Iterable[Labelled[Shapes]]) -> list[str]:
    """`classes`, for masks that hold numbers. WriterError for more than an 8-bit mask has."""
    names = classes(found)
    if len(names) > MOST_CLASSES:
        raise WriterError(f"{len(names)} defect types are more than the {MOST_CLASSES} of an 8-bit mask; choose coco")
    return names


def by_split(found: Sequence[Labelled[Shapes]]) -> Iterator[tuple[str, list[Labelled[Shapes]]]]:
    """(name, samples) of each split that has any."""
    for split in ("train", "val", "test"):
        some = [one for one in found if one.split == split]
        if some:
            yield split, some


def write_note(sink: FolderSink, title: str, text: str) -> None:
    """README.txt: the title, what is where, and the terms."""
    content = f"{title}, made by flawsmith.\n\n{text}The terms of the real images hold for everything here.\n"
    sink.put("README.txt", content.encode())
