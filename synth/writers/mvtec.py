"""The MVTec AD tree, as every anomaly-detection library reads it:

<product>/train/good/NAME.png                  the good images
<product>/test/good/NAME.png                   the good images that are kept for testing
<product>/test/<defect>/ID.png                 the synthetic defects
<product>/ground_truth/<defect>/ID_mask.png    their masks, 0 and 255

The tree knows no place for training defects, so they stand under test/, where readers look for defects. They were
drawn onto the images of train/good: train a segmenter on them, and judge a detector on real test images only, which a
run writes as test/real_<defect> (`output.real_test`).
"""

from __future__ import annotations

from collections.abc import Iterable

from synth.errors import WriterError
from synth.io.encoded import encode
from synth.io.names import GOOD, file_name
from synth.sample import Sample
from synth.writers.names import Stems
from synth.writers.sink import FolderSink

_NOTE = """\
Synthetic defects in the MVTec AD layout, made by flawsmith.

    <product>/train/good/                 real good images, onto which the defects were drawn
    <product>/test/good/                  other real good images, where the source has some for testing
    <product>/test/<defect>/              synthetic defects: training data for a segmenter
    <product>/test/real_<defect>/         real defects for testing, with output.real_test: never train on them
    <product>/ground_truth/<defect>/      the masks of both (255 = defect)

Train a detector on train/good. Its scores on test/<defect> say how it copes with synthetic defects on
parts it has seen; judge it on test/good and test/real_<defect>.
The terms of the real images hold for everything here.
"""


def write(samples: Iterable[Sample], sink: FolderSink) -> None:
    """Write the tree. WriterError for a sample without an image, or a defective one without a mask."""
    stems = Stems()
    for sample in samples:
        files, product = encode(sample), file_name(str(sample.product))
        if "image" not in files or (sample.defect is not None and "mask" not in files):
            raise WriterError(f"{sample.id} lacks an image or a mask; choose another format")
        part = "test" if sample.defect is not None or sample.split == "test" else "train"
        folder = f"{product}/{part}/{GOOD if sample.defect is None else file_name(sample.defect)}"
        stem = stems.of(sample, folder)
        sink.put(f"{folder}/{stem}.png", files["image"])
        if sample.defect is not None:
            sink.put(f"{product}/ground_truth/{file_name(sample.defect)}/{stem}_mask.png", files["mask"])
    sink.put("README.txt", _NOTE.encode())
