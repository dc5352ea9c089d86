from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from scipy.stats import spearmanr

from synth.errors import GeneratorError
from synth.placing.paste import paste
from synth.placing.surroundings import UNLIKE, Surroundings
from synth.placing.variation import Variation, draw_variation
from synth.sample import Sample
from synth.sources.procedural import read_procedural
from tests.synth.placing.scenes import grain, marked

FEATURES = {"scratch_neck": 2, "thread_dent": 3}
SIZE = (74, 106)
BLOBS = [(slice(20, 29), slice(24, 38)), (slice(44, 54), slice(60, 71)), (slice(30, 38), slice(70, 83))]


@pytest.fixture(scope="module")
def screws():
    """Shots and good parts of screws that lie anywhere, at any angle, on a plain table."""
    samples = list(read_procedural(["screw"], 16, 4, test_per_defect=0, test_good_images=0, size=160))
    shots = [sample for sample in samples if sample.defect in FEATURES]
    return shots, [sample for sample in samples if sample.defect is None]


@pytest.fixture(scope="module")
def surroundings(screws):
    return Surroundings(*screws)


@pytest.fixture(scope="module")
def placed(surroundings):
    """(defect, where it was placed) for 24 draws of each type; few find no place."""
    found = [(defect, surroundings.place(defect, np.random.default_rng(n))) for defect in FEATURES for n in range(24)]
    kept = [(defect, one) for defect, one in found if one is not None]
    assert len(kept) >= 0.9 * len(found)
    return kept


def stripes(seed: int) -> np.ndarray:
    """Stripes along the rows that lie alike in every image, with noise of their own."""
    rows = np.indices(SIZE)[0]
    return 128 + 40 * np.sin(rows * 0.9) + np.random.default_rng(seed).normal(0, 4, SIZE)


def plates(surface, blobs=BLOBS) -> tuple[list[Sample], list[Sample]]:
    """A shot for each dark blob, and six good plates, of a surface (seed -> (H, W))."""

    def coloured(seed):
        return np.repeat(np.clip(surface(seed), 0, 255)[..., None], 3, axis=2).astype(np.uint8)

    shots = []
    for number, blob in enumerate(blobs):
        image, mask = coloured(100 + number), marked(blob, SIZE)
        image[mask] = image[mask] // 3
        shots.append(Sample(f"s{number}", image, mask, product="plate", defect="pit"))
    return shots, [Sample(f"g{n}", coloured(n), np.zeros(SIZE, bool), product="plate") for n in range(6)]


@pytest.fixture(scope="module")
def cast():
    """A surface that is the same everywhere and in all directions."""
    return Surroundings(*plates(lambda seed: grain(SIZE, seed)))


def centres(surroundings, count=24, **choices):
    found = [surroundings.place("pit", np.random.default_rng(n), **choices) for n in range(count)]
    assert None not in found
    return np.array([(one.pose.row, one.pose.column) for one in found])


def test_defects_of_parts_that_lie_anywhere_are_placed_on_their_own_feature(placed):
    shares = []
    for defect, one in placed:
        _, mask = paste(one.good.image, one.crop, one.pose)
        on_part = one.good.meta["features"][mask & one.good.meta["foreground"]]
        shares.append((on_part == FEATURES[defect]).mean() if on_part.size else 0.0)
    assert np.mean(np.array(shares) >= 0.5) >= 0.95
    # One feature among many parts and angles is not met by chance.
    assert len({one.good.id for _, one in placed}) > 8
    assert np.ptp([one.pose.degrees for _, one in placed]) > 180


def test_the_surroundings_of_placed_defects_fit_and_those_of_defects_on_the_table_do_not(surroundings, placed):
    here, on_table = [], []
    for defect, one in placed[::2]:
        away = ndimage.distance_transform_edt(~one.good.meta["foreground"])
        away[:25], away[-25:], away[:, :25], away[:, -25:] = 0, 0, 0, 0
        row, column = np.unravel_index(away.argmax(), away.shape)
        for pose, misfits in ((one.pose, here), (replace(one.pose, row=row, column=column), on_table)):
            image, mask = paste(one.good.image, one.crop, pose)
            misfits.append(surroundings.misfit(defect, image, mask))
    assert np.mean(np.array(here) <= 1) >= 0.95
    assert np.mean(np.array(on_table) > 1) >= 0.95


