import multiprocessing

import numpy as np
import pytest

from synth import preparation
from synth.errors import RunError
from synth.journal import Journal, Record
from synth.run import Run
from tests.synth.blobs import BlobGenerator, carry_out_slowly, run_blobs, tree, write_source

KILLS = 10


def test_a_run_killed_at_ten_random_moments_ends_as_an_uninterrupted_one(tmp_path, monkeypatch):
    source = write_source(tmp_path / "source")
    with monkeypatch.context() as patch:
        patch.setitem(preparation.GENERATORS, "seas", BlobGenerator)
        expected = run_blobs(source, tmp_path / "whole")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.synth.blobs", "synth.writers.gallery", "pyarrow.parquet"])
    rng = np.random.default_rng(5)
    kills, number = 0, 0
    while True:
        out = tmp_path / f"out{number}"
        process = context.Process(target=carry_out_slowly, args=(source, out, 0.02))
        process.start()
        process.join(rng.uniform(0.02, 0.7) if kills < KILLS else None)
        if process.exitcode is None:
            process.kill()
            process.join()
            kills += 1
            continue
        assert process.exitcode == 0
        assert tree(out) == tree(expected.path)
        assert Run(out).manifest == expected.manifest
        if kills >= KILLS:
            return
        number += 1


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
