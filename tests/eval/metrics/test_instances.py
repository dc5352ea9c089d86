import numpy as np
import pytest
from scipy import ndimage

from eval.metrics import instance_average_precision
from tests.eval.metrics.scenes import scene


def longhand(maps, masks):
    """At each distinct score of all pixels: which defects are found, and the precision of the pixels."""
    scores = np.concatenate([m.ravel() for m in maps])
    truth = np.concatenate([m.ravel() for m in masks])
    defects = []
    for values, mask in zip(maps, masks, strict=True):
        labels, found = ndimage.label(mask, np.ones((3, 3)))
        defects += [values[labels == region] for region in range(1, found + 1)]
    steps = []
    for threshold in np.unique(scores)[::-1]:
        found = np.array([(own >= threshold).sum() > len(own) / 2 for own in defects])
        steps.append((found.sum(), truth[scores >= threshold].mean()))
    best = []
    for number in range(1, len(defects) + 1):
        newly = [i for i, (found, _) in enumerate(steps) if found > (steps[i - 1][0] if i else 0)]
        best.append(max(steps[i][1] for i in newly if steps[i][0] >= number))
    return np.mean(best)


@pytest.mark.parametrize("levels", [None, 1, 3])
def test_it_equals_the_longhand_count(levels):
    for seed in range(1):
        maps, masks = scene(seed, levels)
        assert instance_average_precision(maps, masks) == pytest.approx(longhand(maps, masks))


def test_a_perfect_map_is_one_and_a_constant_one_the_prevalence():
    _, masks = scene(0)
    share = np.concatenate([mask.ravel() for mask in masks]).mean()
    assert instance_average_precision([mask * 1.0 for mask in masks], masks) == 1
    assert instance_average_precision([mask * 0.0 for mask in masks], masks) == pytest.approx(share)


def test_stacked_maps_are_a_list_of_maps_and_no_defect_is_undefined():
    rng = np.random.default_rng(1)
    masks = np.zeros((3, 9, 11), bool)
    masks[1:, 2:4, 3:7] = True
    maps = rng.normal(size=masks.shape) + masks
    assert instance_average_precision(maps, masks) == instance_average_precision(list(maps), list(masks))
    with pytest.warns(UserWarning, match="IAP is undefined"):
        assert np.isnan(instance_average_precision(maps[:1], masks[:1]))