def test_a_placement_depends_on_its_random_stream_alone(screws):
    shots, good_images = screws[0][:2] + screws[0][-2:], screws[1][:5]
    one, other = Surroundings(shots, good_images), Surroundings(shots[::-1], good_images[::-1])
    draws = [(defect, seed) for seed in range(4) for defect in FEATURES]
    forwards = {draw: one.place(draw[0], np.random.default_rng(draw[1])) for draw in draws}
    backwards = {draw: other.place(draw[0], np.random.default_rng(draw[1])) for draw in draws[::-1]}
    for draw in draws:
        assert forwards[draw].pose == backwards[draw].pose
        assert forwards[draw].good.id == backwards[draw].good.id
        assert np.array_equal(forwards[draw].crop.image, backwards[draw].crop.image)
    assert len({found.pose for found in forwards.values()}) == len(draws)


def test_what_was_asked_before_changes_no_placement():
    shots, good_images = plates(lambda seed: grain(SIZE, seed))
    used = Surroundings(shots[:1], good_images[:2], turn=20)
    for seed in range(12):
        among, alone = (
            one.place("pit", np.random.default_rng(seed))
            for one in (used, Surroundings(shots[:1], good_images[:2], turn=20))
        )
        assert among.pose == alone.pose


def test_shots_take_turns_where_that_is_asked(cast):
    crops = [shot.crop for shot in cast.crops("pit")]
    used = [cast.place("pit", np.random.default_rng(7), turn_of=n).crop for n in range(2 * len(crops))]
    assert [crops.index(crop) for crop in used] == 2 * list(range(len(crops)))


def test_trust_in_the_own_place_keeps_a_defect_there():
    surroundings = Surroundings(*plates(stripes))
    shifts = []
    for seed in range(24):
        found = surroundings.place("pit", np.random.default_rng(seed), "own")
        shifts.append(np.abs([found.pose.row, found.pose.column] - found.crop.place) / SIZE)
        assert not found.pose.mirrored
    assert np.max(shifts) <= 0.06 + 1.5 / 96
    # By their surroundings alone, they would go anywhere along the stripes.
    assert centres(surroundings)[:, 1].std() > 0.15 * SIZE[1]


def test_surroundings_that_are_the_same_everywhere_let_defects_go_everywhere(cast):
    assert (centres(cast).std(axis=0) > 0.15 * np.array(SIZE)).all()


def test_places_on_one_and_the_same_part_differ():
    shots, good_images = plates(stripes)
    surroundings = Surroundings(shots[:1], good_images[:1], mirror=False, scale=(1, 1))
    assert len(set(map(tuple, centres(surroundings, 16)))) > 8


def test_defects_that_no_border_cuts_off_keep_the_surroundings_they_came_with(cast):
    for seed in range(24):
        found = cast.place("pit", np.random.default_rng(seed))
        rows, columns = np.nonzero(paste(found.good.image, found.crop, found.pose)[1])
        assert min(rows.min(), columns.min(), SIZE[0] - 1 - rows.max(), SIZE[1] - 1 - columns.max()) >= 3


def test_trust_in_no_place_lets_defects_go_everywhere_inside():
    surroundings = Surroundings(*plates(stripes))
    assert (centres(surroundings, trust="anywhere").std(axis=0) > 0.15 * np.array(SIZE)).all()
    for seed in range(12):
        found = surroundings.place("pit", np.random.default_rng(seed), "anywhere")
        _, mask = paste(found.good.image, found.crop, found.pose)
        assert mask.sum() > 0.8 * found.crop.mask.sum() * found.pose.scale**2


@pytest.mark.parametrize("trust", ["context", "own", "anywhere"])
def test_nine_tenths_of_a_defect_lie_where_it_is_allowed(cast, trust):
    allowed = marked((slice(10, 60), slice(40, 106)), SIZE)
    for seed in range(16):
        found = cast.place("pit", np.random.default_rng(seed), trust, lambda good: allowed)
        _, mask = paste(found.good.image, found.crop, found.pose)
        assert allowed[mask].mean() >= 0.85


def test_where_nothing_is_allowed_nothing_is_placed(cast):
    for trust in ("context", "anywhere"):
        assert cast.place("pit", np.random.default_rng(0), trust, lambda good: np.zeros(SIZE, bool)) is None


