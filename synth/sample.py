"""`Sample`: the one record that every room passes on.

| field   | type                     | meaning                                                                   |
|---------|--------------------------|---------------------------------------------------------------------------|
| id      | str                      | stable: from content or from (run seed, type, index), never from an order |
| image   | uint8 (H, W, 3)          | RGB                                                                       |
| mask    | bool (H, W)              | any defect; all False = good                                              |
| xyz     | float32 (H, W, 3), metre | organised cloud in the camera frame, (0, 0, 0) = no return                |
| cloud   | Cloud                    | unorganised cloud                                                         |
| product | str                      | what is inspected                                                         |
| defect  | str or None              | the kind of flaw; None = good                                             |
| split   | str or None              | "train", "test", ...                                                      |
| meta    | dict                     | provenance: source file, parents' hashes, seed, parameters, scores        |
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from synth.errors import SampleError


@dataclass(frozen=True, slots=True)
class Cloud:
    """An unorganised point cloud: points (N, 3) float32 metres; normals (N, 3) unit; colors (N, 3) uint8 RGB;
    labels (N,) bool, True on the defect."""

    points: np.ndarray
    normals: np.ndarray | None = None
    colors: np.ndarray | None = None
    labels: np.ndarray | None = None

    def __post_init__(self) -> None:
        n = len(self.points)
        _check("cloud", "points", self.points, np.float32, (n, 3))
        _check("cloud", "normals", self.normals, np.float32, (n, 3))
        _check("cloud", "colors", self.colors, np.uint8, (n, 3))
        _check("cloud", "labels", self.labels, np.bool_, (n,))


@dataclass(frozen=True, slots=True)
class Sample:
    """One part seen once, with what is known about it. Raises SampleError where fields contradict each other."""

    id: str
    image: np.ndarray | None = None
    mask: np.ndarray | None = None
    xyz: np.ndarray | None = None
    cloud: Cloud | None = None
    product: str | None = None
    defect: str | None = None
    split: str | None = None
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        grids = {"image": self.image, "mask": self.mask, "xyz": self.xyz}
        size = next((a.shape[:2] for a in grids.values() if a is not None), None)
        if size is None:
            return
        _check(self.id, "image", self.image, np.uint8, (*size, 3))
        _check(self.id, "mask", self.mask, np.bool_, size)
        _check(self.id, "xyz", self.xyz, np.float32, (*size, 3))


def _check(owner: str, name: str, array: np.ndarray | None, dtype: type, shape: tuple[int, ...]) -> None:
    if array is None:
        return
    if array.dtype != dtype or array.shape != shape:
        wanted = f"{np.dtype(dtype).name} {shape}"
        raise SampleError(f"{owner}: {name} is {array.dtype} {array.shape}, wanted {wanted}")
