"""One scan in the frames, units, codes and files that people keep scans in: a dome on a plate, seen from 0.4 m."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import tifffile

from synth.sample import Sample

FOCAL, PITCH, TABLE = 140.0, 1.5e-3, 0.4
SHAPE = (60, 84)
ROBOT = np.array([[0, -1, 0], [-1, 0, 0], [0, 0, -1.0]])
TILTED = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))[0] * [1, 1, -1]
if np.linalg.det(TILTED) < 0:
    TILTED[0] *= -1

Pair = tuple[np.ndarray, np.ndarray]


def dome(table: bool = True, seed: int = 0, orthographic: bool = False) -> Pair:
    """Image and cloud float64 (H, W, 3) in metres: a dome 30 mm high on a plate, with noise, some pixels no return;
    `table` False: only the dome returns. Parallel rays see heights above the table instead, z up."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices(SHAPE).astype(float)
    across, down = columns - (SHAPE[1] - 1) / 2, rows - (SHAPE[0] - 1) / 2
    x, y = (across * PITCH, down * PITCH) if orthographic else (across / FOCAL * TABLE, down / FOCAL * TABLE)
    bump = np.clip(1 - (x**2 + y**2) / 0.05**2, 0, None)
    high = np.where(bump > 0, 0.008 + 0.03 * np.sqrt(bump), 0) + rng.normal(0, 5e-5, SHAPE)
    if orthographic:
        xyz = np.stack([x, y, high], -1)
    else:
        depth = TABLE - high
        xyz = np.stack([across / FOCAL * depth, down / FOCAL * depth, depth], -1)
    xyz[:3, :4] = 0
    if not table:
        xyz[bump == 0] = 0
    image = np.clip(90 + 2000 * high[..., None] + rng.normal(0, 3, (*SHAPE, 3)), 0, 255).astype(np.uint8)
    return image, xyz


def moved(turn: np.ndarray, shift: tuple[float, float, float] = (0, 0, 0)) -> Callable[[Pair], Pair]:
    """The cloud in another frame; what did not return stays (0, 0, 0)."""
    return lambda pair: (pair[0], np.where(pair[1].any(-1, keepdims=True), pair[1] @ turn.T + shift, 0))


def nearest(height: int, width: int) -> Callable[[Pair], Pair]:
    """Image and cloud resized by taking the nearest pixels."""
    rows, columns = (np.linspace(0, a - 1, b).astype(int) for a, b in zip(SHAPE, (height, width), strict=True))
    return lambda pair: (pair[0][rows][:, columns], pair[1][rows][:, columns])


def flipped(rows: int, columns: int) -> Callable[[Pair], Pair]:
    return lambda pair: (pair[0][::rows, ::columns], pair[1][::rows, ::columns])


FRAMES: dict[str, Callable[[Pair], Pair]] = {
    "camera": lambda pair: pair,
    "turned by 180": flipped(-1, -1),
    "mirrored in x": flipped(1, -1),
    "mirrored in y": flipped(-1, 1),
    "turned by 90": lambda pair: (np.rot90(pair[0]), np.rot90(pair[1])),
    "resized": nearest(48, 48),
    "OpenGL": moved(np.diag([1, -1, -1])),
    "y up": moved(np.diag([1, -1, 1])),
    "negative z": moved(np.diag([1, 1, -1])),
    "z and y exchanged": moved(np.eye(3)[[0, 2, 1]]),
    "robot": moved(ROBOT, (0.4, 0.1, 0.9)),
    "tilted": moved(TILTED, (1, -2, 3)),
}
UNITS = {"m": 1.0, "mm": 1e3, "um": 1e6}
CODES = {"zero": 0.0, "NaN": np.nan, "infinity": np.inf, "-10000": -1e4, "-1e38": -1e38}


def coded(xyz: np.ndarray, code: float) -> np.ndarray:
    """The cloud with another value where nothing returned."""
    return np.where(xyz.any(-1, keepdims=True), xyz, code)


def lzw(path: Path, xyz: np.ndarray) -> None:
    assert cv2.imwrite(str(path), xyz[..., ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, 5])


def planes(path: Path, xyz: np.ndarray, **options: object) -> None:
    tifffile.imwrite(path, np.moveaxis(xyz, -1, 0), **options)


FILES: dict[str, tuple[str, Callable[[Path, np.ndarray], object]]] = {
    "plain": (".tiff", tifffile.imwrite),
    "LZW": (".tiff", lzw),
    "deflated": (".tif", lambda path, xyz: tifffile.imwrite(path, xyz, photometric="rgb", compression="zlib")),
    "tiled": (".tiff", lambda path, xyz: tifffile.imwrite(path, xyz, photometric="rgb", tile=(32, 32))),
    "planes apart": (".tiff", lambda path, xyz: planes(path, xyz, photometric="rgb", planarconfig="separate")),
    "three pages": (".tiff", lambda path, xyz: planes(path, xyz, photometric="minisblack")),
    "big-endian": (".tiff", lambda path, xyz: tifffile.imwrite(path, xyz, photometric="rgb", byteorder=">")),
    "float64": (".tiff", lambda path, xyz: tifffile.imwrite(path, xyz.astype(np.float64), photometric="rgb")),
    "npy": (".npy", np.save),
    "npy, planes first": (".npy", lambda path, xyz: np.save(path, np.moveaxis(xyz, -1, 0))),
    "npz": (".npz", lambda path, xyz: np.savez_compressed(path, xyz=xyz, intensity=xyz[..., 0])),
}


def scan_tree(root: Path, pairs: list[Pair], file: str = "plain", place: str = "train/good") -> Path:
    """An MVTec 3D-AD tree of one product with these scans as float32."""
    from PIL import Image

    suffix, write = FILES[file]
    for kind in ("rgb", "xyz"):
        (root / place / kind).mkdir(parents=True, exist_ok=True)
    for number, (image, xyz) in enumerate(pairs):
        Image.fromarray(np.ascontiguousarray(image)).save(root / place / "rgb" / f"{number:03}.png")
        with np.errstate(over="ignore"):
            write(root / place / "xyz" / f"{number:03}{suffix}", np.ascontiguousarray(xyz, dtype=np.float32))
    return root


def sample_of(pair: Pair) -> Sample:
    image, xyz = pair
    whole = np.zeros(image.shape[:2], bool)
    return Sample(id="dome", product="dome", image=np.ascontiguousarray(image), xyz=xyz.astype(np.float32), mask=whole)