@pytest.mark.parametrize("trust", ["context", "anywhere"])
def test_turn_mirroring_and_scale_stay_within_what_was_asked(trust):
    surroundings = Surroundings(*plates(lambda seed: grain(SIZE, seed)), turn=20, mirror=False, scale=(0.8, 1.2))
    poses = [surroundings.place("pit", np.random.default_rng(n), trust).pose for n in range(24)]
    # Half a step beyond when it is fitted finely.
    assert 10 < np.abs([pose.degrees for pose in poses]).max() <= 22.5
    assert not any(pose.mirrored for pose in poses)
    scales = [pose.scale for pose in poses]
    assert 0.8 * 0.96 <= min(scales) < 0.95 < 1.05 < max(scales) <= 1.2 * 1.04 + 1e-9


def test_defects_are_mirrored_half_the_time_where_they_may_be(cast):
    mirrored = [cast.place("pit", np.random.default_rng(n), "anywhere").pose.mirrored for n in range(24)]
    assert 6 <= sum(mirrored) <= 18


def test_defects_that_the_right_border_cuts_off_are_cut_off_there_again():
    blobs = [(slice(at, at + 22), slice(82, 106)) for at in (10, 25, 40)]
    surroundings = Surroundings(*plates(stripes, blobs))
    for seed in range(12):
        found = surroundings.place("pit", np.random.default_rng(seed))
        _, mask = paste(found.good.image, found.crop, found.pose)
        # Play of a pixel and a half at the coarse level, and of one more when it is fitted finely.
        assert mask[:, -4:].any(axis=1).sum() > 15
        assert not found.pose.mirrored


@pytest.mark.parametrize("size", [(74, 106), (185, 131)])
def test_on_the_same_surface_a_defect_returns_to_its_place(size):
    clean = np.repeat(grain(size, 7, sigma=3)[..., None], 3, axis=2).astype(np.uint8)
    mask = marked((slice(20, 31), slice(60, 74)), size)
    shot = Sample("s", np.where(mask[..., None], 20, clean).astype(np.uint8), mask, defect="pit")
    turned = Sample("g", np.ascontiguousarray(clean[::-1, ::-1]), np.zeros(size, bool))
    for good, place, turn in ((replace(turned, image=clean), (25, 66), 0), (turned, np.array(size) - (26, 67), 180)):
        pose = Surroundings([shot], [good], 180, False, (1, 1)).place("pit", np.random.default_rng(0)).pose
        assert (pose.row, pose.column) == pytest.approx(place, abs=1)
        assert (pose.degrees - turn + 180) % 360 - 180 == pytest.approx(0, abs=3)


def test_what_is_planted_on_small_images_does_not_fit_either():
    small = (slice(0, 53), slice(0, 83))
    shots, good_images = plates(lambda seed: grain(SIZE, seed), [(slice(20, 27), slice(30, 39))])
    cut = [replace(s, image=s.image[small], mask=s.mask[small]) for s in (*shots, *good_images)]
    surroundings = Surroundings(cut[:1], cut[1:])
    assert surroundings.misfit("pit", cut[0].image, cut[0].mask) <= 1
    assert surroundings.misfit("pit", np.full_like(cut[0].image, 250), cut[0].mask) > 1


def test_every_shot_is_shown_where_it_fits_best(surroundings):
    examples = surroundings.examples("scratch_neck")
    assert len(examples) == len(surroundings.crops("scratch_neck"))
    for image, good, mask in examples:
        assert surroundings.misfit("scratch_neck", image, mask) <= 1
        assert (image != good).any(-1)[mask].mean() > 0.7


def test_a_type_without_shots_is_an_error_that_names_the_known_ones(surroundings):
    with pytest.raises(GeneratorError, match="no shot of 'rust'; known types: scratch_neck, thread_dent"):
        surroundings.place("rust", np.random.default_rng(0))
    with pytest.raises(GeneratorError, match="known types: none"):
        Surroundings([], plates(stripes)[1]).place("rust", np.random.default_rng(0))


def test_a_shot_whose_surroundings_are_on_no_good_part_is_left_out(screws):
    shots = [shot for shot in screws[0] if shot.defect == "scratch_neck"]
    noise = np.random.default_rng(0).integers(0, 256, (160, 160, 3), dtype=np.uint8)
    planted = replace(shots[1], id="planted", image=noise)
    names = {crop.name for crop in Surroundings([*shots, planted], screws[1][:5]).crops("scratch_neck")}
    assert names == {shot.id for shot in shots}


def test_a_defect_that_leaves_nothing_to_compare_is_not_judged(cast):
    mask = marked((slice(1, 73), slice(1, 105)), SIZE)
    assert np.isnan(cast.misfit("pit", np.full((*SIZE, 3), 128, np.uint8), mask))


