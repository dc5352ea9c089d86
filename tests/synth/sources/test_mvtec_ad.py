import pytest

from synth.errors import SourceError
from synth.sources import read, recognise
from synth.sources.mvtec_ad import list_mvtec_ad
from tests.synth.trees import blob, folder_tree, mvtec_tree, random_image, save


def test_a_product_folder_and_the_folder_above_are_recognised(tmp_path):
    mvtec_tree(tmp_path / "lid")
    assert recognise(tmp_path) == recognise(tmp_path / "lid") == "mvtec_ad"
    assert recognise(folder_tree(tmp_path / "plain")) == "folder"


def test_every_image_gets_its_product_type_split_and_mask(tmp_path):
    mvtec_tree(tmp_path / "lid")
    mvtec_tree(tmp_path / "nut", good_images=2, tests=1, types=("rust",))
    found = list(read(tmp_path))
    count = {}
    for sample in found:
        key = sample.product, sample.defect, sample.split
        count[key] = count.get(key, 0) + 1
        assert sample.mask.any() == (sample.defect is not None)
    assert count == {
        ("lid", None, "train"): 4,
        ("lid", None, "test"): 1,
        ("lid", "bent", "test"): 7,
        ("lid", "cut", "test"): 7,
        ("nut", None, "train"): 2,
        ("nut", None, "test"): 1,
        ("nut", "rust", "test"): 1,
    }
    assert [s.id for s in found] == sorted(s.id for s in found)
    assert "lid/test/bent/000.png" in {s.id for s in found}


def test_one_product_has_the_same_ids_from_its_own_folder_and_from_above(tmp_path):
    mvtec_tree(tmp_path / "lid")
    mvtec_tree(tmp_path / "nut")
    above = [s.id for s in read(tmp_path, products=["nut"])]
    assert above == [s.id for s in read(tmp_path / "nut")]
    assert len(above) == 19


def test_masks_are_paired_by_name_not_by_order(tmp_path):
    root = mvtec_tree(tmp_path)
    (root / "ground_truth" / "bent" / "000_mask.png").rename(root / "ground_truth" / "bent" / "zzz_mask.png")
    with pytest.raises(SourceError, match=r"test/bent/000\.png: has no mask; wanted .*bent/000_mask\.png"):
        list(read(root))


def test_masks_without_the_suffix_are_taken_too(tmp_path):
    root = mvtec_tree(tmp_path)
    for mask in (root / "ground_truth" / "cut").iterdir():
        mask.rename(mask.with_name(mask.name.replace("_mask", "")))
    assert all(s.mask.any() for s in read(root) if s.defect == "cut")


def test_one_name_for_two_images_is_refused(tmp_path):
    root = mvtec_tree(tmp_path)
    save(root / "test" / "cut" / "003.jpg", random_image(70))
    with pytest.raises(SourceError, match=r"003\.png: has the same name as 003\.jpg; rename one"):
        list(read(root))


def test_an_unknown_product_names_the_nearest(tmp_path):
    mvtec_tree(tmp_path / "bottle")
    mvtec_tree(tmp_path / "cable")
    with pytest.raises(SourceError, match="no product 'botle'; did you mean bottle"):
        list(read(tmp_path, products=["botle"]))


def test_what_lies_elsewhere_is_reported_but_does_not_stop(tmp_path):
    root = mvtec_tree(tmp_path)
    save(root / "train" / "bent" / "a.png", random_image(1))
    save(root / "ground_truth" / "cut" / "900_mask.png", blob(1))
    problems = list_mvtec_ad(root).problems
    assert sorted((p.file.rpartition("/")[2], p.severity) for p in problems) == [
        ("900_mask.png", "warning"),
        ("a.png", "warning"),
    ]
    assert len(list(read(root))) == 19


def test_another_tree_is_refused_with_the_tree_that_is_wanted(tmp_path):
    folder_tree(tmp_path)
    with pytest.raises(
        SourceError, match=r"is no MVTec AD tree; wanted train/good, test/<type> .* or use layout folder"
    ):
        read(tmp_path, layout="mvtec_ad")
