import json
import shutil
import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth import generators
from synth.checks.duplicates import check_leaks
from synth.checks.ledger import build_ledger, read_ledger
from synth.cli.summary import Summary
from synth.errors import LeakError, SourceError
from synth.pipeline import preparation
from synth.pipeline.inspect import inspect
from synth.pipeline.preview import preview
from synth.pipeline.runs import run
from synth.sample import Sample
from synth.sources import read_source
from synth.sources.config import FolderSource, MvtecAdSource, ProceduralSource, SourceConfig
from synth.split import Split, make_split, roles_of
from tests.synth import blobs
from tests.synth.blobs import BlobGenerator, recipe_for, write_source
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


def test_shots_carry_pixels_and_all_others_none(tmp_path):
    split = split_of(MvtecAdSource(root=mvtec_tree(tmp_path)))
    assert all(s.image is not None and s.mask is not None for s in split.shots)
    assert all(s.image is None and s.mask is None for s in split.test + split.good_images)
    assert set(split.hashes) == {s.id for s in split.shots + split.good_images + split.test}
    for shot in split.shots:
        seed = 100 * (1 + (shot.defect == "cut")) + int(Path(shot.meta["file"]).stem)
        assert (shot.image == random_image(seed, *shot.mask.shape)).all()
        assert (shot.mask == blob(seed, *shot.mask.shape)).all()


def test_pixels_of_samples_are_let_go_while_reading(tmp_path):
    source = MvtecAdSource(root=mvtec_tree(tmp_path, tests=9))
    kept, alive = [], []

    def watched():
        for sample in read_source(source):
            kept.append(weakref.ref(sample.image))
            yield sample
            alive.append(sum(image() is not None for image in kept))

    make_split(watched(), source)
    assert len(kept) > 19
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


def tree_with_tests(root: Path, shots: int = 8, types: tuple[str, ...] = ("crack", "pit")) -> Path:
    """A folder in which every type has shots and two test images."""
    folder_tree(root, shots=shots, types=types)
    for k, kind in enumerate(types):
        for n in range(2):
            seed = 1000 * (k + 1) + n
            save(root / "test" / kind / f"t{n}.png", random_image(seed, *size_of(seed)))
            save(root / "test" / kind / f"t{n}_mask.png", blob(seed, *size_of(seed)))
    return root


def kept(split: Split, kind: str) -> list[str]:
    return names([sample for sample in split.validation if sample.defect == kind])


@pytest.mark.parametrize(
    ("shots", "fraction", "least", "wanted"),
    [
        (3, 0.25, 2, 0),
        (4, 0.25, 2, 1),
        (5, 0.25, 2, 1),
        (8, 0.25, 2, 2),
        (12, 0.25, 2, 3),
        (8, 0.05, 2, 1),
        (8, 0.0, 2, 0),
        (8, 0.9, 2, 6),
        (8, 0.5, 6, 2),
        (4, 0.25, 4, 0),
    ],
)
def test_a_share_of_the_shots_is_kept_for_validation_and_enough_are_left(tmp_path, shots, fraction, least, wanted):
    source = FolderSource(root=tree_with_tests(tmp_path, shots), validation_fraction=fraction, min_shots=least)
    split = split_of(source)
    for kind in ("crack", "pit"):
        assert len(kept(split, kind)) == wanted
        assert len([shot for shot in split.shots if shot.defect == kind]) == shots - wanted
    assert all(sample.image is None and sample.mask is None for sample in split.validation)
    assert not {sample.id for sample in split.validation} & {sample.id for sample in split.shots + split.test}


def test_a_type_without_test_images_keeps_all_of_its_shots_to_learn_from(tmp_path):
    root = tree_with_tests(tmp_path)
    shutil.rmtree(root / "test" / "pit")
    split = split_of(FolderSource(root=root))
    assert [len(kept(split, kind)) for kind in ("crack", "pit")] == [2, 0]
    assert not split_of(FolderSource(root=root), learns=False).validation