def test_the_surroundings_of_a_shot_fit_itself(surroundings, screws):
    for shot in screws[0]:
        assert surroundings.misfit(shot.defect, shot.image, shot.mask) < 0.5


def test_the_turn_limit_is_measured_unless_it_is_given(surroundings):
    shots, good_images = plates(stripes)
    assert surroundings.turn_limit == 180
    assert Surroundings(shots, good_images).turn_limit <= 5
    assert Surroundings(shots, good_images, turn=33).turn_limit == 33


def test_the_regions_of_a_types_shots_are_those_that_came_with_them():
    shots, good_images = plates(stripes)
    part = marked((slice(0, 74), slice(0, 65)), SIZE)
    known = [*(replace(shot, meta={"part": part}) for shot in shots[:2]), shots[2]]
    found = Surroundings(known, good_images).on_parts("pit")
    assert [np.array_equal(region, part) for region, _ in found] == [True, True]
    assert [np.array_equal(mask, shot.mask) for (_, mask), shot in zip(found, shots, strict=False)] == [True, True]
    assert Surroundings(shots, good_images).on_parts("pit") == []


def test_a_defect_that_every_shots_border_cuts_off_may_not_end_on_the_part():
    edges = [(slice(top, top + 9), slice(88, 106)) for top in (8, 30, 52)]
    known = Surroundings(*plates(lambda seed: grain(SIZE, seed), edges))
    one = known.place("pit", np.random.default_rng(2))
    image, mask = paste(one.good.image, one.crop, one.pose)
    assert mask[:, -1].any()
    assert known.misfit("pit", image, mask) <= 1
    inwards = -30
    moved = one.good.image.copy()
    moved[np.roll(mask, inwards, 1)] = image[mask]
    assert known.misfit("pit", moved, np.roll(mask, inwards, 1)) == UNLIKE


@pytest.mark.parametrize("trust", ["context", "own", "anywhere"])
def test_a_variation_changes_size_and_turn_where_the_surroundings_still_fit(cast, trust):
    """On a surface that is the same everywhere they do; where they do not, less is changed."""
    varied = Variation(scale=1.2, degrees=4.0)
    pairs = [
        [cast.place("pit", np.random.default_rng(n), trust, variation=one) for one in (Variation(), varied)]
        for n in range(12)
    ]
    ratios = [after.pose.scale / before.pose.scale for before, after in pairs]
    assert np.mean(np.array(ratios) > 1.05) >= 0.25
    assert max(ratios) == pytest.approx(1.2)
    assert max(abs(after.pose.degrees - before.pose.degrees) for before, after in pairs) <= 4.0 + 7.5
    for _, after in pairs:
        assert paste(after.good.image, after.crop, after.pose, variation=varied)[1].any()


def test_no_variation_turns_a_defect_farther_than_its_product_allows():
    known = Surroundings(*plates(stripes), turn=0.0, mirror=False)
    for n in range(8):
        one = known.place("pit", np.random.default_rng(n), variation=Variation(degrees=5.0))
        assert one.pose.degrees == 0


def test_a_defect_from_border_to_border_keeps_its_length_whatever_its_variation():
    shots, good_images = plates(lambda seed: grain(SIZE, seed), [(slice(30, 36), slice(0, SIZE[1]))] * 3)
    known = Surroundings(shots, good_images, turn=0.0)
    one = known.place("pit", np.random.default_rng(0), variation=Variation(scale=0.7))
    mask = paste(one.good.image, one.crop, one.pose)[1]
    assert mask.any(axis=0).all()


def test_what_is_asked_to_be_more_severe_changes_a_part_more(surroundings):
    """By the slopes of the image, a response that knows nothing of masks."""

    def slopes(image):
        return ndimage.gaussian_gradient_magnitude(image.mean(axis=-1), 1.0)

    asked = np.geomspace(0.3, 2.0, 4)
    for defect in FEATURES:
        correlations = []
        for n in range(2):
            responses = []
            for severity in asked:
                varied = draw_variation(np.random.default_rng(n), (severity, severity))
                one = surroundings.place(defect, np.random.default_rng(n), variation=varied)
                image, _ = paste(one.good.image, one.crop, one.pose, variation=varied)
                responses.append(np.abs(slopes(image) - slopes(one.good.image)).sum())
            correlations.append(spearmanr(asked, responses).statistic)
        assert np.mean(correlations) >= 0.8
