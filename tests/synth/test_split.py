import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.errors import SourceError
from synth.sample import Sample
from synth.sources import read_source
from synth.sources.config import FolderSource, MvtecAdSource, ProceduralSource, SourceConfig
from synth.split import Split, make_split, roles_of
from tests.synth.trees import blob, folder_tree, mvtec_tree, random_image, save, size_of, write_split


def split_of(source: SourceConfig, **asked: object) -> Split:
    return make_split(read_source(source), source, **asked)


def names(samples: list[Sample]) -> list[str]:
    return [sample.id.rpartition("/")[2] for sample in samples]


def test_in_a_folder_every_defect_is_a_shot(tmp_path):
    split = split_of(FolderSource(root=folder_tree(tmp_path)))
    assert names(split.shots) == [f"{kind}{n}.png" for kind in ("crack", "pit") for n in range(3)]
    assert len(split.good_images) == 4
    assert split.test == []
    assert split.dropped == []


@pytest.mark.parametrize(("count", "shots"), [(1, 1), (2, 1), (5, 1), (6, 2), (9, 3)])
def test_in_the_mvtec_tree_the_first_third_of_each_type_are_shots(tmp_path, count, shots):
    split = split_of(MvtecAdSource(root=mvtec_tree(tmp_path, tests=count), min_shots=1))
    for kind in ("bent", "cut"):
        assert names([s for s in split.shots if s.defect == kind]) == [f"{n:03}.png" for n in range(shots)]
        assert names([s for s in split.test if s.defect == kind]) == [f"{n:03}.png" for n in range(shots, count)]
    assert {s.split for s in split.good_images} == {"train"}
    assert names([s for s in split.test if s.defect is None]) == ["000.png"]


def test_a_split_file_is_followed(tmp_path):
    root = folder_tree(tmp_path)
    write_split(
        root,
        {"crack": ["crack2.png", "crack0.png"], "good": ["good1.jpg"]},
        {"crack": ["crack1.png"], "good": ["good0.jpg"]},
    )
    split = split_of(FolderSource(root=root))
    assert (names(split.shots), names(split.good_images)) == (["crack0.png", "crack2.png"], ["good1.jpg"])
    assert names(split.test) == ["crack1.png", "good0.jpg"]


def test_a_type_that_a_split_file_lists_for_testing_alone_is_not_learnt_from(tmp_path):
    root = folder_tree(tmp_path)
    tests = [f"crack{n}.png" for n in range(3)]
    write_split(root, {"pit": ["pit0.png"], "good": ["good1.jpg"]}, {"crack": tests})
    source = FolderSource(root=root, min_shots=1)
    split = split_of(source, defects=["pit"])
    assert (names(split.shots), names(split.test)) == (["pit0.png"], tests)
    with pytest.raises(SourceError, match=r"crack has 0 shots .*request\.defects"):
        split_of(source)


def test_shots_and_good_images_carry_pixels_and_test_samples_none(tmp_path):
    split = split_of(MvtecAdSource(root=mvtec_tree(tmp_path)))
    assert all(s.image is not None and s.mask is not None for s in split.shots + split.good_images)
    assert all(s.image is None and s.mask is None for s in split.test)
    assert set(split.hashes) == {s.id for s in split.shots + split.good_images + split.test}
    for shot in split.shots:
        seed = 100 * (1 + (shot.defect == "cut")) + int(Path(shot.meta["file"]).stem)
        assert (shot.image == random_image(seed, *shot.mask.shape)).all()
        assert (shot.mask == blob(seed, *shot.mask.shape)).all()


def test_pixels_of_test_samples_are_let_go_while_reading(tmp_path):
    source = MvtecAdSource(root=mvtec_tree(tmp_path, tests=9))
    kept, alive = [], []

    def watched():
        for sample in read_source(source):
            if sample.split == "test":
                kept.append(weakref.ref(sample.image))
            yield sample
            alive.append(sum(image() is not None for image in kept))

    make_split(watched(), source)
    assert len(kept) == 19
    assert max(alive) <= 2


def test_a_shot_with_a_blank_mask_is_dropped_with_the_reason(tmp_path):
    root = folder_tree(tmp_path)
    save(root / "defect" / "pit" / "pit1_mask.png", np.zeros(size_of(201), bool))
    split = split_of(FolderSource(root=root))
    assert "pit1.png" not in names(split.shots)
    (dropped,) = split.dropped
    assert dropped.file == str(root / "defect" / "pit" / "pit1.png")
    assert (dropped.defect, dropped.reason) == ("pit", "its mask is blank: nothing to learn from")


@pytest.mark.parametrize("fraction", [0.0, 0.25, 0.5, 0.9])
def test_test_fraction_keeps_back_the_same_samples_for_the_same_seed(tmp_path, fraction):
    source = FolderSource(root=folder_tree(tmp_path, good_images=8, shots=5), test_fraction=fraction, min_shots=1)
    split = split_of(source, seed=3)
    assert names(split_of(source, seed=3).test) == names(split.test)
    for kind, count in ((None, 8), ("crack", 5), ("pit", 5)):
        assert len([s for s in split.test if s.defect == kind]) == int(count * fraction)


def test_another_seed_keeps_back_others(tmp_path):
    source = FolderSource(root=folder_tree(tmp_path, good_images=8, shots=5), test_fraction=0.5)
    assert len({tuple(names(split_of(source, seed=seed).test)) for seed in range(5)}) > 1


def test_only_what_is_asked_for_must_have_shots(tmp_path):
    root = folder_tree(tmp_path)
    for n in (1, 2):
        (root / "defect" / "pit" / f"pit{n}.png").unlink()
        (root / "defect" / "pit" / f"pit{n}_mask.png").unlink()
    source = FolderSource(root=root)
    assert len(split_of(source, defects=["crack"]).shots) == 4
    with pytest.raises(SourceError, match=r"/pit has 1 shot, .*pit0\.png, .*wanted at least 2; add images"):
        split_of(source)
    assert len(split_of(FolderSource(root=root, min_shots=1)).shots) == 4


def test_rendered_samples_keep_their_pixels_in_test_too():
    source = ProceduralSource(
        products=("cap",), good_images=2, shots_per_defect=1, test_per_defect=1, test_good_images=1, size=64
    )
    split = split_of(source)
    assert len(split.good_images) == 2
    assert all(s.image is not None for s in split.shots + split.good_images + split.test)
    assert {s.split for s in split.test} == {"test"}
    assert len(split.shots) == len(split.test) - 1


def test_two_samples_of_one_id_are_refused():
    sample = Sample("a", image=random_image(1), mask=blob(1), product="lid", defect="bent", split="train")
    with pytest.raises(SourceError, match="two samples have the id a"):
        make_split([sample, sample], ProceduralSource())


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.tuples(st.sampled_from("ab"), st.sampled_from([None, "x", "y"])), st.sampled_from(["train", "test"])
        )
    )
)
def test_roles_leave_no_type_without_shots_and_touch_nothing_else(kinds):
    roles = roles_of(kinds)
    for kind in {kind for kind, _ in kinds}:
        members = [i for i, (own, _) in enumerate(kinds) if own == kind]
        learnt = "good" if kind[1] is None else "shot"
        marked = [learnt if kinds[i][1] == "train" else "test" for i in members]
        given_roles = [roles[i] for i in members]
        if kind[1] is None or "shot" in marked:
            assert given_roles == marked
        else:
            shots = max(1, len(members) // 3)
            assert given_roles == ["shot"] * shots + ["test"] * (len(members) - shots)
