import json
from pathlib import Path

import numpy as np
import pytest

from synth.errors import SourceError
from synth.pipeline.inspect import Report, inspect
from synth.sources import read
from tests.synth.trees import blob, folder_tree, mvtec_tree, random_image, save, size_of, write_split


def texts(report: Report, severity: str) -> list[str]:
    return [str(problem) for problem in report.problems if problem.severity == severity]


@pytest.fixture
def root(tmp_path) -> Path:
    return folder_tree(tmp_path / "tile", good_images=20)


def test_a_sound_folder_is_counted_and_has_no_problems(root):
    report = inspect(root)
    assert report.usable
    assert report.problems == ()
    assert [(k.defect, k.train, k.test) for k in report.kinds] == [(None, 20, 0), ("crack", 3, 0), ("pit", 3, 0)]
    assert sum(report.sizes.values()) == 26
    assert (report.grey, report.colour) == (0, 26)
    shares = [blob(n, *size_of(n)).mean() for n in (100, 101, 102)]
    assert report.kinds[1].coverage == (min(shares), sorted(shares)[1], max(shares))


def test_an_mvtec_tree_is_counted_with_the_roles_of_a_run(tmp_path):
    report = inspect(mvtec_tree(tmp_path / "lid", good_images=20, tests=9))
    assert report.layout == "mvtec_ad"
    assert [(k.defect, k.train, k.test) for k in report.kinds] == [(None, 20, 1), ("bent", 3, 6), ("cut", 3, 6)]
    assert report.usable


def test_everything_wrong_is_listed_at_once_and_nothing_is_touched(root):
    crack, pit = root / "defect" / "crack", root / "defect" / "pit"
    (root / "good" / "good0.jpg").write_bytes(b"")
    (root / "good" / "good1.jpg").write_bytes((root / "good" / "good1.jpg").read_bytes()[:300])
    (crack / "crack0_mask.png").unlink()
    save(crack / "crack1_mask.png", blob(1, 11, 13))
    save(crack / "alone_mask.png", blob(1))
    save(pit / "pit0.png", random_image(4, *size_of(4)))
    save(pit / "pit0_mask.png", blob(4, *size_of(4)))
    before = {file: file.stat().st_mtime_ns for file in root.rglob("*")}
    report = inspect(root)
    assert {file: file.stat().st_mtime_ns for file in root.rglob("*")} == before
    assert not report.usable
    text = str(report)
    for wanted in (
        r"good0.jpg: is empty (0 bytes); copy or export it again",
        r"good1.jpg: cannot be read as an image",
        r"crack0.png: has no mask; add",
        r"crack1_mask.png: is 11 x 13 (height x width), its image",
        r"alone_mask.png: is a mask without an image",
        r"pit0.png: (shot) holds the same image, copied or turned, as",
        r"has 1 shot of tile/crack",
    ):
        assert wanted in text
    assert [p.severity for p in report.problems if "alone_mask" in p.file] == ["warning"]
    assert "not usable yet" in text


@pytest.mark.parametrize(
    ("mask", "what"),
    [
        (np.zeros(size_of(100), bool), "is blank"),
        (np.indices(size_of(100)).sum(0) < 2, "marks only 3 px"),
        (np.indices(size_of(100))[0] > 3, "covers 9"),
    ],
)
def test_a_suspicious_mask_is_a_warning(root, mask, what):
    save(root / "defect" / "crack" / "crack0_mask.png", mask)
    report = inspect(root)
    assert report.usable
    (warning,) = [text for text in texts(report, "warning") if "crack0_mask.png" in text]
    assert what in warning


def test_the_same_image_in_shots_and_test_is_an_error_and_twice_in_one_role_a_warning(root):
    save(root / "defect" / "crack" / "crack2.png", np.ascontiguousarray(random_image(100, *size_of(100))[:, ::-1]))
    save(root / "defect" / "crack" / "crack2_mask.png", blob(100, *size_of(100)))
    (twice,) = texts(inspect(root), "warning")
    assert "crack0.png: (shot)" in twice
    assert "crack2.png (shot)" in twice
    good_images = [f"good{n}.jpg" for n in range(20)]
    write_split(root, {"crack": ["crack0.png", "crack1.png"], "good": good_images}, {"crack": ["crack2.png"]})
    (leak,) = texts(inspect(root), "error")
    assert "crack2.png (test)" in leak


def test_few_good_images_few_shots_odd_names_and_mixed_colour_are_warnings(tmp_path):
    root = folder_tree(tmp_path / "tile", good_images=3, shots=2)
    save(root / "good" / "GOOD0.jpg", random_image(40))
    save(root / "good" / "grün.png", random_image(41)[..., 0])
    report = inspect(root)
    assert report.usable
    text = "\n".join(texts(report, "warning"))
    for wanted in (
        "only 5 good images",
        "2 shots of tile/crack",
        "only in its capitals",
        "beyond ASCII",
        "mixes 1 grey",
    ):
        assert wanted in text


@pytest.mark.parametrize("names", [(), ("a.txt", "b.npy")])
def test_a_folder_without_images_is_reported_once(tmp_path, names):
    for name in names:
        (tmp_path / name).write_text("hello")
    report = inspect(tmp_path)
    assert len(report.problems) == 1
    assert not report.usable
    assert sum(report.ignored.values()) == len(names)


def test_a_missing_folder_is_reported_not_raised(tmp_path):
    report = inspect(tmp_path / "none")
    assert (report.usable, report.layout) == (False, None)
    assert "does not exist; check the path" in str(report)


def test_the_dict_is_plain_json_and_complete(root):
    save(root / "defect" / "crack" / "crack0_mask.png", np.zeros(size_of(100), bool))
    report = inspect(root)
    back = json.loads(json.dumps(report.to_json()))
    assert back["usable"] is True
    assert len(back["problems"]) == len(report.problems) > 0
    assert sum(size["images"] for size in back["sizes"]) == 26
    assert back["kinds"][0]["train"] == 20


def test_a_long_list_is_cut_in_the_text_only(tmp_path):
    (tmp_path / "good").mkdir()
    for n in range(30):
        (tmp_path / "good" / f"{n}.png").touch()
    report = inspect(tmp_path)
    assert len(report.problems) == 30
    assert "error: 10 more; flawsmith inspect --json lists all" in report.lines()


def test_what_is_reported_as_an_error_also_stops_a_read(root):
    (root / "defect" / "crack" / "crack1.png").write_bytes(b"PNG?")
    (problem,) = [p for p in inspect(root).problems if "crack1.png" in p.file]
    with pytest.raises(SourceError, match=f"{problem.what}.*{problem.remedy}".replace("(", r"\(").replace(")", r"\)")):
        list(read(root))


def test_progress_counts_every_image(root):
    steps = []
    inspect(root, progress=lambda *step: steps.append(step))
    assert [done for _, done, _ in steps] == list(range(26))
    assert {total for _, _, total in steps} == {26}
