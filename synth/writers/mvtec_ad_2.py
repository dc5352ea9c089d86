"""The tree of MVTec AD 2 (Heckler-Kram et al. 2025):

<product>/train/good/NAME.png                                 the good images
<product>/validation/good/NAME.png                            good ones for validation
<product>/test_public/good/NAME.png                           good ones that are kept for testing
<product>/test_public/bad/<defect>_NAME.png                   the defects
<product>/test_public/ground_truth/bad/<defect>_NAME_mask.png their masks, 0 and 255

The tree knows no types, so the type begins a file's name: real test defects of a run are those of real_<defect>. Only
validation/good has a place of its own among the roles; all defects stand under test_public, where readers look.
"""

from __future__ import annotations

from collections.abc import Iterable

from synth.io.names import GOOD, LONGEST, file_name
from synth.io.png import png_bytes
from synth.sample import Sample
from synth.writers.labelled import image_and_mask, write_note
from synth.writers.names import Names
from synth.writers.sink import FolderSink

PLACES = {"test": "test_public", "validation": "validation"}
"""Role of a good sample -> its folder; any other is for training."""
_HALF = LONGEST // 2
"""Bytes of a type and of a name where both stand in one."""
_NOTE = """\
    <product>/train/good/, validation/good/          real good images
    <product>/test_public/good/                      other real good images, where the source has some for testing
    <product>/test_public/bad/<defect>_NAME.png      synthetic defects; real ones where <defect> begins with real_
    <product>/test_public/ground_truth/bad/          their masks (255 = defect)

Synthetic defects are training data for a segmenter; judge a detector on test_public/good and on real defects.
"""


def write(samples: Iterable[Sample], sink: FolderSink) -> None:
    """Write the tree. WriterError for a sample without an image, or a defective one without a mask."""
    names = Names()
    for sample in samples:
        image, mask = image_and_mask(sample)
        product, name = file_name(str(sample.product)), names.of(sample, _HALF)
        if sample.defect is None:
            sink.put(f"{product}/{PLACES.get(sample.split or '', 'train')}/{GOOD}/{name}.png", image)
            continue
        name = f"{file_name(sample.defect, _HALF)}_{name}"
        sink.put(f"{product}/test_public/bad/{name}.png", image)
        sink.put(f"{product}/test_public/ground_truth/bad/{name}_mask.png", png_bytes(mask))
    write_note(sink, "Synthetic defects in the layout of MVTec AD 2", _NOTE)