@pytest.mark.parametrize("source", [{}, {"test_fraction": 0.3}])
def test_the_same_seed_keeps_the_same_and_another_type_or_good_image_changes_nothing(tmp_path, source):
    root = tree_with_tests(tmp_path, 12)
    before = split_of(FolderSource(root=root, **source), seed=5)
    again = split_of(FolderSource(root=root, **source), seed=5)
    assert kept(before, "crack") == kept(again, "crack") != []
    others = {tuple(kept(split_of(FolderSource(root=root, **source), seed=seed), "crack")) for seed in range(6)}
    assert len(others) > 1
    tree_with_tests(root, 12, ("crack", "pit", "abrasion"))
    save(root / "good" / "another.jpg", random_image(77))
    after = split_of(FolderSource(root=root, **source), seed=5)
    for kind in ("crack", "pit"):
        assert kept(after, kind) == kept(before, kind)
        for one, other in ((before.shots, after.shots), (before.test, after.test)):
            assert names([s for s in one if s.defect == kind]) == names([s for s in other if s.defect == kind])
    assert kept(after, "abrasion")


def test_a_shot_saved_twice_is_not_learnt_from_and_chosen_with(tmp_path):
    root = tree_with_tests(tmp_path)
    for n in range(8):
        image, mask = random_image(100 + n, *size_of(100 + n)), blob(100 + n, *size_of(100 + n))
        save(root / "defect" / "crack" / f"again{n}.png", image[:, ::-1])
        save(root / "defect" / "crack" / f"again{n}_mask.png", mask[:, ::-1])
    split = split_of(FolderSource(root=root))
    found = kept(split, "crack")
    assert len(found) == 4
    assert {name for name in found if name.startswith("again")} == {f"again{name[5:]}" for name in found[2:]}
    check_leaks(build_ledger(split.roles, split.hashes))


def test_a_shot_with_a_copy_among_another_type_is_not_kept(tmp_path):
    root = tree_with_tests(tmp_path, 4)
    for n in range(4):
        save(root / "defect" / "pit" / f"c{n}.png", random_image(100 + n, *size_of(100 + n)))
        save(root / "defect" / "pit" / f"c{n}_mask.png", blob(100 + n, *size_of(100 + n)))
    split = split_of(FolderSource(root=root))
    assert kept(split, "crack") == []
    assert len(kept(split, "pit")) == 1
    check_leaks(build_ledger(split.roles, split.hashes))


def test_a_split_file_that_lists_validation_is_followed(tmp_path):
    root = folder_tree(tmp_path, shots=6)
    listed = {
        "shots": {"crack": [f"crack{n}.png" for n in range(5)], "pit": ["pit0.png", "pit1.png"], "good": ["good1.jpg"]},
        "validation": {"crack": ["crack5.png"], "good": ["good2.jpg"]},
        "test": {"pit": ["pit3.png"], "crack": []},
    }
    (root / "split.json").write_text(json.dumps(listed))
    split = split_of(FolderSource(root=root))
    assert names(split.validation) == ["crack5.png", "good2.jpg"]
    assert names(split.shots) == [*listed["shots"]["crack"], *listed["shots"]["pit"]]
    assert [row.role for row in build_ledger(split.roles, split.hashes)].count("validation") == 2
    listed["validation"]["crack"].append("crack0.png")
    (root / "split.json").write_text(json.dumps(listed))
    with pytest.raises(SourceError, match=r"crack/crack0\.png is listed in shots and in validation; keep it in one"):
        split_of(FolderSource(root=root))


