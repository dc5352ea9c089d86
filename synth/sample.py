"""`Sample`: the one record that every room passes on.

| field      | type                     | meaning                                                                   |
|------------|--------------------------|---------------------------------------------------------------------------|
| id         | str                      | stable: from content or from (run seed, type, index), never from an order |
| image      | uint8 (H, W, 3)          | RGB                                                                       |
| mask       | bool (H, W)              | any defect; all False = good                                              |
| xyz        | float32 (H, W, 3), metre | organised cloud in the camera frame, (0, 0, 0) = no return                |
| cloud      | Cloud                    | unorganised cloud                                                         |
| product    | str                      | what is inspected                                                         |
| defect     | str or None              | the kind of flaw; None = good                                             |
| split      | str or None              | role: "train", "validation", "test"                                       |
| provenance | Provenance or None       | how it was generated; None = real                                         |
| meta       | dict                     | free notes of a reader; nothing in the code decides by the generator's    |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from synth.errors import SampleError
from synth.printable import shown


@dataclass(frozen=True, slots=True)
class Cloud:
    """An unorganised point cloud: points (N, 3) float32 metres; normals (N, 3) unit; colors (N, 3) uint8 RGB;
    labels (N,) bool, True on the defect; origin: where its (0, 0, 0) is in the frame of its source, metres, other than
    (0, 0, 0) where float32 could not hold the places there."""

    points: np.ndarray
    normals: np.ndarray | None = None
    colors: np.ndarray | None = None
    labels: np.ndarray | None = None
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def placed(self) -> np.ndarray:
        """The points in the frame of their source: (N, 3), float64 where the cloud has an origin."""
        return self.points.astype(np.float64) + self.origin if any(self.origin) else self.points

    def __post_init__(self) -> None:
        n = len(self.points) if isinstance(self.points, np.ndarray) else 0
        if self.points is None:
            raise SampleError("cloud: points is null, wanted a numpy array of float32")
        _check("cloud", "points", self.points, np.float32, (n, 3))
        _check("cloud", "normals", self.normals, np.float32, (n, 3))
        _check("cloud", "colors", self.colors, np.uint8, (n, 3))
        _check("cloud", "labels", self.labels, np.bool_, (n,))


@dataclass(frozen=True, slots=True)
class Origin:
    """The good sample that a synthetic one was drawn onto. While in memory: its image (H, W, 3) uint8, its organised
    cloud xyz (H, W, 3) or unorganised cloud, and `part`, where the product is in it, (H, W) bool, as far as known;
    depth_noise in metres (standard deviation along the camera's axis)."""

    id: str
    sha256: str
    file: str | None = None
    image: np.ndarray | None = None
    part: np.ndarray | None = None
    xyz: np.ndarray | None = None
    cloud: Cloud | None = None
    depth_noise: float = 0.0


@dataclass(frozen=True, slots=True)
class Instance:
    """One defect of a sample: its type and what is known of it, in millimetres, degrees and pixels; plain types."""

    type: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InstanceMasks:
    """Where each instance is. `number` int16 (H, W), or (N,) for the points of a cloud: 0 = good, k = instance k - 1.

    For organised clouds also bool (H, W): `geometry` and `image` changed there, `core` is the part of an instance where
    it is strongest. For unorganised ones `source` int (N,): index of the good cloud's point that each came from."""

    number: np.ndarray
    geometry: np.ndarray | None = None
    image: np.ndarray | None = None
    core: np.ndarray | None = None
    source: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Provenance:
    """How a synthetic sample was generated. `index` counts within (product, defect); `window` is top, left, side in px
    of what a generator drew; `scores` are what it measured itself, such as its confidence in the mask; `failure` says
    why nothing was drawn. `edited`: sha256 of each file as it was drawn that a person changed since, by kind, such as
    "mask"."""

    generator: str
    seed: int
    index: int = 0
    start: Origin | None = None
    window: tuple[int, int, int] | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    instances: tuple[Instance, ...] = ()
    masks: InstanceMasks | None = None
    failure: str | None = None
    edited: Mapping[str, str] = field(default_factory=dict)


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
    provenance: Provenance | None = None
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("id", "product", "defect", "split"):
            value = getattr(self, name)
            if not isinstance(value, str) and (value is not None or name == "id"):
                raise SampleError(f"a sample's {name} is {shown(value)}, wanted text")
        if not isinstance(self.cloud, Cloud | None):
            raise SampleError(f"{self.id}: cloud is {shown(self.cloud)}, wanted a Cloud")
        grids = {"image": self.image, "mask": self.mask, "xyz": self.xyz}
        size = next((a.shape[:2] for a in grids.values() if isinstance(a, np.ndarray)), (0, 0))
        _check(self.id, "image", self.image, np.uint8, (*size, 3))
        _check(self.id, "mask", self.mask, np.bool_, size)
        _check(self.id, "xyz", self.xyz, np.float32, (*size, 3))


def _check(owner: str, name: str, array: np.ndarray | None, dtype: type, shape: tuple[int, ...]) -> None:
    if array is None:
        return
    if not isinstance(array, np.ndarray):
        raise SampleError(f"{owner}: {name} is {shown(array)}, wanted a numpy array of {np.dtype(dtype).name}")
    if array.dtype != dtype or array.shape != shape:
        wanted = f"{np.dtype(dtype).name} {shape}"
        raise SampleError(f"{owner}: {name} is {array.dtype} {array.shape}, wanted {wanted}")
