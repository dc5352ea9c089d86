import pytest

from synth.errors import SourceError
from synth.io.names import check_names, file_name, is_utf8
from synth.pipeline.inspect import inspect
from synth.printable import printable
from tests.synth.trees import blob, mvtec_tree, random_image, save

CLASHES = {
    "capitals": [("A", None), ("a", None)],
    "signs": [("a?", None), ("a*", None)],
    "a dot at the end": [("a.", None), ("a", None)],
    "a blank at the end": [("lid", "bent "), ("lid", "bent")],
    "two encodings of an accent": [("lid", "gr\u00fcn"), ("lid", "gru\u0308n")],
    "capitals that fold": [("lid", "STRASSE"), ("lid", "stra\u00dfe")],
    "the good images' folder": [("lid", "Good")],
    "the good images' folder with a dot": [("lid", "good.")],
    "the good images' folder with a blank": [("lid", "good "), ("lid", None)],
    "no letter at all": [("?", None), ("*", None)],
}


@pytest.mark.parametrize("name", CLASHES)
def test_names_that_would_share_a_folder_are_refused_naming_both(name):
    pairs = CLASHES[name]
    with pytest.raises(SourceError, match=r"would share (one|the) folder.*; rename") as raised:
        check_names(pairs)
    named = {defect or product for product, defect in pairs} - {"lid"}
    assert all(repr(text) in str(raised.value) or ascii(text) in str(raised.value) for text in named)


def test_other_names_are_fine():
    check_names([("a", None), ("a", "bent"), ("b", "Bent"), ("good parts", "not good"), ("a b", "x"), ("a_b", "x")])
    check_names([])


def test_names_and_text_are_made_safe():
    assert file_name(' a/b:c*"d. ') == "a_b_c_d"
    assert file_name("...") == "_"
    assert printable("grün/a.png") == "grün/a.png"
    for text in ("a\0", "a\udcff"):
        printable(text).encode()
        assert "\0" not in printable(text)
    assert is_utf8("ü")
    assert not is_utf8("\udcff")


def test_the_doctor_names_defect_types_that_would_share_a_folder(tmp_path):
    root = mvtec_tree(tmp_path / "lid", good_images=20)
    for name in ("BENT", "Good"):
        save(root / "test" / name / "000.png", random_image(900))
        save(root / "ground_truth" / name / "000_mask.png", blob(900))
        report = inspect(root)
        assert not report.usable
        (found,) = [str(problem) for problem in report.problems if "share" in problem.what]
        assert repr(name) in found
        for part in ("test", "ground_truth"):
            (root / part / name).rename(tmp_path / f"{name}_{part}")