@pytest.mark.parametrize("role", ["shots", "test"])
def test_a_validation_image_in_another_role_is_a_leak(tmp_path, role):
    root = folder_tree(tmp_path, shots=6)
    save(root / "defect" / "crack" / "copy.png", random_image(105, *size_of(105))[::-1])
    save(root / "defect" / "crack" / "copy_mask.png", blob(105, *size_of(105))[::-1])
    listed = {"shots": {"crack": ["crack0.png", "crack1.png"], "good": ["good1.jpg"]}, "test": {"crack": []}}
    listed |= {"validation": {"crack": ["crack5.png"]}}
    listed[role]["crack"].append("copy.png")
    (root / "split.json").write_text(json.dumps(listed))
    split = split_of(FolderSource(root=root))
    with pytest.raises(LeakError, match=rf"{role.rstrip('s')} .*copy\.png and validation .*crack5\.png"):
        check_leaks(build_ledger(split.roles, split.hashes))


def test_the_generator_never_sees_a_validation_shot_and_the_run_says_how_many_there_are(tmp_path, monkeypatch):
    learnt = []

    class Spy(BlobGenerator):
        def fit(self, shots, good_images, progress=None):
            learnt.extend(sample.id for sample in [*shots, *good_images])
            super().fit(shots, good_images, progress)

    monkeypatch.setitem(generators.GENERATORS, "seas", blobs.given(Spy))
    root = write_source(tmp_path / "source", shots=12)
    source = FolderSource(root=root, product="tile", test_fraction=0.3)
    recipe = recipe_for(root).model_copy(update={"source": source})
    made = run(recipe, tmp_path / "run")
    rows = read_ledger(made.folder.ledger)
    kept_ids = {row.id for row in rows if row.role == "validation"}
    assert len(kept_ids) == 4
    assert set(learnt) == {row.id for row in rows if row.role in ("shot", "good")}
    line = "shots kept for validation: 2 of tile/crack, 2 of tile/stain"
    assert line in Summary(made, 1.0).lines()
    assert Summary(made, 1.0).to_json()["validation"] == {"tile/crack": 2, "tile/stain": 2}
    assert line in str(preview(recipe, preparation.silent)).splitlines()
    assert "shots kept for validation: none" in str(
        preview(
            recipe.model_copy(update={"source": source.model_copy(update={"validation_fraction": 0})}),
            preparation.silent,
        )
    )


def test_inspect_says_how_many_shots_a_run_keeps(tmp_path):
    report = inspect(tree_with_tests(tmp_path / "tile"))
    assert [(kind.train, kind.validation, kind.test) for kind in report.kinds if kind.defect] == [(6, 2, 2)] * 2
    assert "  tile/crack: 6 shots, 2 kept for validation, 2 test" in str(report)


def drawn(split: Split, kind: str) -> list[str]:
    return sorted(names([sample for sample in [*split.shots, *split.validation] if sample.defect == kind]))


@pytest.mark.parametrize("shots", [1, 4, 6, 8, 99])
def test_so_many_shots_of_each_type_are_drawn_and_the_others_play_no_role(tmp_path, shots):
    root = tree_with_tests(tmp_path)
    split = split_of(FolderSource(root=root, shots=shots, min_shots=1))
    taking_part = min(shots, 8)
    for kind in ("crack", "pit"):
        assert len(drawn(split, kind)) == taking_part
        assert len(kept(split, kind)) == {1: 0, 4: 1, 6: 2}.get(shots, 2)
        left = [one for one in split.dropped if one.defect == kind]
        assert len(left) == 8 - taking_part
        assert all(f"source.shots={shots} of each defect type, source.shots_draw=0" in one.reason for one in left)
    assert (len(split.test), len(split.good_images)) == (4, 4)
    rows = {row.id for row in build_ledger(split.roles, split.hashes)}
    assert not rows & {one.id for one in split.dropped}


def test_draws_differ_and_depend_on_nothing_but_the_ids_of_their_type(tmp_path):
    root = tree_with_tests(tmp_path, 12)
    draws = [FolderSource(root=root, shots=4, shots_draw=number) for number in range(5)]
    before = [drawn(split_of(source), "crack") for source in draws]
    assert len(set(map(tuple, before))) > 1
    tree_with_tests(root, 12, ("crack", "pit", "abrasion"))
    save(root / "good" / "another.jpg", random_image(77))
    assert [drawn(split_of(source, seed=9), "crack") for source in draws] == before
    for source, few in zip(draws, before, strict=True):
        assert set(few) < set(drawn(split_of(source.model_copy(update={"shots": 7})), "crack"))


