import numpy as np
import pytest

from synth.placing.places import measure_spread
from synth.placing.surroundings import Surroundings
from synth.sample import Sample
from tests.synth.placing.scenes import grain, marked

SIZE = (74, 106)


def shot(number: int, row: int, column: int, part: np.ndarray | None = None) -> Sample:
    mask = marked((slice(row - 4, row + 4), slice(column - 5, column + 5)), SIZE)
    image = np.repeat(grain(SIZE, 50 + number)[..., None], 3, axis=2).astype(np.uint8)
    image[mask] //= 3
    meta = {} if part is None else {"part": part}
    return Sample(f"s{number}", image, mask, product="plate", defect="pit", meta=meta)


def spread_of(places) -> np.ndarray:
    return measure_spread([shot(n, *place) for n, place in enumerate(places)]).width


ALIKE = [(20, 30), (21, 31), (19, 29), (20, 31)]
EVERYWHERE = [(10, 12), (60, 90), (15, 85), (58, 20)]


def test_shots_in_one_place_leave_little_room_and_shots_everywhere_leave_all():
    assert spread_of(ALIKE).max() <= 0.06
    assert spread_of(EVERYWHERE).min() > 0.3


def test_few_shots_are_trusted_less_than_many_that_lie_as_far_apart():
    assert (spread_of(ALIKE[:3] * 8) <= spread_of(ALIKE[:3])).all()
    assert (spread_of(EVERYWHERE * 4) < 0.8 * spread_of(EVERYWHERE)).all()


def test_one_shot_says_nothing_about_how_far_others_lie():
    weight = measure_spread([shot(0, 20, 30)]).weight(None, SIZE, (9, 13))
    assert weight == pytest.approx(np.ones((9, 13)))


def test_places_are_relative_to_the_part():
    part = marked((slice(10, 50), slice(20, 60)), SIZE)
    spread = measure_spread([shot(n, *place, part) for n, place in enumerate(ALIKE)])
    moved = np.roll(part, (20, 40), (0, 1))
    found = np.unravel_index(spread.weight(moved, SIZE, SIZE).argmax(), SIZE)
    assert found == pytest.approx((40, 70), abs=2)


@pytest.mark.parametrize(("places", "near"), [(ALIKE, True), (EVERYWHERE, False)])
def test_defects_go_near_the_shots_places_only_where_those_lie_alike(places, near):
    good = [
        Sample(f"g{n}", np.repeat(grain(SIZE, n)[..., None], 3, axis=2).astype(np.uint8), product="plate")
        for n in range(6)
    ]
    known = Surroundings([shot(n, *place) for n, place in enumerate(places)], good)
    found = [known.place("pit", np.random.default_rng(n)) for n in range(24)]
    centres = np.array([(one.pose.row, one.pose.column) for one in found if one is not None])
    assert len(centres) > 18
    assert bool(np.median(np.hypot(*(centres - (20, 30)).T)) < 20) is near
