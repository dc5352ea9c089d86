"""Real data, where it is there: a dark tyre on a dark ground, whose foreground no threshold finds.

tread.json holds the outline of the tread, (x, y) in px, drawn by hand on ten good images of the training side."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy import ndimage

from synth.baselines.config import CopyPasteConfig
from synth.baselines.copy_paste import CopyPasteGenerator
from synth.checks import Reject
from synth.checks.config import ChecksConfig
from synth.checks.mask import judge
from synth.generators import Request
from synth.sources import read

TYRE = Path(__file__).parents[3].parent / "shared" / "data" / "tire"
TREAD = json.loads((Path(__file__).parent / "tread.json").read_text())
EACH = 18


def spread(areas) -> float:
    """90th over 10th percentile, both values that occur: between those of a few shots lie none that could be drawn."""
    low, high = np.quantile(areas, (0.1, 0.9), method="inverted_cdf")
    return float(high / low)


@pytest.mark.skipif(not TYRE.is_dir(), reason="needs the tyre set")
def test_defects_land_on_the_tread_of_a_tyre_and_keep_their_size():
    train = [sample for sample in read(TYRE, split="split.json") if sample.split == "train"]
    good_images = [s for s in train if s.defect is None and Path(s.meta["file"]).name in TREAD]
    shots = [s for s in train if s.defect is not None]
    generator = CopyPasteGenerator(CopyPasteConfig())
    generator.fit(shots, good_images)
    on_tread, accepted = [], {}
    for defect in sorted({shot.defect for shot in shots}):
        drawn = generator.draw([Request("tire", defect, index) for index in range(EACH)])
        for sample in drawn:
            if isinstance(judge(sample, ChecksConfig(), generator.surroundings("tire")).verdict, Reject):
                continue
            accepted.setdefault(defect, []).append(sample.mask.sum())
            outline = np.array(TREAD[Path(sample.provenance.start.file).name], np.int32)
            tread = cv2.fillPoly(np.zeros(sample.mask.shape, np.uint8), [outline], 1) > 0
            # The outline is sure to 5 px where the shoulder fades into the shadow.
            on_tread.append(ndimage.binary_dilation(tread, iterations=5)[sample.mask].mean() >= 0.8)
    assert np.mean(on_tread) >= 0.98
    assert len(on_tread) >= 0.7 * 3 * EACH
    for defect, areas in accepted.items():
        assert spread(areas) <= 1.5 * spread([shot.mask.sum() for shot in shots if shot.defect == defect])