def test_copies_of_a_shot_are_drawn_together_and_counted_once(tmp_path):
    root = tree_with_tests(tmp_path)
    for n in range(8):
        image, mask = random_image(100 + n, *size_of(100 + n)), blob(100 + n, *size_of(100 + n))
        save(root / "defect" / "crack" / f"again{n}.png", image[:, ::-1])
        save(root / "defect" / "crack" / f"again{n}_mask.png", mask[:, ::-1])
    found = drawn(split_of(FolderSource(root=root, shots=3)), "crack")
    assert len(found) == 6
    assert {name for name in found if name.startswith("again")} == {f"again{name[5:]}" for name in found[3:]}


def test_good_windows_of_a_shot_that_is_not_drawn_are_left_out_with_it(tmp_path):
    for kind, seed in (("crack", 1), ("pit", 50)):
        for n in range(6):
            mask = np.zeros((96, 128), bool)
            mask[5:20, 70:90] = True
            save(tmp_path / "defect" / kind / f"{kind}{n}.png", random_image(seed + n, 96, 128))
            save(tmp_path / "defect" / kind / f"{kind}{n}_mask.png", mask)
    source = FolderSource(root=tmp_path, good_from="defective", tiles=32, shots=2, min_shots=1)
    split = split_of(source)
    files = {sample.meta["file"] for sample in split.shots}
    assert len(files) == 4
    assert {sample.meta["file"] for sample in split.good_images} <= files
    assert {one.file for one in split.dropped} & files == set()


@pytest.mark.parametrize("learns", [True, False])
def test_rendered_shots_are_drawn_as_well(learns):
    source = ProceduralSource(products=("cap",), good_images=2, shots_per_defect=3, test_per_defect=1, size=64, shots=2)
    split = split_of(source, learns=learns)
    kinds = {shot.defect for shot in split.shots}
    assert all(len(drawn(split, str(kind))) == 2 for kind in kinds)
    assert len(split.dropped) == len(kinds)


def test_too_few_drawn_shots_name_the_field_to_raise(tmp_path):
    with pytest.raises(SourceError, match=r"has 1 shot, .*raise source\.shots=1, or accept fewer"):
        split_of(FolderSource(root=tree_with_tests(tmp_path), shots=1))


def test_the_draw_is_told_by_inspect_a_dry_run_and_the_end_of_a_run(tmp_path, monkeypatch):
    monkeypatch.setitem(generators.GENERATORS, "seas", blobs.BLOBS)
    root = write_source(tmp_path / "source", shots=9)
    source = FolderSource(root=root, product="tile", test_fraction=0.3, shots=5, shots_draw=2)
    recipe = recipe_for(root).model_copy(update={"source": source})
    line = (
        "shots drawn (source.shots=5, source.shots_draw=2): 5 of 7 of tile/crack, 5 of 7 of tile/stain; the others "
        "play no role"
    )
    assert line in str(preview(recipe, preparation.silent)).splitlines()
    made = run(recipe, tmp_path / "run")
    assert line in Summary(made, 1.0).lines()
    assert len([row for row in read_ledger(made.folder.ledger) if row.role in ("shot", "validation")]) == 10
    report = inspect(tree_with_tests(tmp_path / "tile"), overrides=["source.shots=4"])
    assert [(kind.train, kind.validation, kind.test) for kind in report.kinds if kind.defect] == [(3, 1, 2)] * 2
    assert "shots drawn (source.shots=4, source.shots_draw=0): 4 of 8 of tile/crack, 4 of 8 of tile/pit" in str(report)


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
