"""A run that was damaged, cut off by a power failure, grown or made by somebody else."""

from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from synth import generators
from synth.cli.main import app
from synth.errors import RecipeError, RunError
from synth.pipeline.manifest import manifest_bytes, read_manifest
from synth.pipeline.preparation import silent
from synth.pipeline.runs import Run, export, run
from synth.pipeline.stored import StoredFile, StoredSample, inside
from synth.pipeline.verify import verify
from tests.synth.blobs import BLOBS, recipe_for, run_blobs, tree, write_source
from tests.synth.pipeline.power import Disk

FORMATS = {"format": ["mvtec", "parquet"]}
DAMAGES = 240


@pytest.fixture(autouse=True)
def _blobs(monkeypatch):
    monkeypatch.setitem(generators.GENERATORS, "seas", BLOBS)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_source(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def whole(source, tmp_path_factory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(generators.GENERATORS, "seas", BLOBS)
        return run_blobs(source, tmp_path_factory.mktemp("whole") / "out", output=FORMATS).path


@pytest.fixture
def copy(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "out"))


def files_of(path: Path) -> list[Path]:
    return [file for file in sorted(path.rglob("*")) if file.is_file() and "report" not in file.parts]


def test_no_damage_of_a_finished_run_goes_unseen(copy):
    rng, seen = np.random.default_rng(3), 0
    files = files_of(copy)
    assert verify(copy, silent).whole
    for number in range(DAMAGES):
        file = files[number % len(files)]
        before = file.read_bytes()
        if number % 7 == 6:
            file.unlink()
        elif number % 7 == 5:
            file.write_bytes(before[: len(before) // 2])
        else:
            flipped = bytearray(before)
            flipped[rng.integers(len(before))] ^= 1 << rng.integers(8)
            file.write_bytes(flipped)
        try:
            seen += file.relative_to(copy).as_posix() in {one.path for one in verify(copy, silent).damages}
        except RunError as problem:  # the manifest or the digests are gone
            seen += "not a finished run" in str(problem)
        file.write_bytes(before)
    assert seen == DAMAGES


KINDS = (
    "recipe.yaml",
    "environment.json",
    "ledger.parquet",
    "parts.json",
    "inputs.json",
    "journal.jsonl",
    "digests.json",
    "manifest.parquet",
    "real/index.json",
    "real/good/tile/g1.png",
    "real/shots/tile/crack/crack0_mask.png",
    "samples/tile/crack/*.png",
    "samples/tile/stain/*_mask.png",
    "rejected/tile/crack/*.webp",
    "data/tile/test/crack/*.png",
    "data/*.parquet",
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["flipped", "cut", "gone"])
def test_a_damaged_run_is_made_whole_by_the_same_command_or_named(kind, how, copy, whole, source):
    file = sorted(copy.glob(kind))[0]
    content = file.read_bytes()
    if how == "gone":
        file.unlink()
    else:
        middle = len(content) // 2
        file.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :] * (how == "flipped"))
    if kind == "recipe.yaml" and how == "gone":
        with pytest.raises(RunError, match="nothing says what made it"):
            run_blobs(source, copy, output=FORMATS)
        return
    assert tree(run_blobs(source, copy, output=FORMATS).path) == tree(whole)
    assert verify(copy, silent).whole


def test_a_stranger_in_the_dataset_is_damage_too(copy, whole, source):
    (copy / "data" / "tile" / "test" / "crack" / "other.png").write_bytes(b"mine")
    (found,) = verify(copy, silent).damages
    assert str(found) == "data/tile/test/crack/other.png was not written by this run"
    assert tree(run_blobs(source, copy, output=FORMATS).path) == tree(whole)


def test_the_command_names_damage_and_ends_with_1(copy):
    assert CliRunner().invoke(app, ["verify", str(copy)]).exit_code == 0
    image = next((copy / "samples").rglob("*.png"))
    image.write_bytes(image.read_bytes()[:-1])
    done = CliRunner().invoke(app, ["verify", str(copy)])
    assert done.exit_code == 1
    assert f"{image.relative_to(copy)} is damaged" in done.stdout
    assert "run the same recipe into this folder again" in done.stdout
    answer = json.loads(CliRunner().invoke(app, ["verify", str(copy), "--json"]).stdout)
    assert answer["damages"] == [{"path": image.relative_to(copy).as_posix(), "what": "is damaged"}]


def test_samples_of_a_damaged_run_are_not_handed_out(copy):
    image = sorted((copy / "samples").rglob("*.png"))[0]
    image.write_bytes(image.read_bytes()[:-1])
    with pytest.raises(RunError, match=f"{image.name} is damaged; run the same recipe again"):
        list(Run(copy).samples())


@pytest.fixture(scope="module")
def syncs(source, tmp_path_factory):
    """How often a run has its files written through, once everything is imported."""
    folder = tmp_path_factory.mktemp("syncs")
    with pytest.MonkeyPatch.context() as patch:
        assert run_with_power_until(None, source, folder / "counted", patch).syncs > 60
        return run_with_power_until(None, source, folder / "again", patch).syncs


@pytest.mark.parametrize("moment", range(12))
def test_a_power_failure_at_any_moment_costs_nothing_but_time(moment, syncs, source, whole, tmp_path, monkeypatch):
    disk = run_with_power_until(1 + moment * syncs // 12, source, tmp_path / "out", monkeypatch)
    found = tmp_path / "after"
    disk.after_failure(found)
    assert tree(run_blobs(source, found, output=FORMATS).path) == tree(whole)


def test_a_power_failure_after_the_end_finds_everything_on_the_disk(source, whole, tmp_path, monkeypatch):
    disk = run_with_power_until(None, source, tmp_path / "out", monkeypatch)
    disk.after_failure(tmp_path / "after")
    # That a lock and a scratch file are gone may be forgotten: nobody reads them.
    left = {
        name: content for name, content in tree(tmp_path / "after").items() if not name.endswith((".lock", ".part"))
    }
    assert left == tree(whole)
    # What a generator keeps is its own business to sync; the one of these tests does not.
    assert all(one.path.startswith("model/") for one in verify(tmp_path / "after", silent).damages)


def run_with_power_until(stop: int | None, source: Path, out: Path, monkeypatch) -> Disk:
    disk = Disk(out, os.fsync)
    disk.stop = -1 if stop is None else stop
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", disk.fsync)
        try:
            run_blobs(source, out, output=FORMATS)
        except KeyboardInterrupt:
            assert stop is not None
    return disk


@pytest.mark.parametrize("name", ["../private/key", "/etc/passwd", "samples/../../key", "a\\..\\b", "C:/key", "a\0b"])
def test_a_path_that_leaves_the_run_is_refused(name, copy, tmp_path):
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "key").write_bytes(b"secret")
    with pytest.raises(RunError, match="lies outside of it"):
        inside(copy, name)
    samples, missing = read_manifest(copy / "manifest.parquet")
    stolen = StoredSample.from_json(
        {**samples[0].to_json(), "files": {**samples[0].to_json()["files"], "image": [name, "0" * 64]}}
    )
    (copy / "manifest.parquet").write_bytes(manifest_bytes([stolen, *samples[1:]], missing))
    for form in ("mvtec", "parquet"):
        with pytest.raises(RunError, match="lies outside of it"):
            export(copy, form, tmp_path / form)
        assert not [file for file in tmp_path.rglob("*") if file.is_file() and file.read_bytes() == b"secret"][1:]


def test_a_link_that_leads_out_of_the_run_is_refused(copy, tmp_path):
    (tmp_path / "key").write_bytes(b"secret")
    (copy / "samples" / "link.png").symlink_to(tmp_path / "key")
    with pytest.raises(RunError, match="lies outside of it"):
        StoredSample("a", "accepted", "p", "d", {"image": StoredFile("samples/link.png", "0")}).path(copy, "image")


def test_a_larger_quota_continues_and_ends_like_a_run_begun_with_it(source, tmp_path):
    small = run_blobs(source, tmp_path / "grown", request={"per_defect": 3})
    kept = {path: path.stat().st_mtime_ns for path in small.folder.samples.rglob("*.png")}
    grown = run_blobs(source, tmp_path / "grown", request={"per_defect": 7})
    fresh = run_blobs(source, tmp_path / "fresh", request={"per_defect": 7})
    assert grown.manifest == fresh.manifest
    assert tree(grown.path) == tree(fresh.path)
    assert sum(path.stat().st_mtime_ns == time for path, time in kept.items()) >= len(kept) / 2
    assert verify(grown.path, silent).whole


def test_more_formats_and_more_defect_types_continue_too(source, tmp_path):
    out = tmp_path / "out"
    begun = run_blobs(source, out, request={"per_defect": 3, "defects": ["crack"]})
    grown = run_blobs(source, out, request={"per_defect": 3, "defects": ["crack", "stain"]}, output=FORMATS)
    assert {sample.defect for sample in grown.manifest} == {"crack", "stain"}
    assert [s for s in grown.manifest if s.defect == "crack"] == begun.manifest
    assert list((out / "data").glob("*.parquet"))


def test_a_growth_that_is_killed_is_resumed(source, tmp_path, monkeypatch):
    fresh = run_blobs(source, tmp_path / "fresh", request={"per_defect": 7})
    syncs = 40
    for stop in (1, 2, 4, 7, 13, syncs):
        out = tmp_path / f"out{stop}"
        run_blobs(source, out, request={"per_defect": 3})
        disk = Disk(out, os.fsync)
        disk.stop = stop
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", disk.fsync)
            with pytest.raises(KeyboardInterrupt):
                run_blobs(source, out, request={"per_defect": 7})
        assert run_blobs(source, out, request={"per_defect": 7}).manifest == fresh.manifest


def test_a_generator_that_learns_from_all_types_at_once_takes_no_new_ones(source, tmp_path, monkeypatch):
    trains = generators.Declaration("tests.synth.blobs:BlobGenerator", trains=lambda config: True)
    monkeypatch.setitem(generators.GENERATORS, "seas", trains)
    run_blobs(source, tmp_path / "out", request={"per_defect": 2, "defects": ["crack"]})
    with pytest.raises(RecipeError, match=r"request\.defects"):
        run_blobs(source, tmp_path / "out", request={"per_defect": 2})
    assert len(run_blobs(source, tmp_path / "out", request={"per_defect": 3, "defects": ["crack"]}).manifest) == 3


def test_a_file_that_the_recipe_names_may_not_change_while_the_run_is_made(source, tmp_path):
    region = tmp_path / "region.txt"
    region.write_bytes(b"one")
    recipe = recipe_for(source)
    named = recipe.model_copy(update={"generator": recipe.generator.model_copy(update={"legal_region": region})})
    run(named, tmp_path / "out")
    (tmp_path / "out" / "manifest.parquet").unlink()
    region.write_bytes(b"another")
    with pytest.raises(RecipeError, match=r"region\.txt has changed since"):
        run(named, tmp_path / "out")


def test_a_run_of_an_older_version_is_refused_in_one_line(copy, source):
    text = (copy / "recipe.yaml").read_text()
    (copy / "recipe.yaml").write_text("\n".join(line for line in text.split("\n") if not line.startswith("# sha256")))
    with pytest.raises(RecipeError, match=r"made by another version of flawsmith") as refused:
        run_blobs(source, copy, output=FORMATS)
    assert "\n" not in str(refused.value)


def test_a_run_opens_no_connection(source, tmp_path, monkeypatch):
    def refuse(*arguments: object) -> None:
        raise AssertionError(f"a connection was asked for: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "bind", refuse)
    assert run_blobs(source, tmp_path / "out", output=FORMATS).shortfalls == []
