import multiprocessing
import time
from pathlib import Path

import numpy as np
import pytest

from synth import generators
from synth.errors import RunError
from synth.pipeline.journal import Journal, Record
from synth.pipeline.runs import Run
from tests.synth.blobs import BLOBS, run_blobs, run_slowly, tree, write_source

KILLS = 10


def test_a_run_killed_at_ten_random_moments_ends_as_an_uninterrupted_one(tmp_path, monkeypatch):
    source, out = write_source(tmp_path / "source"), tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setitem(generators.GENERATORS, "seas", BLOBS)
        expected = run_blobs(source, tmp_path / "whole")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "tests.synth.blobs", "synth.pipeline.page.gallery", "pyarrow.parquet"])
    rng = np.random.default_rng(5)
    # Moments by progress, not by the clock: files on disk, from none to nearly all, so that load does not shift them.
    for files in sorted(rng.integers(0, 0.9 * _files(expected.path), KILLS)):
        process = context.Process(target=run_slowly, args=(source, out, 0.01))
        process.start()
        while _files(out) < files and process.exitcode is None:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.03))
        assert process.exitcode is None, "finished before it could be killed"
        process.kill()
        process.join()
    process = context.Process(target=run_slowly, args=(source, out, 0))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert tree(out) == tree(expected.path)
    assert Run(out).manifest == expected.manifest


def _files(path: Path) -> int:
    return sum(file.is_file() for file in path.rglob("*"))


def _record(index: int) -> Record:
    return Record(
        id=f"tile-crack-{index:05d}",
        product="tile",
        defect="crack",
        index=index,
        seed=index * 7,
        status="accepted",
        window=(1, 2, 30),
        scores={"area": 0.25},
    )


def test_the_journal_gives_back_what_was_added(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    journal.add("tile", "crack", [_record(0), _record(1)])
    journal.add("tile", "stain", [])
    again = Journal(journal.path)
    assert again.records == [_record(0), _record(1)]
    assert (again.closed("tile", "crack"), again.closed("tile", "stain"), again.closed("tile", "dent")) == (1, 1, 0)


@pytest.mark.parametrize("lost", [1, 5, 60, 200])
def test_a_torn_tail_costs_its_batch_only_and_is_cut_by_the_next(lost, tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.add("tile", "crack", [_record(0), _record(1)])
    journal.add("tile", "crack", [_record(2), _record(3)])
    whole = path.read_bytes()
    path.write_bytes(whole[:-lost])
    again = Journal(path)
    assert again.records == [_record(0), _record(1)]
    again.add("tile", "crack", [_record(2), _record(3)])
    assert path.read_bytes() == whole


def test_damage_in_the_middle_is_reported_with_its_line(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.add("tile", "crack", [_record(0), _record(1)])
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"garbage\n" + lines[2])
    with pytest.raises(RunError, match=r"journal\.jsonl:2 is damaged"):
        Journal(path)
