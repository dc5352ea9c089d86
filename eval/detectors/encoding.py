"""From samples to features: resized, checked, in batches."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from eval.features.network import FeatureMaps, FeatureNetwork
from synth.errors import EvalError
from synth.sample import Sample
from synth.sources.listing import reopen

if TYPE_CHECKING:
    from eval.features.points import PointFeatures, PointNetwork

BATCH = 8
LEAST_POINTS = 16


@dataclass(frozen=True)
class Shape:
    """The 3D side of a sample, resized: points (n, 3) float32 metres, place (n, 2) row and column of each; labels (n,)
    bool, True on a defect, None where a defective sample has no mask. A cloud that is not organised is one row of
    points, as it is."""

    points: Tensor
    place: Tensor
    features: PointFeatures
    labels: Tensor | None = None
    organised: bool = True


@dataclass(frozen=True)
class Encoded:
    """The features of a batch. maps: of the images, None where the detector does not look at them; shapes: of the
    organised clouds, alike; size: (H, W) of the resized images, sizes: of each image as it is. samples: what was
    encoded."""

    ids: list[str]
    products: list[str | None]
    maps: FeatureMaps | None
    shapes: list[Shape] | None
    size: tuple[int, int]
    sizes: list[tuple[int, int]]
    samples: list[Sample] = field(default_factory=list)


@dataclass
class Encoder:
    """The networks of a detector and the size at which they look; clouds: whether unorganised ones will do; seconds:
    spent in the networks so far."""

    network: FeatureNetwork | None
    points: PointNetwork | None
    size: tuple[int, int]
    clouds: bool = False
    seconds: float = field(default=0.0, compare=False)

    def batches(self, samples: Sequence[Sample]) -> Iterator[Encoded]:
        """The features of samples, a batch at a time. EvalError naming the sample that lacks what is looked at."""
        for start in range(0, len(samples), BATCH):
            opened = [reopen(samples[k]) for k in range(start, min(start + BATCH, len(samples)))]
            began = time.perf_counter()
            encoded = self._encode(opened)
            self.seconds += time.perf_counter() - began
            yield encoded

    def _encode(self, samples: list[Sample]) -> Encoded:
        maps, shapes = None, None
        if self.network is not None:
            pixels = torch.stack([_pixels(sample, self.size) for sample in samples])
            with torch.inference_mode():
                maps = self.network.maps(pixels)
            _check_finite([*maps.levels, maps.whole], self.network.name, samples)
        if self.points is not None:
            shapes = [self._shape(self.points, sample) for sample in samples]
        sizes = [_size_of(sample) for sample in samples]
        if shapes is not None:
            sizes = [own if one.organised else (1, len(one.points)) for own, one in zip(sizes, shapes, strict=True)]
        return Encoded([s.id for s in samples], [s.product for s in samples], maps, shapes, self.size, sizes, samples)

    def _shape(self, network: PointNetwork, sample: Sample) -> Shape:
        organised = sample.xyz is not None or sample.cloud is None or not self.clouds
        points, place = valid_points(sample, self.size) if organised else cloud_points(sample)
        with torch.inference_mode():
            features = network.tokens(points)
        for level in features.levels:
            if not level.isfinite().all():
                raise EvalError(f"{network.name} gives NaN or infinite features of {sample.id}; check its weights")
        labels = _labels(sample, place, self.size) if organised else _cloud_labels(sample)
        return Shape(points, place, features, labels, organised)


def fitted_size(sample: Sample, side: int, multiple: int, square: bool) -> tuple[int, int]:
    """(H, W) of about side * side px with the aspect of the sample's image, sides multiples of `multiple`."""
    height, width = (1, 1) if square or (sample.image is None and sample.xyz is None) else _size_of(sample)
    scale = side / (height * width) ** 0.5
    rows, columns = (max(1, round(length * scale / multiple)) * multiple for length in (height, width))
    return rows, columns


def valid_points(sample: Sample, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The points of an organised cloud at the nearest pixels of an image of this size: points (n, 3), place (n, 2).
    EvalError where there is no organised cloud or hardly a point in it."""
    if sample.xyz is None:
        raise EvalError(f"{sample.id} has no organised cloud (xyz); a detector of 3D needs one")
    rows, columns = _nearest(sample.xyz.shape, size)
    grid = sample.xyz[rows][:, columns]
    place = np.argwhere(np.isfinite(grid).all(2) & (grid != 0).any(2))
    if len(place) < LEAST_POINTS:
        raise EvalError(f"{sample.id}: its cloud has {len(place)} valid points at {size}; at least {LEAST_POINTS}")
    return torch.from_numpy(grid[place[:, 0], place[:, 1]]), torch.from_numpy(place)


def cloud_points(sample: Sample) -> tuple[Tensor, Tensor]:
    """All points (n, 3) of an unorganised cloud, and place (n, 2) in one row. EvalError where there are hardly any or
    one is not finite."""
    assert sample.cloud is not None
    points = torch.from_numpy(sample.cloud.points)
    if len(points) < LEAST_POINTS or not bool(points.isfinite().all()):
        raise EvalError(f"{sample.id}: its cloud has {len(points)} points; wanted {LEAST_POINTS} finite ones or more")
    column = torch.arange(len(points))
    return points, torch.stack([torch.zeros_like(column), column], 1)


def _nearest(shape: tuple[int, ...], size: tuple[int, int]) -> list[np.ndarray]:
    """Rows and columns of an image of this shape that are nearest to those of one of another size."""
    return [
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(int), old - 1)
        for new, old in zip(size, shape[:2], strict=True)
    ]


def _labels(sample: Sample, place: Tensor, size: tuple[int, int]) -> Tensor | None:
    """Which points (n,) of an organised cloud lie on a defect."""
    if sample.mask is None:
        return torch.zeros(len(place), dtype=torch.bool) if sample.defect is None else None
    rows, columns = _nearest(sample.mask.shape, size)
    return torch.from_numpy(sample.mask[rows][:, columns])[place[:, 0], place[:, 1]]


def _cloud_labels(sample: Sample) -> Tensor | None:
    assert sample.cloud is not None
    if sample.cloud.labels is None:
        return torch.zeros(len(sample.cloud.points), dtype=torch.bool) if sample.defect is None else None
    return torch.from_numpy(sample.cloud.labels)


def _pixels(sample: Sample, size: tuple[int, int]) -> Tensor:
    if sample.image is None:
        raise EvalError(f"{sample.id} has no image; a detector of images needs one")
    small = Image.fromarray(sample.image).resize(size[::-1], Image.Resampling.BICUBIC)
    return torch.from_numpy(np.asarray(small, np.float32) / 255).permute(2, 0, 1)


def _size_of(sample: Sample) -> tuple[int, int]:
    grid = sample.image if sample.image is not None else sample.xyz
    if grid is None and sample.cloud is not None:
        return 1, len(sample.cloud.points)
    if grid is None:
        raise EvalError(f"{sample.id} has neither an image nor a cloud; a detector has nothing to look at")
    return grid.shape[0], grid.shape[1]


def _check_finite(tensors: Sequence[Tensor], network: str, samples: Sequence[Sample]) -> None:
    for tensor in tensors:
        wrong = ~tensor.isfinite().flatten(1).all(1)
        if wrong.any():
            named = samples[int(wrong.nonzero()[0])].id
            raise EvalError(f"{network} gives NaN or infinite features of {named}; check its weights")
