import numpy as np
import pytest

from eval.metrics import Paired, bootstrap, paired_gain, pooled_difference, pooled_gain
from synth.errors import EvalError

TYPES = ["crack"] * 9 + ["pit"] * 21 + ["stain"] * 14


def trainings(rng, trained=3, gain=0.0, variance=0.03, types=TYPES, difficulty=None):
    """IoU (trained, images): difficult images, well-seeded trainings, noise of each image in each training."""
    hard = rng.normal(0.5, 0.2, len(types)) if difficulty is None else difficulty
    return gain + hard + rng.normal(0, variance, (trained, 1)) + rng.normal(0, 0.1, (trained, len(types)))


def test_the_mean_is_over_types_and_the_same_seed_gives_the_same_interval():
    values = np.concatenate([np.linspace(0.0, 0.2, 7), np.linspace(0.8, 1.2, 13)])
    types = ["pit"] * 7 + ["crack"] * 13
    found = bootstrap(values, types, seed=3)
    assert found.value == pytest.approx(0.55)
    assert found.low < 0.55 < found.high
    assert found == bootstrap(values, types, seed=3)
    assert found != bootstrap(values, types, seed=4)


@pytest.mark.parametrize("n", [5, 40])
def test_the_mean_of_images_is_covered_at_the_nominal_rate(n):
    rng = np.random.default_rng(n)
    runs = 400
    hits = sum(i.low <= 0.4 <= i.high for i in (bootstrap(rng.normal(0.4, 0.2, n), repeats=800) for _ in range(runs)))
    assert 0.92 <= hits / runs <= 0.98


@pytest.mark.parametrize(("gain", "variance"), [(0.0, 0.0), (0.0, 0.05), (0.08, 0.02), (-0.05, 0.1)])
def test_a_known_gain_is_covered_at_the_nominal_rate(gain, variance):
    rng = np.random.default_rng(int(1000 * variance) + 7)
    runs, hits = 400, 0
    for _ in range(runs):
        hard = rng.normal(0.5, 0.2, len(TYPES))
        base, ours = (trainings(rng, gain=g, variance=variance, difficulty=hard) for g in (0, gain))
        found = paired_gain(ours, base, TYPES, repeats=800)
        hits += found.low <= gain <= found.high
    assert 0.925 <= hits / runs <= (0.99 if variance else 1)


def test_a_second_training_of_one_training_set_is_no_evidence_in_nineteen_of_twenty_runs():
    rng = np.random.default_rng(12)
    said = []
    for _ in range(400):
        hard = rng.normal(0.5, 0.2, len(TYPES))
        first, second = (trainings(rng, difficulty=hard) for _ in range(2))
        said.append(paired_gain(second, first, TYPES, repeats=800).evidence)
    assert said.count("no evidence") / len(said) >= 19 / 20
    assert {"helps", "hurts", "no evidence"} == set(said)


def test_counting_images_alone_would_call_seed_variance_a_gain():
    rng = np.random.default_rng(13)
    wrong = 0
    for _ in range(100):
        hard = rng.normal(0.5, 0.2, len(TYPES))
        first, second = (trainings(rng, variance=0.05, difficulty=hard) for _ in range(2))
        wrong += bootstrap(second.mean(0) - first.mean(0), TYPES, repeats=800).evidence != "no evidence"
    assert wrong > 20


def test_pairing_finds_what_two_separate_intervals_hide():
    rng = np.random.default_rng(5)
    hard = rng.normal(0.5, 0.3, len(TYPES))
    base, ours = (trainings(rng, gain=g, variance=0.005, difficulty=hard) for g in (0, 0.08))
    assert paired_gain(ours, base, TYPES).evidence == "helps"
    assert paired_gain(base, ours, TYPES).evidence == "hurts"
    assert bootstrap(base, TYPES).high > bootstrap(ours, TYPES).low


def conditions(rng, gain, draws, seeds, spread, together=0.7):
    """Two data sets, one of them with two numbers of shots whose draws go together; images gain unequally, and so do
    draws and trainings."""
    made = []
    for name, types, shots in (("tile", TYPES, 1), ("tyre", ["cut"] * 8 + ["bubble"] * 19, 2)):
        hard, own = rng.normal(0.4, 0.2, len(types)), rng.normal(0, 0.1, len(types))
        shared = rng.normal(0, 1, draws)
        for _ in range(shots):
            effect = spread * (together * shared + np.sqrt(1 - together**2) * rng.normal(0, 1, draws))
            tables = []
            for helps in (gain + effect[:, None, None] + own, 0):
                trained = rng.normal(0, 0.02, (draws, seeds, 1)) + rng.normal(0, 0.05, (draws, seeds, len(types)))
                tables.append(hard + helps + trained)
            made.append(Paired(*tables, types, name))
    return made


