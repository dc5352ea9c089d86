import logging
import os
from dataclasses import replace
from multiprocessing import get_context

import pytest
import torch

from eval import features
from eval.features.cache import FeatureCache, cached_network, cached_points
from eval.features.points import create_points
from tests.eval.features import clouds

KEY = "ab" + 62 * "0"


def counted(network):
    """The network, and how many images went through it."""
    seen = []

    def maps(pixels):
        seen.extend([1] * len(pixels))
        return network.maps(pixels)

    return replace(network, maps=maps), seen


def files(folder):
    return sorted(folder.glob("??/*.safetensors"))


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip([*one.levels, one.whole], [*other.levels, other.whole], strict=True))


def test_an_image_goes_through_the_network_once_and_comes_back_bit_for_bit(tmp_path):
    network, seen = counted(features.create("random"))
    cached = cached_network(network, FeatureCache(tmp_path))
    pixels = torch.rand(5, 3, 32, 48)
    first = cached.maps(pixels[:3])
    second = cached_network(network, FeatureCache(tmp_path)).maps(pixels[[4, 2, 0]])
    assert len(seen) == 4
    assert same(first, network.maps(pixels[:3]))
    assert torch.equal(second.levels[1][1], first.levels[1][2])
    assert len(files(tmp_path)) == 4
    assert (cached.name, cached.identity, cached.multiple) == (network.name, network.identity, network.multiple)


def test_pixels_size_and_network_each_make_another_entry(tmp_path):
    pixels = torch.zeros(1, 3, 32, 48)
    for levels, image in ((None, pixels), ((0,), pixels), (None, pixels + 1e-6), (None, pixels.reshape(1, 3, 48, 32))):
        features.create("random", levels, cache=tmp_path).maps(image)
    assert len(files(tmp_path)) == 4


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "text", "moved"])
def test_a_damaged_file_is_told_and_made_again(damage, tmp_path, caplog):
    network, seen = counted(features.create("random"))
    cached = cached_network(network, FeatureCache(tmp_path))
    first, other = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16)
    wanted = cached.maps(first)
    (path,) = files(tmp_path)
    content = path.read_bytes()
    if damage == "moved":
        cached.maps(other)
        path.write_bytes(next(file for file in files(tmp_path) if file != path).read_bytes())
    else:
        flipped = content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]
        path.write_bytes({"flipped": flipped, "cut": content[:-20], "empty": b"", "text": b"no tensors"}[damage])
    seen.clear()
    with caplog.at_level(logging.WARNING):
        assert same(cached.maps(first), wanted)
    assert len(seen) == 1
    assert f"{path} is damaged" in caplog.text
    assert path.read_bytes() == content


def test_the_folder_stays_within_its_limit_and_what_was_used_last_stays(tmp_path):
    cache = FeatureCache(tmp_path, limit=40_000)
    keys = [f"{number:064x}" for number in range(60)]
    for number, key in enumerate(keys):
        cache.put(key, {"level.000": torch.full((500,), float(number))})
        for age, path in enumerate(files(tmp_path)):
            if path.name.startswith(key):
                os.utime(path, (number + 1_000_000, number + 1_000_000))
            assert age < 60
        assert sum(path.stat().st_size for path in files(tmp_path)) <= 40_000 + 40_000 // 16
    kept = [key for key in keys if cache.get(key) is not None]
    assert kept == keys[-len(kept) :]
    assert len(kept) > 8


def write_many(folder: str) -> int:
    cache = FeatureCache(folder, limit=60_000)
    wrong = 0
    for number in range(60):
        key = f"{number % 20:064x}"
        found = cache.get(key)
        wrong += found is not None and not bool((found["level.000"] == number % 20).all())
        cache.put(key, {"level.000": torch.full((700,), float(number % 20))})
    return wrong


def test_two_processes_share_a_folder(tmp_path, caplog):
    processes = [get_context("fork").Process(target=write_many, args=(str(tmp_path),)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0, 0]
    with caplog.at_level(logging.WARNING):
        assert write_many(str(tmp_path)) == 0
    assert not caplog.records
    assert not list(tmp_path.glob("??/.*"))


def test_a_folder_that_cannot_be_written_is_told_once_and_features_are_there(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    cached = features.create("random", cache=tmp_path / "file")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert cached.maps(torch.zeros(2, 3, 16, 16)).whole.shape == (2, 64)
    assert len([record for record in caplog.records if "are not kept" in record.message]) == 1


def test_clouds_are_kept_as_well(tmp_path):
    points, _ = clouds.sheet(side=20)
    plain = create_points("fpfh")
    seen = []
    cached = cached_points(
        replace(plain, tokens=lambda p: (seen.append(1), plain.tokens(p))[1]), FeatureCache(tmp_path)
    )
    first, again = cached.tokens(points), cached.tokens(points)
    assert len(seen) == 1
    for one in (first, again):
        assert torch.equal(one.index, plain.tokens(points).index)
        assert torch.equal(one.curvature, plain.tokens(points).curvature)
        assert torch.equal(one.levels[0], plain.tokens(points).levels[0])
