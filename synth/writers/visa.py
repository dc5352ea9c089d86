"""VisA in its original layout (Zou et al. 2022):

<product>/Data/Images/Normal/NAME.png      the good images
<product>/Data/Images/Anomaly/NAME.png     the defects
<product>/Data/Masks/Anomaly/NAME.png      their masks, 0 and 255
<product>/image_anno.csv                   image, label (the defect type, or normal), mask
split_csv/1cls.csv                         object, split, label, image, mask: normal images for training and for testing

All defects are for testing there; label tells real ones of a run, real_<defect>, from synthetic ones. Signs of a type
that file names cannot have, and commas, are replaced by _.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence

from synth.io.names import file_name
from synth.io.png import png_bytes
from synth.sample import Sample
from synth.writers.labelled import image_and_mask, write_note
from synth.writers.names import Names
from synth.writers.sink import FolderSink

Row = tuple[str, ...]
_NOTE = """\
    <product>/Data/Images/Normal/    real good images
    <product>/Data/Images/Anomaly/   synthetic defects; real ones where their label begins with real_
    <product>/Data/Masks/Anomaly/    their masks (255 = defect)
    <product>/image_anno.csv         the defect type of each image
    split_csv/1cls.csv               which normal images are for testing

Synthetic defects are training data for a segmenter; judge a detector on normal test images and on real defects.
"""


def write(samples: Iterable[Sample], sink: FolderSink) -> None:
    """Write the tree. WriterError for a sample without an image, or a defective one without a mask."""
    names = Names()
    labels: dict[str, list[Row]] = defaultdict(list)
    splits: list[Row] = []
    for sample in samples:
        image, mask = image_and_mask(sample)
        product, good = file_name(str(sample.product)), sample.defect is None
        place = f"{product}/Data/Images/{'Normal' if good else 'Anomaly'}/{names.of(sample)}.png"
        truth = "" if good else place.replace("/Images/", "/Masks/")
        sink.put(place, image)
        if truth:
            sink.put(truth, png_bytes(mask))
        labels[product].append((place, "normal" if sample.defect is None else file_name(sample.defect), truth))
        split = "test" if not good or sample.split == "test" else "train"
        splits.append((product, split, "normal" if good else "anomaly", place, truth))
    for product, rows in labels.items():
        sink.put(f"{product}/image_anno.csv", _csv(("image", "label", "mask"), rows))
    sink.put("split_csv/1cls.csv", _csv(("object", "split", "label", "image", "mask"), splits))
    write_note(sink, "Synthetic defects in the layout of VisA", _NOTE)


def _csv(header: Row, rows: Sequence[Row]) -> bytes:
    buffer = io.StringIO()
    table = csv.writer(buffer, lineterminator="\n")
    table.writerows([header, *sorted(rows)])
    return buffer.getvalue().encode()
