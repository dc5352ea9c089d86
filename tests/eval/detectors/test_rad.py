import numpy as np
import pytest
import torch

from eval import detectors
from eval.detectors.rad import maps, scoring
from eval.detectors.rad.memory import GrowingMemory
from eval.features.network import FeatureMaps, FeatureNetwork
from synth.errors import EvalError
from synth.sample import Sample

GRID, CHANNELS, IMAGES = (5, 7), 11, 13
CELLS = GRID[0] * GRID[1]


def tokens(images: int, seed: int, channels: int = CHANNELS) -> torch.Tensor:
    """Tokens (images, L, C) of length one: four prototypes by place, and noise."""
    generator = torch.Generator().manual_seed(seed)
    prototypes = torch.randn(4, channels, generator=torch.Generator().manual_seed(99))
    noise = torch.randn(images, CELLS, channels, generator=generator)
    return scoring.directions(prototypes[torch.arange(CELLS) % 4] + 0.3 * noise)


def longhand(query, memory, grid, rho):
    """1 - the largest cosine, cell by cell: three loops."""
    width = grid[1]
    away = torch.empty(len(query))
    for p in range(len(query)):
        best = -2.0
        for image in memory:
            for q in range(len(query)):
                rows, columns = abs(p // width - q // width), abs(p % width - q % width)
                if rho is None or max(rows, columns) <= rho:
                    best = max(best, float(query[p] @ image[q].float()))
        away[p] = 1 - best
    return away


def distances(query, memory, rho, k=None):
    """Of one image by one level, over the first k images of the memory."""
    chosen = torch.arange(len(memory) if k is None else k)
    return scoring.distances([query], [memory], chosen, scoring.window(GRID, rho), [1.0])


@pytest.mark.parametrize("rho", [0, 1, 2, 6, None])
@pytest.mark.parametrize("max_bytes", [1, 10_000, 2**25])
def test_the_products_equal_three_loops(rho, max_bytes):
    query, memory = tokens(1, 0)[0], tokens(3, 1)
    found = 1 - scoring.best_similarity(query, memory, scoring.window(GRID, rho), max_bytes)
    assert torch.allclose(found, longhand(query, memory, GRID, rho), atol=1e-6)


def test_a_window_of_the_whole_grid_is_the_global_mode():
    query, memory = tokens(1, 0)[0], tokens(IMAGES, 1)
    assert scoring.window(GRID, max(GRID) - 1) is None
    reaching = scoring.window((1, CELLS), 5)
    assert reaching is not None
    assert torch.equal(distances(query, memory, max(GRID) - 1), distances(query, memory, None))


@pytest.mark.parametrize(("kind", "bound"), [(torch.float32, 1e-5), (torch.float16, 2**-11)])
@pytest.mark.parametrize("rho", [0, 2, None])
def test_an_image_of_the_memory_scores_0(kind, bound, rho):
    memory = tokens(IMAGES, 1)
    assert distances(memory[4], memory.to(kind), rho).abs().max() < bound


@pytest.mark.parametrize("rho", [0, 1, None])
@pytest.mark.parametrize("place", [0, 17, CELLS - 1])
def test_a_token_orthogonal_to_all_good_ones_is_found_at_distance_1(rho, place):
    memory = torch.cat([tokens(IMAGES, 1), torch.zeros(IMAGES, CELLS, 1)], 2)
    query = memory[3].clone()
    query[place] = torch.eye(CHANNELS + 1)[-1]
    away = distances(query, memory, rho)
    assert int(away.argmax()) == place
    assert float(away[place]) == pytest.approx(1, abs=1e-6)


def test_nothing_rises_with_a_wider_window_more_images_or_a_larger_memory():
    query, memory = tokens(1, 0)[0], tokens(IMAGES, 1)
    for narrow, wide in ((0, 1), (1, 2), (2, 6), (6, None)):
        assert (distances(query, memory, wide) <= distances(query, memory, narrow) + 1e-6).all()
    for k in range(1, IMAGES):
        assert (distances(query, memory, 1, k + 1) <= distances(query, memory, 1, k) + 1e-6).all()


def test_neither_the_order_of_the_memory_nor_the_length_of_tokens_counts():
    query, memory = tokens(1, 0)[0], tokens(IMAGES, 1)
    order = torch.randperm(IMAGES, generator=torch.Generator().manual_seed(0))
    length = torch.rand(CELLS, 1, generator=torch.Generator().manual_seed(1)) * 9 + 0.1
    expected = distances(query, memory, 1)
    assert torch.allclose(distances(query, memory[order], 1), expected, atol=1e-6)
    assert torch.allclose(distances(scoring.directions(query * length), memory, 1), expected, atol=1e-6)


def test_tokens_of_zeros_are_alike():
    zeros = scoring.directions(torch.zeros(CELLS, CHANNELS))
    assert distances(zeros, zeros[None], 0).abs().max() < 1e-6


def test_products_whose_images_differ_share_a_memory_as_if_each_had_its_own():
    generator = torch.Generator().manual_seed(5)
    centres = torch.eye(2, 6).repeat_interleave(IMAGES, 0)
    whole = centres + 0.05 * torch.randn(2 * IMAGES, 6, generator=generator)
    both = torch.cat([tokens(IMAGES, 1), tokens(IMAGES, 2)])
    query, vector = tokens(1, 3)[0], torch.eye(2, 6)[1:]
    window = scoring.window(GRID, 1)
    for k in (3, IMAGES):
        _, shared = scoring.retrieved(vector, whole, k)
        _, alone = scoring.retrieved(vector, whole[IMAGES:], k)
        one = scoring.distances([query], [both], shared[0], window, [1.0])
        assert torch.equal(one, scoring.distances([query], [both[IMAGES:]], alone[0], window, [1.0]))
    assert scoring.retrieved(vector, whole, 1000)[1].shape == (1, 2 * IMAGES)


def test_levels_count_by_their_weights():
    query = [tokens(1, 0)[0], tokens(1, 1, 6)[0]]
    memory = [tokens(3, 2), tokens(3, 3, 6)]
    window, images = scoring.window(GRID, 1), torch.arange(3)
    weights = scoring.level_weights((3.0, 1.0), 2)
    one, two = (scoring.distances([query[i]], [memory[i]], images, window, [1.0]) for i in (0, 1))
    found = scoring.distances(query, memory, images, window, weights)
    assert torch.allclose(found, 0.75 * one + 0.25 * two, atol=1e-6)
    assert scoring.level_weights(None, 4) == [0.25] * 4
    with pytest.raises(EvalError, match="3 weights for 2 levels"):
        scoring.level_weights((1.0, 1.0, 1.0), 2)


def test_a_map_keeps_its_aspect_and_its_level_but_for_the_border():
    smooth = maps.smooth_maps(torch.ones(2, 14, 28), 64, 1.0)
    assert smooth.shape == (2, 45, 91)
    assert torch.allclose(smooth[:, 2:-2, 2:-2], torch.ones(()), atol=1e-6)
    assert (smooth[:, 0] < 0.9).all()
    assert torch.equal(maps.smooth_maps(torch.ones(1, 4, 4), 4, 0), torch.ones(1, 4, 4))


def test_the_image_score_is_the_mean_of_the_highest_pixels():
    ramp = torch.arange(200.0).reshape(1, 10, 20)
    assert maps.image_scores(ramp, 0.01).item() == 198.5
    assert maps.image_scores(ramp, 0).item() == 199
    assert maps.image_scores(ramp, 1).item() == ramp.mean().item()


@pytest.mark.parametrize("kind", [torch.float16, torch.float32])
def test_a_memory_grows_in_a_file_and_is_read_from_it(kind):
    growing = GrowingMemory(kind)
    for part in tokens(IMAGES, 1).split(4):
        growing.append(part)
    assert torch.equal(growing.mapped(), tokens(IMAGES, 1).to(kind))


LEVELS = {"fine": 4, "coarse": 16}


@pytest.fixture
def two_levels(monkeypatch):
    """A network of two levels of differing grids: mean colours of patches of 4 and 16 px, and a constant."""

    def levels(pixels):
        found = [torch.nn.functional.avg_pool2d(pixels, patch) for patch in LEVELS.values()]
        return [torch.cat([level, torch.full_like(level[:, :1], 0.2)], 1) for level in found]

    def network(*_):
        return FeatureNetwork("two levels", 64, lambda x: FeatureMaps(levels(x), levels(x)[-1].mean((2, 3))), 16, "1")

    monkeypatch.setattr("eval.detectors.detector.image_network", network)


def sample(number: int, spot: tuple[int, int] | None = None, product: str = "tile") -> Sample:
    """A grey image with a gradient (96, 64) and, where a spot is given, a red patch there."""
    rng = np.random.default_rng(number)
    image = np.linspace(60, 180, 96)[:, None, None] + rng.normal(0, 3, (96, 64, 3))
    if product == "other":
        image = 255 - image[::-1, :, ::-1] * [1, 0.2, 0.2]
    if spot is not None:
        image[spot[0] : spot[0] + 12, spot[1] : spot[1] + 12] = 200, 30, 30
    defect = None if spot is None else "spot"
    return Sample(f"{product}-{number}", image=image.clip(0, 255).astype(np.uint8), product=product, defect=defect)


GOOD = [sample(number) for number in range(6)]
TEST = [sample(20), sample(21, (40, 20)), sample(22), sample(23, (70, 45))]


@pytest.mark.usefixtures("two_levels")
def test_the_detector_finds_spots_and_good_images_score_below():
    found = detectors.create("rad").fit(GOOD).predict(TEST)
    assert min(found.score[[1, 3]]) > 2 * max(found.score[[0, 2]])
    for number, spot in ((1, (40, 20)), (3, (70, 45))):
        row, column = np.unravel_index(found.anomaly_map[number].argmax(), (96, 64))
        assert spot[0] - 4 <= row < spot[0] + 16
        assert spot[1] - 4 <= column < spot[1] + 16
    assert found.parts["nearest_image"].shape == (4,)


@pytest.mark.usefixtures("two_levels")
@pytest.mark.parametrize("precision", ["half", "single"])
@pytest.mark.parametrize("positional", [True, False])
def test_a_saved_detector_scores_bit_by_bit_alike_and_reads_its_memory_as_needed(tmp_path, precision, positional):
    fitted = detectors.create("rad", precision=precision, positional=positional, k_image=4).fit(GOOD)
    fitted.save(tmp_path / "saved")
    before, after = (one.predict(TEST) for one in (fitted, detectors.load(tmp_path / "saved")))
    assert (before.score == after.score).all()
    assert all((one == other).all() for one, other in zip(before.anomaly_map, after.anomaly_map, strict=True))


@pytest.mark.usefixtures("two_levels")
def test_half_precision_halves_the_memory_and_keeps_the_order_of_the_scores():
    half, single = (detectors.create("rad", precision=precision).fit(GOOD) for precision in ("half", "single"))
    whole = half.state()["whole"].nbytes
    assert (single.nbytes - whole) == 2 * (half.nbytes - whole)
    many = [sample(number, (number % 70, 20)) for number in range(30, 38)] + TEST
    one, other = half.predict(many).score, single.predict(many).score
    assert (one.argsort() == other.argsort()).all()
    assert one == pytest.approx(other, abs=2e-4)


@pytest.mark.usefixtures("two_levels")
def test_two_products_share_a_detector_and_neither_order_nor_batch_mates_count():
    good = GOOD + [sample(number, product="other") for number in range(6)]
    alone = detectors.create("rad", k_image=6).fit(GOOD).predict(TEST)
    shared = detectors.create("rad", k_image=6).fit(good[::-1])
    assert shared.predict(TEST).score == pytest.approx(alone.score, abs=1e-6)
    singly = np.concatenate([shared.predict([one]).score for one in TEST])
    assert singly == pytest.approx(alone.score, abs=1e-6)


@pytest.mark.usefixtures("two_levels")
def test_one_good_image_is_enough_and_weights_must_fit_the_levels():
    assert np.isfinite(detectors.create("rad").fit(GOOD[:1]).predict(TEST).score).all()
    with pytest.raises(EvalError, match="3 weights for 2 levels"):
        detectors.create("rad", weights=(1, 1, 1)).fit(GOOD)
    with pytest.raises(EvalError, match=r"weights\.0 is 0"):
        detectors.create("rad", weights=(0, 1))


def test_presets_carry_the_published_settings():
    visa = detectors.create("rad/visa", features="random").config
    assert (visa.k_image, visa.rho, visa.positional, visa.max_ratio) == (900, 2, True, 0.01)
    assert detectors.create("rad/3dadam").config.k_image == 48
    assert detectors.create("rad/realiad").config.rho == 0
