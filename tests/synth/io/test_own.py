"""Output places: whatever writes to a place of the user's, writes over nothing that it did not write itself."""

import shutil

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from synth import generators
from synth.cli.main import app
from synth.io import reflink
from synth.io.atomic import copy
from synth.io.own import check_own_image, write_own_image
from tests.synth.blobs import BLOBS, run_blobs, write_source


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(generators.GENERATORS, "seas", BLOBS)
        folder = tmp_path_factory.mktemp("own")
        return run_blobs(write_source(folder / "source"), folder / "out", request={"per_defect": 1})


VERBS = {
    "run": ["run", "demo", "--out", "{place}"],
    "demo": ["demo", "--out", "{place}"],
    "export": ["export", "{run}", "--format", "mvtec", "--out", "{place}"],
    "segmenters": ["eval", "segmenters", "{run}", "--out", "{place}"],
    "verdict": ["eval", "verdict", "{run}", "--out", "{place}"],
}
NAMES = ("verdict.md", "samples")


@pytest.mark.parametrize("verb", sorted(VERBS))
@pytest.mark.parametrize("name", [*NAMES, None])
def test_a_folder_or_file_of_the_users_is_refused_and_left_as_it_is(verb, name, finished, tmp_path):
    place = tmp_path / "mine"
    if name is None:
        place.write_text("mine")
    else:
        place.mkdir()
        (place / name).write_text("mine")
    words = [word.format(place=place, run=finished.path) for word in VERBS[verb]]
    answer = CliRunner().invoke(app, words)
    assert answer.exit_code == 2
    wanted = f"{place} is a file; name a folder" if name is None else f"such as {name}; name a new or empty folder"
    assert wanted in " ".join(answer.stderr.split())
    assert [path.read_text() for path in (place, *place.rglob("*")) if path.is_file()] == ["mine"]
    assert len(list(place.rglob("*"))) == (name is not None)


def test_a_study_of_one_verb_is_not_taken_over_by_another(tmp_path, finished):
    from eval.study.study import MARK, _claim
    from synth.errors import EvalError

    _claim(tmp_path, {"verb": "segmenters", "seeds": 3})
    _claim(tmp_path, {"verb": "segmenters", "seeds": 3})
    with pytest.raises(EvalError, match="verb: segmenters -> verdict"):
        _claim(tmp_path, {"verb": "verdict", "seeds": 3})
    (tmp_path / MARK).write_text('{"mine": 1}')
    with pytest.raises(EvalError, match="name another folder"):
        _claim(tmp_path, {"verb": "segmenters", "seeds": 3})
    assert (tmp_path / MARK).read_text() == '{"mine": 1}'


def test_an_overlay_replaces_its_own_kind_alone(finished, tmp_path):
    source, sheet = finished.recipe.source.root, tmp_path / "sheet.png"
    words = ["inspect", str(source), "--overlay", str(sheet)]
    for _ in range(2):
        assert CliRunner().invoke(app, words).exit_code == 0
    for mine in (tmp_path / "photo.png", tmp_path / "notes.txt", tmp_path / "folder"):
        if mine.suffix == ".png":
            shutil.copy(source / "good" / "g0.png", mine)
        elif mine.suffix:
            mine.write_text("mine")
        else:
            mine.mkdir()
        before = mine.read_bytes() if mine.is_file() else None
        answer = CliRunner().invoke(app, [*words[:-1], str(mine)])
        assert answer.exit_code == 2
        assert "was not written by flawsmith inspect --overlay; name another file" in " ".join(answer.stderr.split())
        assert before is None or mine.read_bytes() == before


def test_an_image_is_own_for_the_verb_that_wrote_it(tmp_path):
    image = np.arange(37 * 53 * 3, dtype=np.uint8).reshape(37, 53, 3)
    write_own_image(tmp_path / "a.png", image, "flawsmith one")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), image)
    check_own_image(tmp_path / "a.png", "flawsmith one")
    check_own_image(tmp_path / "new.png", "flawsmith one")
    with pytest.raises(Exception, match="was not written by flawsmith other"):
        check_own_image(tmp_path / "a.png", "flawsmith other")


def test_no_file_of_a_dataset_shares_its_content_with_the_run(finished, tmp_path):
    kept = {path: path.read_bytes() for top in ("samples", "real") for path in (finished.path / top).rglob("*.png")}
    assert CliRunner().invoke(app, ["export", str(finished.path), "--format", "mvtec", "--out", str(tmp_path / "out")])
    shutil.copytree(finished.folder.data, tmp_path / "before")
    for file in (*finished.folder.data.rglob("*.png"), *(tmp_path / "out").rglob("*.png")):
        assert file.stat().st_nlink == 1
        with file.open("r+b") as opened:
            opened.write(b"edited")
    assert all(path.read_bytes() == content for path, content in kept.items())
    shutil.copytree(tmp_path / "before", finished.folder.data, dirs_exist_ok=True)


@pytest.mark.parametrize("works", [True, False])
def test_a_copy_holds_the_content_whether_or_not_blocks_are_shared(works, tmp_path, monkeypatch):
    def ioctl(target: int, request: int, source: int) -> None:
        if not works:
            raise OSError("not supported")
        import os

        os.write(target, os.read(source, 100))

    import fcntl

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    (tmp_path / "a").write_bytes(b"content")
    copy(tmp_path / "a", tmp_path / "b" / "a")
    assert (tmp_path / "b" / "a").read_bytes() == b"content"
    assert reflink.reflink(tmp_path / "a", tmp_path / "c") is works
    assert not list(tmp_path.rglob("*.part"))
