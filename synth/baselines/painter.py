"""What the baselines that paint on a good part share: picking the part, laying a piece onto it, the sample's record."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synth.errors import GeneratorError
from synth.generators import Progress, Request, check_textures, sample_of
from synth.parts import part_of
from synth.placing.matcher import image_of
from synth.sample import Sample
from synth.sources.listing import has_image, reopen

Pair = tuple[np.ndarray, np.ndarray]
"""An image uint8 (H, W, 3) and its mask bool (H, W)."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a defect is painted from: the good part (H, W, 3) uint8, where it may lie (H, W) bool, and the product's
    good parts, closed perhaps."""

    good: np.ndarray
    permitted: np.ndarray
    good_images: Sequence[Sample]


Paint = Callable[[Scene, np.random.Generator], Pair]


class Material:
    """Shots and good parts by product, in the order of their ids, good parts closed perhaps; GeneratorError for what
    fit has not seen."""

    def __init__(self, shots: Sequence[Sample], good_images: Sequence[Sample]) -> None:
        self._shots = sorted(shots, key=lambda shot: shot.id)
        self._good_images = sorted(good_images, key=lambda good: good.id)

    def shots(self, request: Request) -> list[Sample]:
        found = [s for s in self._shots if (s.product, s.defect) == (request.product, request.defect)]
        if not found:
            known = sorted({f"{s.product}/{s.defect}" for s in self._shots})
            raise GeneratorError(f"no shot of {request.product}/{request.defect}; known: {', '.join(known) or 'none'}")
        return found

    def all_shots(self, product: str) -> list[Sample]:
        """The shots of every type."""
        return [shot for shot in self._shots if shot.product == product]

    def good_images(self, product: str) -> list[Sample]:
        found = [good for good in self._good_images if good.product == product]
        if not found:
            raise GeneratorError(f"no good part of {product} to draw on; add good images")
        return found


def check_material(shots: Sequence[Sample], good_images: Sequence[Sample]) -> None:
    """GeneratorError for a product without good images, and for samples without an image."""
    material = Material(shots, good_images)
    for product in sorted({str(shot.product) for shot in shots}):
        material.good_images(product)
    for sample in (*shots, *good_images):
        if not has_image(sample):
            raise GeneratorError(f"{sample.id} has no image; baselines paint on images")


class PaintGenerator:
    """A baseline that learns nothing: `paint` puts a defect on a good part, from the request's seed alone."""

    def __init__(self, name: str, paint: Paint, textures: Path | None = None) -> None:
        self._name, self._paint, self._textures = name, paint, textures
        self._material = Material([], [])

    def check(self, shots: Sequence[Sample], good_images: Sequence[Sample], names: Collection[str]) -> None:
        """GeneratorError where a product has no good image, and for a texture that cannot be read."""
        check_material(shots, good_images)
        check_textures(self._textures)

    def fit(self, shots: Sequence[Sample], good_images: Sequence[Sample], progress: Progress | None = None) -> None:
        """Keep shots and good parts at hand."""
        self._material = Material(shots, good_images)

    def surroundings(self, product: str) -> None:
        """Nothing: these defects do not imitate the shots', so their context is not checked."""

    def draw(self, requests: Sequence[Request]) -> list[Sample]:
        """One candidate a request, in order."""
        return [self._draw(request) for request in requests]

    def _draw(self, request: Request) -> Sample:
        rng = np.random.default_rng(request.seed)
        good_images = self._material.good_images(request.product)
        good = reopen(good_images[rng.integers(len(good_images))])
        start = image_of(good)
        self._material.shots(request)  # a type that fit has not seen is an error, though no shot is used
        part = part_of(good)
        permitted = np.ones(start.shape[:2], bool) if part is None else part
        scene = Scene(start, permitted, good_images)
        image, mask = self._paint(scene, rng)
        return sample_of(request, self._name, good, image, mask, part)


def lay(scene: Scene, piece: np.ndarray, alpha: np.ndarray, centre: tuple[int, int]) -> Pair:
    """The good part with `piece` (h, w, 3) over it, weighted by alpha (h, w) in [0, 1], its middle at `centre` (row,
    column); only where permitted. The mask is True where alpha is at least a half."""
    weight = np.zeros(scene.permitted.shape, np.float32)
    colours = scene.good.astype(np.float32)
    (rows, piece_rows), (columns, piece_columns) = (
        _overlap(centre[axis], alpha.shape[axis], weight.shape[axis]) for axis in (0, 1)
    )
    weight[rows, columns] = alpha[piece_rows, piece_columns]
    weight *= scene.permitted
    colours[rows, columns] += weight[rows, columns, None] * (piece[piece_rows, piece_columns] - colours[rows, columns])
    return np.rint(np.clip(colours, 0, 255)).astype(np.uint8), weight >= 0.5


def _overlap(middle: int, size: int, room: int) -> tuple[slice, slice]:
    """Along one axis: what a piece of `size` around `middle` covers of 0 .. room - 1, and which part of the piece."""
    start = middle - size // 2
    covered = slice(max(0, start), min(room, start + size))
    return covered, slice(covered.start - start, covered.stop - start)


def anywhere(permitted: np.ndarray, rng: np.random.Generator) -> tuple[int, int]:
    """A (row, column) drawn from the permitted pixels (H, W)."""
    rows, columns = np.nonzero(permitted)
    if not rows.size:
        raise GeneratorError("the product was found nowhere in a good image; leave that image out")
    pick = rng.integers(rows.size)
    return int(rows[pick]), int(columns[pick])


def recoloured(piece: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Brightness, contrast and each channel changed by up to `amount` (a share) at random; (h, w, 3) float32."""
    values = piece.astype(np.float32)
    mean = values.mean()
    contrast, brightness = rng.uniform(1 - amount, 1 + amount, 2)
    tint = rng.uniform(1 - amount, 1 + amount, 3)
    return ((values - mean) * contrast + mean) * brightness * tint
