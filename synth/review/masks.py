"""Masks that a person corrected: read within limits, and measured as the checks measure those that are drawn."""

from __future__ import annotations

import hashlib
import io
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from synth.checks.config import ChecksConfig
from synth.checks.mask import measure
from synth.errors import RecipeError
from synth.io.png import png_bytes
from synth.pipeline.decisions import Edit
from synth.pipeline.stored import StoredSample

MOST_BYTES = 32 * 2**20
"""Of a mask's PNG."""


def read_mask(sample: StoredSample, root: Path, png: bytes) -> np.ndarray:
    """The mask bool (H, W) that a PNG holds for a sample of the run in `root`: white where the defect is. RecipeError
    where it is none, of another size, or blank."""
    if "cloud" in sample.files or "mask" not in sample.files:
        raise RecipeError(f"{sample.id} has its labels in its points; a mask of pixels cannot be edited")
    with Image.open(sample.path(root, "mask")) as drawn:
        size = drawn.size
    try:
        with Image.open(io.BytesIO(png), formats=("PNG",)) as opened:
            if opened.size != size:
                wanted = f"wanted {size[0]} x {size[1]}"
                raise RecipeError(f"{sample.id}: the mask has {opened.size[0]} x {opened.size[1]} px, {wanted}")
            mask = np.asarray(opened.convert("L")) > 127
    except RecipeError:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as problem:
        raise RecipeError(f"{sample.id}: the mask is no PNG that can be read ({problem})") from problem
    if not mask.any():
        raise RecipeError(f"{sample.id}: the mask is blank; reject the sample if there is no defect to see")
    return mask


def edit_of(
    sample: StoredSample, mask: np.ndarray, good: StoredSample | None, root: Path, checks: ChecksConfig
) -> Edit:
    """What is kept of a corrected mask. Its scores are those that the checks measure on the image and the good image
    that it started from; what was known of the drawn mask alone is not."""
    loaded = sample.load(root)
    made = sample.generated
    start = made.start
    if start is not None and good is not None:
        pixels = good.load(root)
        start = replace(start, image=pixels.image, xyz=pixels.xyz)
    bare = replace(made, start=start, scores={}, masks=None)
    scores = measure(replace(loaded, mask=mask, provenance=bare), checks)
    known = {name: value for name, value in scores.items() if math.isfinite(value)}
    return Edit(hashlib.sha256(png_bytes(mask)).hexdigest(), known)
