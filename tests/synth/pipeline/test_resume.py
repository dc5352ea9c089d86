import multiprocessing
import time
from pathlib import Path

import numpy as np
import pytest

from synth import generators
from synth.pipeline.journal import Journal
from synth.pipeline.runs import Run
from synth.pipeline.stored import StoredFile, StoredSample
from synth.sample import Origin, Provenance
from tests.synth.blobs import BLOBS, run_blobs, run_slowly, tree, write_source

KILLS = 10
KIND = ("tile", "crack")


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
    try:
        return sum(file.is_file() for file in path.rglob("*"))
    except FileNotFoundError:  # a folder went away while it was read
        return 0


def _record(index: int, role: str = "accepted", defect: str = "crack") -> StoredSample:
    provenance = Provenance(
        "blobs", index * 7, index, Origin("good", "f" * 64, "g.png"), (1, 2, 30), {"confidence": 0.5}
    )
    files = {"image": StoredFile(f"samples/{index}.png", "a" * 64)}
    name = f"tile-{defect}-{index:05d}"
    return StoredSample(name, role, "tile", defect, files, provenance=provenance, scores={"area": 0.25})


def test_the_journal_gives_back_what_was_added(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    journal.add(("tile", "crack"), [_record(0), _record(1)])
    journal.add(("tile", "stain"), [])
    again = Journal(journal.path)
    assert list(again.samples()) == [_record(0), _record(1)]
    assert [again.closed(("tile", name)) for name in ("crack", "stain", "dent")] == [1, 1, 0]
    assert again.result(("tile", "crack")).accepted == 2


@pytest.mark.parametrize("lost", [1, 5, 60, 200])
def test_a_torn_tail_costs_its_shard_only_and_is_cut_by_the_next(lost, tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.add(KIND, [_record(0), _record(1)])
    journal.add(KIND, [_record(2), _record(3)])
    whole = path.read_bytes()
    path.write_bytes(whole[:-lost])
    again = Journal(path)
    assert list(again.samples()) == [_record(0), _record(1)]
    again.add(KIND, [_record(2), _record(3)])
    assert path.read_bytes() == whole


@pytest.mark.parametrize("place", [0.05, 0.3, 0.45, 0.6, 0.95])
def test_a_flipped_bit_costs_its_shard_and_those_after_it(place, tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    for first in range(0, 10, 2):
        journal.add(KIND, [_record(first), _record(first + 1)])
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)
    again = Journal(path)
    assert again.closed(KIND) == int(5 * place)
    assert list(again.samples()) == [_record(k) for k in range(2 * int(5 * place))]


@pytest.mark.parametrize("word", [b"tile", b"crack", b"product", b"defect", b"shard", b"1", b"sha256"])
def test_a_closing_line_that_says_something_else_costs_its_shard_and_those_after_it(word, tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    for first in range(0, 6, 2):
        journal.add(KIND, [_record(first), _record(first + 1)])
    lines = path.read_bytes().splitlines(keepends=True)
    changed = bytes([word[0] ^ 1]) + word[1:]
    lines[5] = lines[5].replace(word, changed, 1)
    path.write_bytes(b"".join(lines))
    again = Journal(path)
    assert (again.kinds, again.closed(KIND)) == ([KIND], 1)


def test_a_journal_opens_shards_again_with_all_that_follow_them(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    for first in range(0, 6, 2):
        journal.add(("tile", "crack"), [_record(first), _record(first + 1)])
        journal.add(("tile", "stain"), [_record(first, "surplus", "stain")])
    journal.reopen({("tile", "crack", 2), ("tile", "crack", 1)})
    for opened in (journal, Journal(journal.path)):
        assert [opened.closed(("tile", name)) for name in ("crack", "stain")] == [1, 3]
        assert list(opened.samples(("tile", "crack"))) == [_record(0), _record(1)]
