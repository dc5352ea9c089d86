"""The two hashes by which images are compared: of their pixels, and of what they look like."""

from __future__ import annotations

import numpy as np
from PIL import Image

HASH_SIDE = 32


def perceptual_hash(image: np.ndarray) -> np.ndarray:
    """A 32 x 32 uint8 grey thumbnail of `image` (H, W, 3): close for re-encoded or resized copies, and turned or
    mirrored like them. Compare with `hash_distances`; `synth.checks.duplicates` says how close is one image."""
    grey = Image.fromarray(image).convert("L")
    return np.array(grey.resize((HASH_SIDE, HASH_SIDE), Image.Resampling.HAMMING))


def turns(thumbnail: np.ndarray) -> np.ndarray:
    """The eight ways to lay a square image: (8, side, side); the first is `thumbnail` itself."""
    return np.stack([turned(thumbnail, way) for way in range(8)])


def turned(image: np.ndarray, way: int) -> np.ndarray:
    """An image (H, W) laid in one of the eight ways, in the order of `turns`."""
    return np.rot90(image if way < 4 else image.T, way % 4)


def hash_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Root mean square difference in grey levels of every thumbnail in `first` (N, s, s) and `second`
    (M, s, s), at the best of the eight ways to lay one on the other: (N, M) float32, 0 = alike."""
    rows = first.reshape(len(first), -1).astype(np.float32) - 128
    ways = np.stack([turns(thumbnail) for thumbnail in second], axis=1).astype(np.float32) - 128
    columns = ways.reshape(8 * len(second), -1)
    products = (rows @ columns.T).reshape(len(first), 8, len(second)).max(axis=1)
    own = np.square(columns[: len(second)]).sum(1)
    squares = np.square(rows).sum(1)[:, None] + own[None, :] - 2 * products
    return np.sqrt(np.maximum(squares, 0) / rows.shape[1])
