"""Which images are one. `exposure` makes what a camera sees: the part, and noise of its own."""

import io
import time
from contextlib import nullcontext
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.sparse.csgraph import connected_components

from synth.checks.duplicates import (
    SAME,
    SAME_DETAIL,
    check_leaks,
    duplicate_groups,
    find_duplicates,
    image_limits,
)
from synth.checks.exposure import one_exposure
from synth.checks.ledger import LedgerRow
from synth.errors import LeakError
from synth.io.images import content_hash, hash_distances, perceptual_hash, turns
from tests.synth.trees import random_image, save


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
    base = [perceptual_hash(random_image(int(n), 60, 90)) for n in rng.choice(1000, 6, replace=False)]
    hashes = []
    for n in range(24):
        other = turns(base[n % 6])[rng.integers(8)].astype(float)
        hashes.append(np.clip(other + rng.normal(0, rng.uniform(0, 2), other.shape), 0, 255).astype(np.uint8))
    drawn = rng.choice(roles, 24).tolist()
    rows = [LedgerRow(str(n), None, drawn[n], "lid", None, str(n), h.tobytes()) for n, h in enumerate(hashes)]
    stack = np.stack(hashes)
    limits = image_limits(stack, SAME, SAME_DETAIL)
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


@pytest.mark.parametrize("noise", [0.8, 1.5, 3.0])
def test_two_thousand_frames_of_one_part_are_told_apart_in_a_second(noise):
    rows = copies_of_one(2000, noise)
    began = time.process_time()
    assert find_duplicates(rows) == []
    assert time.process_time() - began < 5


def test_two_thousand_images_are_compared_in_seconds():
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 256, (2000, 32, 32), dtype=np.uint8)
    hashes[1921] = np.rot90(hashes[1234])
    rows = [LedgerRow(str(n), None, "shot", "lid", None, str(n), h.tobytes()) for n, h in enumerate(hashes)]
    began = time.process_time()
    (duplicates,) = find_duplicates(rows)
    assert (duplicates.first.id, duplicates.second.id) == ("1234", "1921")
    assert time.process_time() - began < 10


@cache
def part(seed: int = 7, height: int = 120, width: int = 160) -> np.ndarray:
    """A textured part on a plain ground, as a camera's optics show it."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    body = (y / 0.8) ** 2 + (x / 0.7) ** 2 < 1
    texture = gaussian_filter(np.random.default_rng(seed).normal(0, 1, (height, width)), (1, 4)) * 60
    hole = (y - 0.1) ** 2 + (x + 0.2) ** 2 < 0.06
    return gaussian_filter(60 + (90 + texture) * body - 50 * hole, 0.8)


def exposure(seed: int, noise: float = 4, play: int = 1, base: np.ndarray | None = None) -> np.ndarray:
    """The part with a pixel of play, a little more or less light, and noise: (120, 160, 3)."""
    rng = np.random.default_rng(seed)
    shifted = np.roll(part() if base is None else base, rng.integers(-play, play + 1, 2), (0, 1))
    grey = shifted * (1 + rng.normal(0, 0.004)) + rng.normal(0, noise, shifted.shape)
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, -1)


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.array(Image.open(buffer))


def resized(image: np.ndarray, factor: float) -> np.ndarray:
    height, width = (round(side * factor) for side in image.shape[:2])
    return np.array(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))


def noisy(image: np.ndarray, noise: float) -> np.ndarray:
    added = image + np.random.default_rng(99).normal(0, noise, image.shape[:2])[..., None]
    return np.clip(added, 0, 255).astype(np.uint8)


COPIES = {
    "jpeg 90": lambda image: jpeg(image, 90),
    "jpeg 70": lambda image: jpeg(image, 70),
    "jpeg 50": lambda image: jpeg(image, 50),
    "half": lambda image: resized(image, 0.5),
    "three quarters": lambda image: resized(image, 0.75),
    "larger": lambda image: resized(image, 1.5),
    "noise": lambda image: noisy(image, 4),
    "turned": lambda image: np.ascontiguousarray(np.rot90(image)),
    "mirrored jpeg": lambda image: jpeg(np.ascontiguousarray(image[:, ::-1]), 80),
}


def filed(folder, images: dict[str, np.ndarray], role: str) -> list[LedgerRow]:
    """Rows of images in files."""
    rows = []
    for name, image in images.items():
        file = save(folder / f"{name}.png", image, compress_level=1)
        thumbnail = perceptual_hash(image).tobytes()
        rows.append(LedgerRow(name, str(file), role, "lid", None, content_hash(image), thumbnail))
    return rows


@pytest.mark.parametrize("coded", [None, 75])
@pytest.mark.parametrize("count", [3, 9, 70])
def test_exposures_of_one_fixture_are_no_duplicates(tmp_path, count, coded):
    images = {f"g{n:03}": exposure(n) for n in range(count)}
    if coded is not None:
        images = {name: jpeg(image, coded) for name, image in images.items()}
    rows = filed(tmp_path, images, "good")
    half = [*rows[: count // 2], *filed(tmp_path, dict(list(images.items())[count // 2 :]), "test")]
    assert check_leaks(half) == []


@pytest.fixture(scope="module")
def fixture(tmp_path_factory) -> list[LedgerRow]:
    return filed(tmp_path_factory.mktemp("fixture"), {f"g{n:03}": exposure(n) for n in range(120)}, "good")


@pytest.mark.parametrize("how", sorted(COPIES.keys() - {"jpeg 50"}))  # which is lost among them at this size
def test_a_copy_is_found_among_exposures_of_one_fixture(tmp_path, fixture, how):
    copy = filed(tmp_path, {"copy": COPIES[how](exposure(7))}, "test")
    with pytest.raises(LeakError, match=r"good .*g007\.png and test .*copy\.png show one .*source\.duplicates: warn"):
        check_leaks([*fixture, *copy])


@pytest.mark.parametrize("how", COPIES)
def test_copies_share_noise_and_exposures_do_not(how):
    one, other = exposure(1, play=0), exposure(2, play=0)
    assert one_exposure(one, COPIES[how](one))
    assert not one_exposure(one, other)


def test_many_copies_of_one_exposure_alone_are_one_group(tmp_path):
    image = exposure(1)
    images = {"original": image} | {f"jpeg{q}": jpeg(image, q) for q in range(60, 96, 3)}
    (group,) = duplicate_groups(filed(tmp_path, images, "good"))
    assert len(group) == len(images)


def test_a_leak_may_be_accepted_and_is_still_told(tmp_path):
    image = exposure(1)
    rows = [*filed(tmp_path, {"a": image}, "good"), *filed(tmp_path, {"b": jpeg(image, 80)}, "test")]
    (pair,) = check_leaks(rows, accept=True)
    assert pair.leaks


@pytest.mark.parametrize("change", ["gone", "another image"])
def test_a_file_that_changed_since_is_judged_by_its_thumbnail(tmp_path, change):
    rows = filed(tmp_path, {"a": exposure(1, 0), "b": jpeg(exposure(1, 0), 90)}, "good")
    if change == "gone":
        (tmp_path / "a.png").unlink()
    else:
        save(tmp_path / "a.png", random_image(2, 120, 160))
    assert len(find_duplicates(rows)) == 1
