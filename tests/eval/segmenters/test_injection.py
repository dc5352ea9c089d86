"""Synthetic images take the places of good ones, and never that of a real defective one."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from eval.segmenters import configure
from eval.segmenters.feed import Feed, Pool
from eval.segmenters.injection import Groups, Injection
from synth.errors import EvalError
from synth.sample import Provenance, Sample


def sample(name: str, defect: str | None, made: bool = False) -> Sample:
    rng = np.random.default_rng(sum(map(ord, name)))
    image = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    mask = np.zeros((32, 32), bool)
    mask[3:9, 5:12] = defect is not None
    return Sample(name, image, mask, product="p", defect=defect, provenance=Provenance("seas", 1) if made else None)


GOOD = [sample(f"good{n}", None) for n in range(11)]
REAL = [sample(f"pit{n}", "pit") for n in range(3)] + [sample(f"dent{n}", "dent") for n in range(5)]
MADE = [sample(f"made-{kind}{n}", kind, True) for kind in ("pit", "dent", "scar") for n in range(7)]


def names(samples, batches=400, batch=8, share=0.25, anneal=0.25, seed=3) -> list[list[str]]:
    injection = Injection(Groups.of(samples), batch, batches, seed, share, anneal)
    return [[samples[row].id for row in injection.rows(number)] for number in range(batches)]


def is_made(name: str) -> bool:
    return name.startswith("made")


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize("order", ["last", "first"])
def test_real_images_and_their_augmentation_are_the_same_with_and_without_synthetic_ones(order, seed):
    config = configure("lfd", resolution=32, steps=40, seed=seed)
    mixed = [*GOOD, *REAL, *MADE] if order == "last" else [*MADE, *GOOD, *REAL]
    alone, injected = Feed(Pool([*GOOD, *REAL], 32), config), Feed(Pool(mixed, 32), config)
    seen = 0
    for number in range(40):
        rows = injected._injection.rows(number)
        kept = [place for place, row in enumerate(rows) if mixed[row].provenance is None]
        seen += len(rows) - len(kept)
        for one, other in zip(injected.batch(number), alone.batch(number), strict=True):
            assert np.array_equal(one[kept], other[kept])
        marked = [place for place in kept if mixed[rows[place]].defect is not None]
        assert marked == [0, 1, 2, 3]
    assert seen > 20


@pytest.mark.parametrize(
    ("batch", "share", "places"), [(8, 0.25, 2), (8, 0.3, 2.4), (8, 0.05, 0.4), (7, 0.5, 2), (8, 0.5, 3), (4, 0.25, 1)]
)
def test_the_share_is_met_on_average_and_one_place_stays_good(batch, share, places):
    counts = [sum(map(is_made, one)) for one in names([*GOOD, *REAL, *MADE], 200, batch, share, anneal=0)]
    assert sum(counts) == pytest.approx(200 * places, abs=1)
    assert set(counts) <= {int(np.floor(places)), int(np.ceil(places))}
    assert all(any(name.startswith("good") for name in one) for one in names([*GOOD, *REAL, *MADE], 50, batch, share))


@pytest.mark.parametrize(("anneal", "left"), [(0.25, 0.5), (1.0, 0.5), (0.0, 1.0)])
def test_the_share_falls_in_a_line_to_zero_over_the_last_part(anneal, left):
    counts = np.array([sum(map(is_made, one)) for one in names([*GOOD, *REAL, *MADE], anneal=anneal)])
    falling = round(400 * anneal)
    assert (counts[: 400 - falling] == 2).all()
    if falling:
        assert counts[400 - falling :].sum() == pytest.approx(2 * falling * left, rel=0.03)
        assert counts[-falling // 10 :].sum() <= 0.1 * falling


def test_types_take_turns_and_every_image_comes_once_a_round():
    seen = Counter(name for one in names([*GOOD, *REAL, *MADE], 210, anneal=0) for name in one)
    assert {seen[f"made-{kind}{n}"] for kind in ("pit", "dent", "scar") for n in range(7)} == {20}
    assert sum(seen[f"pit{n}"] for n in range(3)) == sum(seen[f"dent{n}"] for n in range(5)) == 420
    assert {seen[f"pit{n}"] for n in range(3)} == {140}


@pytest.mark.parametrize("share", [0, 0.25, 0.5])
def test_synthetic_images_take_the_places_of_real_ones_where_there_are_none(share):
    for one in names([*GOOD, *MADE], 60, share=share):
        assert [is_made(name) for name in one] == [True] * 4 + [False] * 4


def test_no_share_leaves_synthetic_images_out():
    assert names([*GOOD, *REAL, *MADE], 50, share=0) == names([*GOOD, *REAL], 50)


def test_other_seeds_give_other_batches_and_a_longer_training_starts_with_the_same():
    everything = [*GOOD, *REAL, *MADE]
    assert names(everything, 100)[:75] == names(everything, 100, seed=3)[:75] == names(everything, 400)[:75]
    assert names(everything, 100) != names(everything, 100, seed=4)


@pytest.mark.parametrize(
    ("samples", "batch", "message"),
    [
        ([*REAL, *MADE], 8, "there are no good images; give good images and batches of at least 4"),
        ([*GOOD, *REAL, *MADE], 2, "a batch of 2 has only one; give"),
        ([], 8, "no images to train on"),
    ],
)
def test_synthetic_images_without_a_place_are_an_error(samples, batch, message):
    with pytest.raises(EvalError, match=message):
        names(samples, batch=batch)


def test_images_of_one_kind_fill_the_batch():
    assert all(len(one) == 8 for one in names(GOOD, 20))
    assert all(len(one) == 8 for one in names(REAL, 20))


def test_a_pool_tells_synthetic_images_by_their_provenance():
    groups = Pool([*GOOD, replace(REAL[0], provenance=Provenance("oversample", 0)), REAL[1]], 32).groups
    assert [own.tolist() for own in (groups.good_images, *groups.real, *groups.synthetic)] == [
        list(range(11)),
        [12],
        [11],
    ]
