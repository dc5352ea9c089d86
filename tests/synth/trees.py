"""Miniature datasets, written on the fly. Sizes all differ and none is square."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter


def random_image(seed: int, height: int = 37, width: int = 53) -> np.ndarray:
    """An RGB image with detail that survives small thumbnails; another seed, another image."""
    rng = np.random.default_rng(seed)
    grain = gaussian_filter(rng.normal(size=(height, width)), max(height, width) / 30)
    base = 128 + 45 * grain / grain.std()
    return np.clip(base[..., None] + np.array([0, 6, -6]), 0, 255).astype(np.uint8)


def blob(seed: int, height: int = 37, width: int = 53) -> np.ndarray:
    """A bool mask of one rectangle, at least 12 px and at most a tenth of the image or so."""
    rng = np.random.default_rng(seed)
    top, left = rng.integers(1, height - 8), rng.integers(1, width - 10)
    mask = np.zeros((height, width), bool)
    mask[top : top + rng.integers(3, 7), left : left + rng.integers(4, 9)] = True
    return mask


def save(path: Path, array: np.ndarray, **options: object) -> Path:
    """Write an array as the image that the path's ending names, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = array.astype(np.uint8) * 255 if array.dtype == np.bool_ else array
    Image.fromarray(values).save(path, **options)
    return path


def size_of(seed: int) -> tuple[int, int]:
    return 37 + seed % 7, 53 + seed % 5


def folder_tree(root: Path, good_images: int = 4, shots: int = 3, types: tuple[str, ...] = ("crack", "pit")) -> Path:
    """root/good/good0.jpg and root/defect/<type>/<type>0.png with <type>0_mask.png beside it."""
    for n in range(good_images):
        save(root / "good" / f"good{n}.jpg", random_image(n, *size_of(n)), quality=95)
    for k, kind in enumerate(types):
        for n in range(shots):
            seed = 100 * (k + 1) + n
            save(root / "defect" / kind / f"{kind}{n}.png", random_image(seed, *size_of(seed)))
            save(root / "defect" / kind / f"{kind}{n}_mask.png", blob(seed, *size_of(seed)))
    return root


def mvtec_tree(root: Path, good_images: int = 4, tests: int = 7, types: tuple[str, ...] = ("bent", "cut")) -> Path:
    """One product's folder in the MVTec AD tree, with one good test image."""
    for n in range(good_images):
        save(root / "train" / "good" / f"{n:03}.png", random_image(n, *size_of(n)))
    save(root / "test" / "good" / "000.png", random_image(50))
    for k, kind in enumerate(types):
        for n in range(tests):
            seed = 100 * (k + 1) + n
            save(root / "test" / kind / f"{n:03}.png", random_image(seed, *size_of(seed)))
            save(root / "ground_truth" / kind / f"{n:03}_mask.png", blob(seed, *size_of(seed)))
    return root


def write_split(root: Path, shots: dict[str, list[str]], test: dict[str, list[str]]) -> Path:
    path = root / "split.json"
    path.write_text(json.dumps({"shots": shots, "test": test}))
    return path
