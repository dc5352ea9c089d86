"""Files for FiftyOne's importer of COCO, which holds masks without loss; FiftyOne itself is not needed to write them:

<split>/data/NAME.png, <split>/labels.json       split: train, val, test

    fiftyone.Dataset.from_dir(dataset_dir="<split>", dataset_type=fiftyone.types.COCODetectionDataset,
                              label_types=["detections", "segmentations"])
"""

from __future__ import annotations

from collections.abc import Iterable

from synth.sample import Sample
from synth.writers.coco import annotating, content
from synth.writers.labelled import by_split, classes, collect, write_note
from synth.writers.runs import coco_rle
from synth.writers.sink import FolderSink

_NOTE = """\
    <split>/data/         the images
    <split>/labels.json   instances as run lengths; an image without any is good

    import fiftyone
    fiftyone.Dataset.from_dir(
        dataset_dir="<split>",
        dataset_type=fiftyone.types.COCODetectionDataset,
        label_types=["detections", "segmentations"],
    )

"""


def write(samples: Iterable[Sample], sink: FolderSink) -> None:
    """Write them. WriterError for a sample without an image, or a defective one without a mask."""
    found = collect(samples, sink, "{split}/data", annotating(coco_rle))
    names = classes(found)
    for split, some in by_split(found):
        sink.put(f"{split}/labels.json", content(some, names))
    write_note(sink, "A dataset for FiftyOne", _NOTE)
