"""Names with accents, which macOS takes apart into letters and marks: one name in whichever form it is written."""

from __future__ import annotations

import unicodedata

import pytest

from synth.errors import SourceError
from synth.io.names import composed, same_name
from synth.io.user_masks import list_masks
from synth.pipeline.preparation import prepare, silent
from synth.recipe import load_recipe
from synth.seas.words import check_words
from synth.sources import list_tree
from tests.synth.trees import blob, folder_tree, save, write_split

FORMS = {"on disk apart": ("NFD", "NFC"), "typed apart": ("NFC", "NFD"), "alike": ("NFD", "NFD")}


def named(form: str, name: str = "grün") -> str:
    return unicodedata.normalize(form, name)


def tree(tmp_path, form):
    return folder_tree(tmp_path / "tile", types=(named(form), "pit"))


@pytest.mark.parametrize("case", FORMS)
def test_a_type_is_asked_for_in_either_form(case, tmp_path):
    disk, typed = FORMS[case]
    root = tree(tmp_path, disk)
    (tmp_path / "a.yaml").write_text(f"source: {{kind: folder, root: {root}}}\ngenerator: {{kind: perlin}}\n")
    recipe = load_recipe(tmp_path / "a.yaml", f"request.defects=[{named(typed)}]")
    assert {composed(shot.defect) for shot in prepare(recipe, silent).split.shots} == {named("NFC")}


@pytest.mark.parametrize("case", FORMS)
def test_patterns_and_split_files_name_files_in_either_form(case, tmp_path):
    disk, typed = FORMS[case]
    root = tree(tmp_path, disk)
    kind = named(typed)
    left = list_tree(root, "folder", exclude=(f"defect/{kind}/{kind}0*",))
    assert not left.errors
    assert sorted(entry.file.name for entry in left.entries if same_name(entry.defect or "", kind)) == [
        f"{named(disk)}1.png",
        f"{named(disk)}2.png",
    ]
    write_split(root, {kind: [f"{kind}0.png"], "good": ["good0.jpg"]}, {kind: [f"{kind}1.png"]})
    listing = list_tree(root, "folder")
    assert not listing.errors
    assert {(entry.file.name, entry.split) for entry in listing.entries if entry.defect} == {
        (f"{named(disk)}0.png", "train"),
        (f"{named(disk)}1.png", "test"),
    }


@pytest.mark.parametrize("case", FORMS)
def test_masks_and_words_of_a_type_are_found_in_either_form(case, tmp_path):
    disk, typed = FORMS[case]
    save(tmp_path / named(disk) / "a.png", blob(1))
    assert [file.name for file in list_masks(tmp_path, named(typed))] == ["a.png"]
    check_words({named(typed): "green"}, {named(disk)})


def test_names_are_compared_in_one_form_and_split_files_may_begin_with_a_mark(tmp_path):
    assert same_name(named("NFC"), named("NFD"))
    assert not same_name("a", "b")
    assert composed(named("NFD")) == named("NFC")
    root = folder_tree(tmp_path / "tile")
    path = write_split(root, {"pit": ["pit0.png"], "good": ["good0.jpg"]}, {})
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(list_tree(root, "folder").entries) == 2


def test_a_name_in_no_form_is_still_refused(tmp_path):
    root = tree(tmp_path, "NFD")
    (tmp_path / "a.yaml").write_text(f"source: {{kind: folder, root: {root}}}\ngenerator: {{kind: perlin}}\n")
    with pytest.raises(SourceError, match=r"has no defect type 'gr.nx'; did you mean"):
        prepare(load_recipe(tmp_path / "a.yaml", "request.defects=[grünx]"), silent)
