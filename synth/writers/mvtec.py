"""The MVTec AD tree, as every anomaly-detection library reads it:

<product>/train/good/NAME.png                  the good images
<product>/test/<defect>/ID.png                 the synthetic defects
<product>/ground_truth/<defect>/ID_mask.png    their masks, 0 and 255

The tree knows no place for training defects, so they stand under test/, where readers look for defects. They were
drawn onto the images of train/good: train a segmenter on them, and judge a detector on real test images only.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from synth.io.names import file_name
from synth.pipeline.folder import link_or_copy, write_whole
from synth.writers import Dataset

_NOTE = """\
Synthetic defects in the MVTec AD layout, made by flawsmith.

    <product>/train/good/                 real good images
    <product>/test/<defect>/              synthetic defects: training data for a segmenter
    <product>/ground_truth/<defect>/      their masks (255 = defect)

The synthetic defects were drawn onto the images of train/good. Scores of a detector on this test folder
say how it copes with synthetic defects on parts it has seen; judge it on real test images.
The terms of the real images hold for everything here.
"""


def write(dataset: Dataset, folder: Path) -> None:
    """Write the tree under `folder`. Files are hard links to the run's own where the file system has them."""
    for good in dataset.good_images:
        name = PurePosixPath(good.image).name
        link_or_copy(dataset.root / good.image, folder / file_name(good.product) / "train" / "good" / name)
    for record in dataset.records:
        image, mask = record.files
        product, defect = folder / file_name(record.product), file_name(record.defect)
        name = PurePosixPath(image).stem
        link_or_copy(dataset.root / image, product / "test" / defect / f"{name}.png")
        link_or_copy(dataset.root / mask, product / "ground_truth" / defect / f"{name}_mask.png")
    write_whole(folder / "README.txt", _NOTE.encode())
