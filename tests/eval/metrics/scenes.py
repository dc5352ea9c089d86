"""Maps and masks as the metrics meet them."""

from __future__ import annotations

import numpy as np


def scene(
    seed: int, levels: int | None = None, images: int = 6, good: int = 3
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """`images` maps that say a little about their masks, the first `good` of them without a defect; `levels`: they are
    rounded, so that scores tie."""
    rng = np.random.default_rng(seed)
    maps, masks = [], []
    for number in range(images):
        mask = np.zeros((29 + number, 37), bool)
        if number >= good:
            mask[3:9, 4:16] = mask[20, 30:33] = mask[25, number] = True
        values = rng.normal(size=mask.shape) + (0.6 + 0.4 * number) * mask
        maps.append(np.round(values * levels) if levels else values)
        masks.append(mask)
    return maps, masks