@pytest.mark.parametrize(
    ("gain", "draws", "seeds", "spread"),
    [(0.0, 5, 3, 0.05), (0.08, 5, 3, 0.05), (0.0, 3, 1, 0.1), (-0.05, 4, 2, 0.0), (0.03, 5, 1, 0.02), (0.0, 1, 3, 0.0)],
)
def test_a_gain_pooled_over_draws_and_sets_is_covered_at_the_nominal_rate(gain, draws, seeds, spread):
    rng = np.random.default_rng(draws * 100 + seeds)
    runs = 300
    found = [pooled_gain(conditions(rng, gain, draws, seeds, spread), repeats=600) for _ in range(runs)]
    hits = sum(interval.low <= gain <= interval.high for interval in found)
    assert 0.92 <= hits / runs <= 0.99
    assert np.mean([interval.value for interval in found]) == pytest.approx(gain, abs=0.01)


def test_counting_draws_as_seeds_would_call_their_spread_a_gain():
    rng = np.random.default_rng(4)
    wrong = 0
    for _ in range(100):
        made = conditions(rng, 0.0, 4, 3, 0.1)[:1]
        tables = [table.reshape(1, -1, len(TYPES)) for table in (made[0].ours, made[0].base)]
        one_draw = Paired(tables[0][:, :3], tables[1][:, :3], TYPES)
        wrong += pooled_gain([one_draw], repeats=600).evidence != "no evidence"
        assert pooled_gain(made, repeats=600).images == len(TYPES)
    assert wrong > 30


def test_conditions_weigh_alike_and_shared_images_are_counted_once():
    types = ["a"] * 4 + ["b"] * 12
    flat = [np.full((3, 2, 16), value) for value in (0.5, 0.4, 0.1)]
    few, many = (Paired(flat[0], base, types, "tile") for base in flat[1:])
    other = Paired(np.full((3, 2, 5), 0.9), np.full((3, 2, 5), 0.9), ["c"] * 5, "tyre")
    found = pooled_gain([few, many, other])
    assert found.value == pytest.approx((0.1 + 0.4 + 0.0) / 3)
    assert found.images == 16 + 5
    assert found.low == pytest.approx(found.high)


def test_one_pool_of_one_draw_is_the_paired_gain():
    rng = np.random.default_rng(8)
    ours, base = trainings(rng, gain=0.05), trainings(rng)
    assert pooled_gain([Paired(ours[None], base[None], TYPES)]) == paired_gain(ours, base, TYPES)
    with pytest.raises(EvalError, match="1 and 1 trainings"):
        pooled_gain([Paired(ours[None, :1], base[None, :1], TYPES)])


@pytest.mark.parametrize(("draws", "seeds"), [(5, 1), (3, 3), (1, 3)])
def test_a_figure_of_all_images_is_covered_over_draws_at_the_nominal_rate(draws, seeds):
    rng = np.random.default_rng(draws)
    runs, hits, spread = 500, 0, 0.04 if draws > 1 else 0.0
    for _ in range(runs):
        pairs = []
        for name in "ab":
            effect = rng.normal(0, spread, (draws, 1))
            pairs.append([g + rng.normal(0, 0.02, (draws, seeds)) for g in (0.05 + effect, 0.0)] + [name])
        found = pooled_difference([tuple(pair) for pair in pairs])
        hits += found.low <= 0.05 <= found.high
    assert 0.92 <= hits / runs <= 0.99


@pytest.mark.parametrize(
    ("ours", "base", "strata", "message"),
    [
        (np.zeros((3, 5)), np.zeros((3, 4)), None, "same images"),
        (np.zeros((3, 5)), np.zeros((1, 5)), None, "3 and 1 trainings"),
        (np.zeros((3, 5)), np.zeros((3, 5)), ["a", "a", "b", "b", "c"], "c has 1 image"),
        (np.zeros((3, 5)), np.zeros((3, 5)), ["a"], "5 images and 1 strata"),
        (np.zeros((3, 0)), np.zeros((3, 0)), None, "no images"),
    ],
)
def test_what_cannot_be_compared_is_an_error(ours, base, strata, message):
    with pytest.raises(EvalError, match=message):
        paired_gain(ours, base, strata)
