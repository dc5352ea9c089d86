import pytest
import torch

from eval.detectors.musc import mutual
from eval.detectors.musc.mutual import compared, distances_to, interval_mean, mutual_distances, position_window


def drawn(images: int, tokens: int = 30, channels: int = 8, seed: int = 0) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(images, tokens, channels, generator=rng), dim=2)


def scores(tokens: torch.Tensor) -> torch.Tensor:
    count = compared(len(tokens) - 1)
    table = mutual_distances(tokens.flatten(0, 1), [tokens.shape[1]] * len(tokens))
    return torch.stack([interval_mean(one, count) for one in table])


def longhand(images: list[torch.Tensor], first: int, second: int, window: torch.Tensor | None = None) -> torch.Tensor:
    distances = (images[first].double()[:, None] - images[second].double()[None]).norm(dim=2)
    return (distances if window is None else distances.masked_fill(~window, torch.inf)).amin(1).float()


def nearly_alike(images: int) -> torch.Tensor:
    """Four prototypes in a fixed order with a little noise."""
    rng = torch.Generator().manual_seed(3)
    base = drawn(1, 4)[0][torch.arange(36) % 4]
    return base + 0.02 * torch.randn(images, 36, 8, generator=rng)


@pytest.mark.parametrize("block", [1, 1000, 2**22])
@pytest.mark.parametrize("lengths", [[30] * 6, [3, 17, 1, 30, 8], [5, 5]])
def test_distances_equal_a_brute_force_whatever_the_blocks(lengths, block, monkeypatch):
    monkeypatch.setattr(mutual, "BLOCK", block)
    images = [drawn(1, length, seed=number)[0] for number, length in enumerate(lengths)]
    images[1][:1] = images[0][2]
    table = mutual_distances(torch.cat(images), lengths)
    for first in range(len(images)):
        for second in range(len(images)):
            expected = longhand(images, first, second) if first != second else torch.full((lengths[first],), torch.inf)
            assert torch.allclose(table[first][:, second], expected, atol=1e-6)


def test_a_pool_is_measured_as_the_set_itself():
    images = drawn(6)
    table = mutual_distances(images.flatten(0, 1), [30] * 6)
    apart = distances_to(images[2], images[[0, 1, 3, 4, 5]].flatten(0, 1), [30] * 5)
    assert torch.allclose(apart, table[2][:, [0, 1, 3, 4, 5]], atol=1e-6)


@pytest.mark.parametrize("radius", [0, 1, 3])
def test_a_window_compares_cells_near_the_same_place_alone(radius):
    images = drawn(4, 5 * 6)
    window = position_window((5, 6), radius)
    table = mutual_distances(images.flatten(0, 1), [30] * 4, window)
    assert int(window[7].sum()) == {0: 1, 1: 9, 3: 25}[radius]
    assert torch.allclose(table[3][:, 1], longhand(list(images), 3, 1, window), atol=1e-6)


def test_the_order_of_the_images_does_not_count():
    images, order = drawn(7), torch.tensor([3, 0, 6, 2, 5, 1, 4])
    assert torch.allclose(scores(images[order]), scores(images)[order], atol=1e-6)


def test_the_order_of_the_tokens_within_an_image_does_not_count():
    images, order = drawn(7), torch.randperm(30, generator=torch.Generator().manual_seed(1))
    moved = images.clone()
    moved[2] = images[2][order]
    expected = scores(images)
    expected[2] = expected[2][order]
    assert torch.allclose(scores(moved), expected, atol=1e-6)


def test_one_strange_token_has_the_highest_score():
    images = nearly_alike(12)
    images[5, 11] = -images[5, 11]
    assert int(scores(images).argmax()) == 5 * 36 + 11


@pytest.mark.parametrize(("copies", "found"), [(1, True), (5, True), (6, False), (9, False)])
def test_the_same_defect_in_more_images_than_are_compared_is_missed(copies, found):
    images = nearly_alike(20)
    images[:copies, 11] = 5 * drawn(1, 1, seed=9)[0, 0]
    assert compared(19) == 5
    result = scores(images)
    assert (int(result.argmax()) % 36 == 11) == found
    assert float(result[0, 11]) == 0 or found


@pytest.mark.parametrize("images", [2, 3, 4, 20])
def test_equal_images_score_nothing_and_few_images_stay_finite(images):
    assert bool((scores(30 * drawn(1).expand(images, -1, -1)) == 0).all())
    assert bool(scores(drawn(images)).isfinite().all())


@pytest.mark.parametrize(("others", "count"), [(1, 1), (3, 1), (6, 1), (7, 2), (10, 3), (19, 5), (131, 39)])
def test_the_share_of_others_is_rounded_down_to_at_least_one(others, count):
    assert compared(others) == count
