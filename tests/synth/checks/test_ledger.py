import io
import time
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.sparse.csgraph import connected_components

from synth.checks.ledger import (
    LedgerRow,
    build_ledger,
    check_leaks,
    duplicate_groups,
    find_duplicates,
    read_ledger,
    same_image_limits,
    write_ledger,
)
from synth.errors import LeakError, SourceError, WriterError
from synth.io.images import content_hash, hash_distances, perceptual_hash, turns
from synth.sources import read_source
from synth.sources.config import FolderSource
from synth.split import make_split
from tests.synth.trees import folder_tree, random_image


def row(name: str, image: np.ndarray, role: str = "shot") -> LedgerRow:
    return LedgerRow(name, f"{name}.png", role, "lid", "bent", content_hash(image), perceptual_hash(image).tobytes())


def copied(image: np.ndarray, how: str) -> np.ndarray:
    pixels = Image.fromarray(image)
    if how == "jpeg 60":
        buffer = io.BytesIO()
        pixels.save(buffer, "JPEG", quality=60)
        return np.array(Image.open(buffer))
    if how == "smaller":
        return np.array(pixels.resize((pixels.width * 3 // 5, pixels.height * 3 // 5), Image.Resampling.BICUBIC))
    if how == "resized":
        return np.array(pixels.resize((128, 128), Image.Resampling.LANCZOS))
    if how == "grey":
        return np.array(pixels.convert("L").convert("RGB"))
    return {"flipped": image[:, ::-1], "turned": np.rot90(image), "transposed": image.transpose(1, 0, 2)}.get(
        how, image
    )


@pytest.mark.parametrize("how", ["same", "jpeg 60", "smaller", "resized", "grey", "flipped", "turned", "transposed"])
def test_a_copy_in_another_role_stops_with_both_names(how):
    image = random_image(1, 151, 203)
    ledger = [row("one", image), row("other", random_image(2, 151, 203)), row("two", copied(image, how), "test")]
    with pytest.raises(LeakError, match=r"shot one\.png and test two\.png .*one role only: remove one"):
        check_leaks(ledger)


def test_a_copy_within_a_role_is_only_reported():
    image = random_image(1)
    (duplicates,) = check_leaks(
        [row("one", image), row("two", np.ascontiguousarray(image[::-1])), row("three", random_image(3))]
    )
    assert (duplicates.first.id, duplicates.second.id) == ("one", "two")
    assert duplicates.distance < 0.01


def test_parts_that_differ_by_a_mark_are_two_images():
    image = random_image(1, 151, 203)
    marked = image.copy()
    marked[40:70, 50:90] = 0
    assert check_leaks([row("good", image, "good"), row("shot", marked)]) == []


@pytest.mark.parametrize("noise", [0, 3])
def test_plain_parts_are_one_only_when_their_pixels_are(noise):
    rng = np.random.default_rng(0)
    one, two = (
        np.clip(np.full((151, 203, 3), 128) + rng.normal(0, noise, (151, 203, 1)), 0, 255).astype(np.uint8)
        for _ in "12"
    )
    two[70, 80] += 9
    assert check_leaks([row("good", one, "good"), row("shot", two)]) == []
    with pytest.raises(LeakError, match="hold the same pixels"):
        check_leaks([row("good", one, "good"), row("shot", one)])


def noisy_copies(seed: int, roles: tuple[str, ...]) -> tuple[list[LedgerRow], np.ndarray]:
    """24 rows of 6 images, turned and with noise; and which of them are one image by the limits, (24, 24) bool."""
    rng = np.random.default_rng(seed)
    base = [perceptual_hash(random_image(int(n), 60, 90)) for n in rng.integers(0, 1000, 6)]
    hashes = []
    for n in range(24):
        other = turns(base[n % 6])[rng.integers(8)].astype(float)
        hashes.append(np.clip(other + rng.normal(0, rng.uniform(0, 2), other.shape), 0, 255).astype(np.uint8))
    drawn = rng.choice(roles, 24).tolist()
    rows = [LedgerRow(str(n), None, drawn[n], "lid", None, str(n), h.tobytes()) for n, h in enumerate(hashes)]
    stack = np.stack(hashes)
    limits = same_image_limits(stack)
    return rows, hash_distances(stack, stack) <= np.minimum.outer(limits, limits)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_pairs_found_are_true_and_hold_together_all_that_is_one_image(seed):
    rows, close = noisy_copies(seed, ("shot",))
    pairs = [(int(t.first.id), int(t.second.id)) for t in find_duplicates(rows)]
    assert all(close[pair] and pair[0] < pair[1] for pair in pairs)
    count, labels = connected_components(close)
    assert len(pairs) == len(rows) - count
    found = [[int(row.id) for row in group] for group in duplicate_groups(rows)]
    assert found == [
        group for k in dict.fromkeys(labels.tolist()) if len(group := np.flatnonzero(labels == k).tolist()) > 1
    ]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_leak_is_found_whatever_else_is_one_image(seed):
    rows, close = noisy_copies(seed, ("shot", "good", "test"))
    leaks = any(close[i, j] and rows[i].role != rows[j].role for i in range(24) for j in range(i))
    with pytest.raises(LeakError) if leaks else nullcontext():
        check_leaks(rows)


def test_what_holds_a_group_together_is_reported_once():
    """The third and fourth row are both the image of the first and of the second, which are two."""
    base = perceptual_hash(random_image(1, 100, 120)).clip(2, 250)
    hashes = (base - 1, base + 1, base, base)
    rows = [LedgerRow(str(n), None, "good", "lid", None, str(n), h.tobytes()) for n, h in enumerate(hashes)]
    assert [(t.first.id, t.second.id) for t in find_duplicates(rows)] == [("0", "2"), ("0", "3"), ("1", "2")]


def copies_of_one(count: int, noise: float) -> list[LedgerRow]:
    rng = np.random.default_rng(0)
    base = perceptual_hash(random_image(1, 100, 120)).astype(float)
    hashes = np.clip(base + rng.normal(0, noise, (count, 32, 32)), 0, 255).round().astype(np.uint8)
    return [LedgerRow(str(n), None, "good", "lid", None, str(n), h.tobytes()) for n, h in enumerate(hashes)]


@pytest.mark.parametrize(("noise", "pairs"), [(0.3, 999), (1.5, 0)])
def test_a_thousand_frames_of_one_part_are_compared_in_a_second_and_reported_once_each(noise, pairs):
    rows = copies_of_one(1000, noise)
    began = time.process_time()
    assert sum(1 for _ in find_duplicates(rows)) == pairs
    assert time.process_time() - began < 5  # 25 s when every pair is compared alone


def test_two_thousand_images_are_compared_in_seconds():
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 256, (2000, 32, 32), dtype=np.uint8)
    hashes[1921] = np.rot90(hashes[1234])
    rows = [LedgerRow(str(n), None, "shot", "lid", None, str(n), h.tobytes()) for n, h in enumerate(hashes)]
    began = time.process_time()
    (duplicates,) = find_duplicates(rows)
    assert (duplicates.first.id, duplicates.second.id) == ("1234", "1921")
    assert time.process_time() - began < 10


def test_a_ledger_names_everything_that_has_a_role_and_comes_back(tmp_path):
    source = FolderSource(root=folder_tree(tmp_path / "tile"), test_fraction=0.34)
    split = make_split(read_source(source), source)
    ledger = build_ledger(split.roles, split.hashes)
    roles = {"shot": split.shots, "good": split.good_images, "test": split.test}
    for role, samples in roles.items():
        assert [r.id for r in ledger if r.role == role] == [s.id for s in samples] != []
    assert all(r.sha256 == content_hash(r.file) for r in ledger)
    write_ledger(ledger, tmp_path / "run" / "ledger.parquet")
    assert read_ledger(tmp_path / "run" / "ledger.parquet") == ledger
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["ledger.parquet"]
    assert build_ledger(replace(split, test=[]).roles, {}) == [r for r in ledger if r.role != "test"]


def test_a_ledger_that_cannot_be_written_or_read_says_so(tmp_path):
    (tmp_path / "file").write_text("hello")
    with pytest.raises(WriterError, match="is not a folder; choose another --out"):
        write_ledger([], tmp_path / "file" / "ledger.parquet")
    with pytest.raises(SourceError, match="file is not a ledger"):
        read_ledger(tmp_path / "file")
    write_ledger([], tmp_path / "ledger.parquet")
    assert check_leaks(read_ledger(tmp_path / "ledger.parquet")) == []


def test_a_ledger_whose_bytes_changed_is_refused_or_the_same(tmp_path):
    ledger = [row(f"marked{n}", random_image(n)) for n in range(5)]
    path = tmp_path / "ledger.parquet"
    write_ledger(ledger, path)
    content = path.read_bytes()
    places = [place for place in range(len(content)) if content[place : place + 6] == b"marked"]
    assert len(places) >= 5
    for place in places:
        path.write_bytes(content[:place] + b"M" + content[place + 1 :])
        try:
            found = read_ledger(path)
        except SourceError:
            continue
        assert found == ledger


@pytest.mark.parametrize(
    "wrong", [{"role": "shots"}, {"perceptual_hash": b"short"}, {"sha256": None}, {"product": None}, {"id": None}]
)
def test_a_ledger_with_a_row_that_no_run_writes_is_refused(tmp_path, wrong):
    write_ledger([replace(row("a", random_image(1)), **wrong)], tmp_path / "ledger.parquet")
    with pytest.raises(SourceError, match=r"ledger\.parquet is damaged: row .* is incomplete; copy the run again"):
        read_ledger(tmp_path / "ledger.parquet")
