import numpy as np
import pytest

from eval.metrics import (
    LIMITS,
    Interval,
    aupros,
    auroc,
    average_precision,
    f1_max,
    image_intervals,
    mean_interval,
    pixel_intervals,
)
from eval.metrics import ranking_bootstrap as module
from tests.eval.metrics.scenes import scene


@pytest.mark.parametrize("levels", [None, 2])
def test_the_table_of_counts_gives_the_figures_of_a_resample(levels):
    maps, masks = scene(3, levels)
    scores, truth = (np.concatenate([one.ravel() for one in parts]) for parts in (maps, masks))
    rows = module._rows(maps, masks, module._edges(scores[~truth], scores[truth]))
    table = module._Table(*(module.csr_matrix(np.stack(own)) for own in zip(*rows, strict=True)))
    times = np.array([[1, 1, 1, 1, 1, 1], [0, 2, 1, 2, 1, 0], [3, 0, 0, 0, 0, 3]])
    curves = table.curves(times)
    for row, chosen in enumerate(times):
        picked = np.repeat(np.arange(6), chosen)
        drawn, marked = [maps[i] for i in picked], [masks[i] for i in picked]
        assert curves.auroc()[row] == pytest.approx(auroc(drawn, marked), abs=1e-3)
        assert curves.average_precision()[row] == pytest.approx(average_precision(drawn, marked), abs=2e-3)
        assert curves.f1_max()[row] == pytest.approx(f1_max(drawn, marked), abs=2e-3)
        for limit, area in aupros(drawn, marked).items():
            assert curves.aupro(limit)[row] == pytest.approx(area, abs=2e-3)


def test_values_are_the_exact_ones_and_lie_between_their_ends():
    maps, masks = scene(1)
    found = pixel_intervals(maps, masks, repeats=200)
    assert list(found) == ["pixel_auroc", "pixel_ap", "pixel_f1_max", "aupro_30", "aupro_10", "aupro_5", "aupro_1"]
    assert found["pixel_auroc"].value == auroc(maps, masks)
    assert [one.value for one in list(found.values())[3:]] == [aupros(maps, masks)[limit] for limit in LIMITS]
    assert all(0 <= one.low <= one.value <= one.high <= 1 for one in found.values())
    assert found == pixel_intervals(maps, masks, repeats=200)


def test_intervals_of_images_hold_the_true_figure_about_as_often_as_they_say():
    rng = np.random.default_rng(0)
    labels = np.arange(60) < 25
    truth = 0.8556  # P(N(1.5, 1) > N(0, 1)) = Phi(1.5 / sqrt 2)
    found = [
        image_intervals(rng.normal(size=60) + 1.5 * labels, labels, repeats=300)["image_auroc"] for _ in range(150)
    ]
    held = np.mean([one.low <= truth <= one.high for one in found])
    assert 0.9 <= held <= 0.995


def test_twice_the_images_give_a_narrower_interval():
    rng = np.random.default_rng(1)
    widths = []
    for n in (40, 160):
        labels = np.arange(n) % 2 == 0
        own = image_intervals(rng.normal(size=n) + labels, labels)["image_ap"]
        widths.append(own.high - own.low)
    assert widths[1] < 0.7 * widths[0]


def test_a_perfect_ranking_of_few_images_leaves_doubt():
    labels = np.arange(12) < 5
    found = image_intervals(labels * 1.0, labels)
    assert {(one.value, one.high) for one in found.values()} == {(1, 1)}
    assert all(one.low == pytest.approx(0.025 ** (1 / 5)) for one in found.values())


@pytest.mark.filterwarnings("ignore:.* is undefined here")
def test_one_class_and_one_image_of_a_class_are_undefined():
    alone = image_intervals([0.1, 0.2, 0.4], [False, False, False])
    assert all(np.isnan([one.value, one.low, one.high]).all() for one in alone.values())
    single = image_intervals([0.1, 0.2, 0.4], [False, False, True])["image_auroc"]
    assert single.value == 1
    assert np.isnan([single.low, single.high]).all()
    with pytest.warns(UserWarning, match="two images of each class"):
        image_intervals([0.1, 0.2, 0.4], [False, False, True])


def test_defective_images_alone_have_pixel_intervals():
    maps, masks = scene(2, good=0)
    found = pixel_intervals(maps, masks, limits=[0.3], repeats=100)
    assert found["aupro_30"].low < found["aupro_30"].value < found["aupro_30"].high


def test_the_mean_of_categories_is_surer_than_each():
    one, two = Interval(0.8, 0.7, 0.85, 0.95, 10), Interval(0.6, 0.5, 0.65, 0.95, 20)
    mean = mean_interval([one, two])
    assert (mean.value, mean.images) == (pytest.approx(0.7), 30)
    assert [mean.low, mean.high] == pytest.approx([0.7 - 0.1 / np.sqrt(2), 0.7 + 0.05 / np.sqrt(2)])


def test_images_that_share_what_they_show_are_resampled_together():
    rng = np.random.default_rng(0)
    of = np.repeat(np.arange(12), 8)
    labels = of < 6
    scores = labels + rng.normal(size=12)[of] + 0.01 * rng.normal(size=96)
    alone = image_intervals(scores, labels)["image_auroc"]
    together = image_intervals(scores, labels, shared=[str(k) for k in of])["image_auroc"]
    assert together.value == alone.value
    assert together.high - together.low > 1.8 * (alone.high - alone.low)
    distinct = image_intervals(scores, labels, shared=[f"{k:03d}" for k in range(96)])
    assert distinct == image_intervals(scores, labels)
    with pytest.warns(UserWarning, match="two images of each class"):
        one = image_intervals(scores, labels, shared=["same"] * 96)["image_auroc"]
    assert np.isnan(one.low)
