"""Digests: what was written is found as it was, or named."""

import json
import os

import pytest

from synth.io.digest import DIGESTS, check_digests, files_of, write_digests


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet/weights").write_bytes(bytes(range(200)))
    (tmp_path / "log").write_text("{}\n")
    (tmp_path / "empty").touch()
    (tmp_path / ".log.7.part").write_text("left behind")
    write_digests(tmp_path)
    return tmp_path


def test_an_untouched_folder_has_nothing_damaged_and_hidden_leftovers_are_not_listed(folder):
    assert check_digests(folder) == []
    assert list(json.loads((folder / DIGESTS).read_text())) == files_of(folder) == ["empty", "log", "unet/weights"]


def test_a_flipped_bit_anywhere_is_found(folder):
    for name in files_of(folder):
        path = folder / name
        whole = path.read_bytes()
        for place in range(len(whole)):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            assert check_digests(folder) == [name]
        path.write_bytes(whole)


@pytest.mark.parametrize("name", ["empty", "log", "unet/weights"])
def test_a_missing_cut_grown_or_replaced_file_is_named(name, folder):
    path = folder / name
    whole = path.read_bytes()
    for content in (whole[:-1], whole + b"\0"):
        path.write_bytes(content)
        assert check_digests(folder) == ([name] if content != whole else [])
    path.unlink()
    assert check_digests(folder) == [name]
    os.mkfifo(path)
    assert check_digests(folder) == [name]


@pytest.mark.parametrize("content", ["", "[]", "null", '{"log": 3}', '{"log": {}}', "\ud800"])
def test_a_listing_that_cannot_be_read_is_named_itself(content, folder):
    (folder / DIGESTS).write_bytes(content.encode("utf-8", "surrogatepass"))
    assert check_digests(folder) == [DIGESTS]
    (folder / DIGESTS).unlink()
    assert check_digests(folder) == [DIGESTS]


def test_only_the_named_files_are_listed_where_names_are_given(folder):
    write_digests(folder, ["log"])
    (folder / "unet/weights").unlink()
    assert check_digests(folder) == []
