"""Examples to look at: image, image with the mask's outline, and heat map, side by side, as PNG files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from eval.benchmark.data import Category
from eval.benchmark.evaluated import Scored
from synth.io.atomic import replacing
from synth.io.names import file_name
from synth.sources.listing import reopen

EACH = 3
"""Examples of each defect type, and good ones."""
_HEAT = np.array([[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]], np.float32)
_OUTLINE = (255, 42, 112)


def write_examples(category: Category, scored: Scored, folder: Path) -> None:
    """Of each defect type the highest, the middle and the lowest score, and the highest of good samples: one PNG each,
    heat from the good samples' median (dark) to the highest pixel shown (bright)."""
    good = [scored.maps[k] for k in range(len(scored.ids)) if scored.defects[k] is None]
    dark = float(np.median(np.concatenate([one.ravel() for one in good]))) if good else 0.0
    chosen = _chosen(scored)
    bright = max(float(scored.maps[k].max()) for ks in chosen.values() for k in ks)
    for kind, places in chosen.items():
        for rank, k in enumerate(places):
            image = reopen(category.test[k]).image
            strip = _strip(image, scored.maps[k], scored.masks[k], (dark, bright))
            path = folder / file_name(category.name) / f"{file_name(kind)}-{rank}.png"
            with replacing(path) as temporary:
                Image.fromarray(strip).save(temporary, format="PNG")


def _chosen(scored: Scored) -> dict[str, list[int]]:
    scores = np.array(scored.scores)
    chosen = {}
    for kind in sorted({str(defect) for defect in scored.defects if defect is not None}):
        own = np.array([k for k, defect in enumerate(scored.defects) if defect == kind])
        ranked = own[np.argsort(-scores[own], kind="stable")]
        chosen[kind] = [int(ranked[k]) for k in np.unique(np.linspace(0, len(ranked) - 1, EACH).round().astype(int))]
    good = np.array([k for k, defect in enumerate(scored.defects) if defect is None], int)
    chosen["good"] = [int(k) for k in good[np.argsort(-scores[good], kind="stable")][:EACH]]
    return chosen


def _strip(image: np.ndarray | None, scored: np.ndarray, mask: np.ndarray, span: tuple[float, float]) -> np.ndarray:
    height, width = scored.shape
    shown = np.zeros((height, width, 3), np.uint8)
    if image is not None:
        shown = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BOX))
    outlined = shown.copy()
    outlined[mask ^ ndimage.binary_erosion(mask)] = _OUTLINE
    gap = np.full((height, 4, 3), 255, np.uint8)
    return np.concatenate([shown, gap, outlined, gap, heat(scored, span)], axis=1)


def heat(scored: np.ndarray, span: Sequence[float]) -> np.ndarray:
    """A map (H, W) as colours uint8 (H, W, 3), from dark to bright over the span."""
    low, high = span
    place = np.clip((scored - low) / max(high - low, 1e-12), 0, 1) * (len(_HEAT) - 1)
    channels = [np.interp(place, np.arange(len(_HEAT)), _HEAT[:, k]) for k in range(3)]
    return np.stack(channels, axis=2).astype(np.uint8)
