from dataclasses import replace

import numpy as np
import pytest

from synth.checks.ledger import LedgerRow, build_ledger, read_ledger, write_ledger
from synth.errors import SourceError, WriterError
from synth.io.images import content_hash, perceptual_hash
from synth.sources import read_source
from synth.sources.config import FolderSource
from synth.split import make_split
from tests.synth.trees import folder_tree, random_image


def row(name: str, image: np.ndarray, role: str = "shot") -> LedgerRow:
    return LedgerRow(name, f"{name}.png", role, "lid", "bent", content_hash(image), perceptual_hash(image).tobytes())


def test_a_ledger_names_everything_that_has_a_role_and_comes_back(tmp_path):
    source = FolderSource(root=folder_tree(tmp_path / "tile"), test_fraction=0.34)
    split = make_split(read_source(source), source)
    ledger = build_ledger(split.roles, split.hashes)
    roles = {"shot": split.shots, "good": split.good_images, "test": split.test}
    for role, samples in roles.items():
        assert [r.id for r in ledger if r.role == role] == [s.id for s in samples] != []
    assert all(r.sha256 == content_hash(r.file) for r in ledger)
    write_ledger(ledger, tmp_path / "run" / "ledger.parquet")
    assert read_ledger(tmp_path / "run" / "ledger.parquet") == ledger
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["ledger.parquet"]
    assert build_ledger(replace(split, test=[], good_images=[]).roles, {}) == [r for r in ledger if r.role == "shot"]


def test_a_ledger_that_cannot_be_written_or_read_says_so(tmp_path):
    (tmp_path / "file").write_text("hello")
    with pytest.raises(WriterError, match="is not a folder; choose another --out"):
        write_ledger([], tmp_path / "file" / "ledger.parquet")
    with pytest.raises(SourceError, match="file is not a ledger"):
        read_ledger(tmp_path / "file")
    write_ledger([], tmp_path / "ledger.parquet")
    assert read_ledger(tmp_path / "ledger.parquet") == []


def test_a_ledger_whose_bytes_changed_is_refused_or_the_same(tmp_path):
    ledger = [row(f"marked{n}", random_image(n)) for n in range(5)]
    path = tmp_path / "ledger.parquet"
    write_ledger(ledger, path)
    content = path.read_bytes()
    places = [place for place in range(len(content)) if content[place : place + 6] == b"marked"]
    assert len(places) >= 5
    for place in places:
        path.write_bytes(content[:place] + b"M" + content[place + 1 :])
        try:
            found = read_ledger(path)
        except SourceError:
            continue
        assert found == ledger


@pytest.mark.parametrize(
    "wrong", [{"role": "shots"}, {"perceptual_hash": b"short"}, {"sha256": None}, {"product": None}, {"id": None}]
)
def test_a_ledger_with_a_row_that_no_run_writes_is_refused(tmp_path, wrong):
    write_ledger([replace(row("a", random_image(1)), **wrong)], tmp_path / "ledger.parquet")
    with pytest.raises(SourceError, match=r"ledger\.parquet is damaged: row .* is incomplete; copy the run again"):
        read_ledger(tmp_path / "ledger.parquet")
