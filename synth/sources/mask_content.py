"""Whether files look like masks, where their names and places leave a doubt: a few of a folder's are opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from synth.errors import SourceError
from synth.io.decoding import decode
from synth.io.masks import read_mask

LOOKED_AT = 3
"""Files of a folder that are opened."""
FEW_LEVELS = 16
FLAT = 0.95
"""Share of a mask's pixels that have one of two values, or nearly so: the rest are soft edges."""


@dataclass(slots=True)
class Looks:
    """What was seen in the files of one tree, each opened once."""

    seen: dict[tuple[Path, bool], bool | None] = field(default_factory=dict)

    def votes(self, files: Sequence[Path], soft: bool = False) -> tuple[int, int]:
        """How many of a few files spread over these are masks, and how many are none; without those that cannot be
        opened, whose reading says why. soft: whatever can be read as a mask is one."""
        few = files[:: max(1, len(files) // LOOKED_AT)][:LOOKED_AT]
        for file in few:
            if (file, soft) not in self.seen:
                self.seen[file, soft] = _is_mask(file, soft)
        votes = [self.seen[file, soft] for file in few]
        return votes.count(True), votes.count(False)


def _is_mask(file: Path, soft: bool) -> bool | None:
    """None where the file cannot be opened."""
    try:
        pixels = decode(file).pixels
    except SourceError:
        return None
    if isinstance(pixels, Image.Image):
        plain = pixels.mode[0] in "1LIF" and pixels.mode != "LA"
        pixels = np.asarray(pixels if plain else pixels.convert("RGB"))
    if looks_like_mask(pixels[..., :3] if pixels.ndim == 3 else pixels):
        return True
    try:
        return soft and read_mask(file) is not None
    except SourceError:
        return False


def looks_like_mask(values: np.ndarray) -> bool:
    """Whether an image (H, W) or (H, W, channels) of any depth has few values, or two of which nearly all pixels
    are."""
    step = max(1, max(values.shape[:2]) // 512)
    grey = values[::step, ::step].astype(np.float64)
    grey = grey.max(axis=-1) if grey.ndim == 3 else grey
    if len(np.unique(grey)) <= FEW_LEVELS:
        return True
    span = (grey.max() - grey.min()) / FEW_LEVELS
    return bool(((grey - grey.min() < span) | (grey.max() - grey < span)).mean() >= FLAT)
