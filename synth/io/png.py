"""PNG for the run's own images and masks: the same array gives the same bytes."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from synth.errors import WriterError


def png_bytes(array: np.ndarray, even: bool = False) -> bytes:
    """uint8 (H, W, 3), or bool (H, W) as 0 and 255. `even`: the image is made of large even areas; masks are."""
    pixels = array.astype(np.uint8) * 255 if array.dtype == np.bool_ else array
    ordered = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    # Photographs get as small as by zlib's full search, in a quarter of its time.
    runs = even or array.dtype == np.bool_
    strategy = cv2.IMWRITE_PNG_STRATEGY_RLE if runs else cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY
    done, content = cv2.imencode(".png", ordered, [cv2.IMWRITE_PNG_STRATEGY, strategy])
    if not done:
        raise WriterError(f"an array of {pixels.dtype} {pixels.shape} cannot be written as a PNG")
    return content.tobytes()


def read_png(source: Path | bytes) -> np.ndarray:
    """What `png_bytes` made: uint8 (H, W, 3), or bool (H, W) for a grey file."""
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=("PNG", "WEBP")) as opened:
        pixels = np.asarray(opened)
    return pixels > 127 if pixels.ndim == 2 else pixels
