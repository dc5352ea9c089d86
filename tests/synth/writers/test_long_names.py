"""Names of products, types and files that no file system takes whole."""

from __future__ import annotations

import numpy as np
import pytest

from synth.io.names import LONGEST, file_name
from synth.sample import Cloud, Sample
from synth.writers import WRITERS, write

LONG = {"ascii": "x" * 300, "umlauts": "ü" * 200, "ideographs": "部品" * 60}


@pytest.mark.parametrize("name", LONG)
def test_a_long_name_is_cut_and_differs_from_others_that_begin_alike(name):
    one, other = file_name(LONG[name] + "1"), file_name(LONG[name] + "2")
    assert one != other
    assert file_name(LONG[name] + "1") == one
    assert len(one.encode()) <= LONGEST
    assert one.encode().decode() == one


def test_names_that_fit_stay():
    for name in ("a", "x" * LONGEST, "ü" * (LONGEST // 2)):
        assert file_name(name) == name


@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("form", WRITERS)
def test_every_format_is_written_whatever_the_length_of_names(form, name, tmp_path):
    rows, columns = np.indices((11, 13), dtype=np.float32)
    xyz = np.stack([columns, rows, np.ones_like(rows)], -1) * np.float32(0.01) + np.float32(0.5)
    samples = []
    for index, defect in enumerate((None, None, LONG[name] + "t", LONG[name] + "u")):
        mask = np.zeros((11, 13), bool)
        mask[2:5, 3:8] = defect is not None
        image = np.full((11, 13, 3), 40 * index, np.uint8)
        cloud = Cloud(xyz.reshape(-1, 3) + np.float32(index), labels=mask.ravel()) if form == "ply" else None
        sample_id = f"{LONG[name]}/{LONG[name]}/{LONG[name]}-{index:05d}"
        grid = None if cloud is not None else xyz
        samples.append(Sample(sample_id, image, mask, grid, cloud, LONG[name], defect, "train"))
    write(samples, tmp_path / "out", form)
    files = [file for file in (tmp_path / "out").rglob("*") if file.is_file()]
    assert files
    assert max(len(part.encode()) for file in files for part in file.parts) <= 255 - 14
