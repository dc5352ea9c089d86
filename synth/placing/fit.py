"""How well the surroundings of a defect fit a place: the difference between a ring of pixels and what lies there.

Template T with weight M (the ring of a crop), image I with weight W (1 inside, 0 beyond the border), both with C
channels. Over the pixels where both have weight, with means mu, variances s^2 (summed over channels) and correlation r:

    difference = 2 (1 - r) max(s_I, s_T)^2 + sum_c max(0, |mu_I - mu_T| - tolerance_c)^2
    D = difference / (max(s_I, s_T)^2 + floor^2)

The first term is the squared difference after both were brought to mean 0 and the same deviation, so that exposure
does not count, and is 2 max(s_I, s_T)^2 for surroundings that have nothing in common, plain or textured, sharp or
blurred. The second lets a plain surface fit a plain one of its own shade only, up to the exposure's own play. D is 0
for a copy and about 2 or more for what has nothing in common.

All sums over the overlap are correlations (Padfield 2012, "Masked object registration in the Fourier domain"): by
FFT over a whole image, by matrix products around one place.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import fft

LEAST_SEEN = 0.6
"""Share of a ring that must lie inside the image."""
_EMPTY = 1e-3


@dataclass(frozen=True, slots=True)
class Photometry:
    """What counts as the same: tolerance (C,) of the level of each channel, floor of the deviation; grey levels."""

    tolerance: np.ndarray
    floor: float


@dataclass(frozen=True, eq=False)
class Templates:
    """R rings on one canvas, whose middle pixel is the middle of the defect. weight (R, a, b), values (R, C, a, b)
    float32, 0 where the weight is; a and b are odd."""

    weight: np.ndarray
    values: np.ndarray

    @property
    def size(self) -> tuple[int, int]:
        return self.weight.shape[1], self.weight.shape[2]

    @cached_property
    def reach(self) -> np.ndarray:
        """How far each ring reaches from the middle: (R, 4) px up, left, down, right."""
        height, width = self.size
        rows, columns = self.weight.max(2) > 0, self.weight.max(1) > 0
        up, left = rows.argmax(1), columns.argmax(1)
        down, right = rows[:, ::-1].argmax(1), columns[:, ::-1].argmax(1)
        return np.stack([height // 2 - up, width // 2 - left, height // 2 - down, width // 2 - right], axis=1)


@dataclass(frozen=True, slots=True)
class Sums:
    """The six sums over the overlap of weights: n, sum I, sum I^2, sum T, sum T^2, sum I T; those of I and T carry the
    channels on their first axis, the others are summed over channels."""

    n: np.ndarray
    image: np.ndarray
    image_squared: np.ndarray
    template: np.ndarray
    template_squared: np.ndarray
    both: np.ndarray


def difference(sums: Sums, photometry: Photometry, full: np.ndarray) -> np.ndarray:
    """D as defined above, infinite where less than LEAST_SEEN of the ring's whole weight `full` is inside the image."""
    n = np.maximum(sums.n, _EMPTY)
    mean_image, mean_template = sums.image / n, sums.template / n
    image = np.maximum(sums.image_squared / n - (mean_image**2).sum(0), 0)
    template = np.maximum(sums.template_squared / n - (mean_template**2).sum(0), 0)
    both = sums.both / n - (mean_image * mean_template).sum(0)
    floor = photometry.floor**2
    largest = np.maximum(image, template)
    # With the floor, two plain surfaces agree; without, the correlation of their noise would decide.
    apart = 2 * largest * (1 - both / np.maximum(np.sqrt(image * template), _EMPTY).clip(min=0.25 * floor))
    tolerance = photometry.tolerance.reshape(-1, *[1] * (mean_image.ndim - 1))
    level = (np.maximum(np.abs(mean_image - mean_template) - tolerance, 0) ** 2).sum(0)
    found = (apart + level) / (largest + floor)
    return np.where(sums.n >= LEAST_SEEN * full, found, np.inf).astype(np.float32)


@dataclass(frozen=True, eq=False)
class ImageSpectra:
    """What is needed of one image for `whole`: the spectra of W, W I and W I^2 on a common size N."""

    shape: tuple[int, int]
    size: tuple[int, int]
    weight: np.ndarray
    values: np.ndarray
    squared: np.ndarray


@dataclass(frozen=True, eq=False)
class TemplateSpectra:
    """The conjugate spectra of M, M T and M T^2 with their middles at the origin, on a size N, and their sums: full
    (R,), sums (R, C), squared_sum (R,)."""

    weight: np.ndarray
    values: np.ndarray
    squared: np.ndarray
    full: np.ndarray
    sums: np.ndarray
    squared_sum: np.ndarray


def common_size(shape: tuple[int, int], canvas: tuple[int, int]) -> tuple[int, int]:
    """A size N for which an image of `shape` and a template on `canvas` do not wrap onto each other."""
    rows, columns = (fft.next_fast_len(max(n + m // 2 + 1, m), real=True) for n, m in zip(shape, canvas, strict=True))
    return int(rows), int(columns)


def image_spectra(image: np.ndarray, size: tuple[int, int], weight: np.ndarray | None = None) -> ImageSpectra:
    """Of an image (H, W, C) float32; weight (H, W) of its pixels, none = 1 everywhere."""
    planes = np.moveaxis(image, -1, 0)
    ones = np.ones(image.shape[:2], np.float32) if weight is None else weight
    stack = np.concatenate([ones[None], (ones * planes**2).sum(0)[None], ones * planes])
    spectra = fft.rfft2(stack, size)
    return ImageSpectra((image.shape[0], image.shape[1]), size, spectra[0], spectra[2:], spectra[1])


def template_spectra(templates: Templates, size: tuple[int, int]) -> TemplateSpectra:
    """Of templates; `size` from `common_size`."""
    weight, values = templates.weight, templates.values
    squared = (values**2 * weight[:, None]).sum(1)
    stack = np.concatenate([weight[:, None], squared[:, None], values * weight[:, None]], axis=1)
    full = np.zeros((*stack.shape[:2], *size), np.float32)
    full[..., : stack.shape[2], : stack.shape[3]] = stack
    rolled = np.roll(full, [-(n // 2) for n in templates.size], axis=(-2, -1))
    spectra = np.conj(fft.rfft2(rolled))
    totals = stack.sum((2, 3))
    return TemplateSpectra(spectra[:, 0], spectra[:, 2:], spectra[:, 1], totals[:, 0], totals[:, 2:], totals[:, 1])


def whole(
    image: ImageSpectra, templates: TemplateSpectra, photometry: Photometry, overhang: bool = False
) -> np.ndarray:
    """D of every template with its middle on every pixel of the image, (R, H, W) float32.

    overhang: rings may reach beyond the border, by up to 1 - LEAST_SEEN of their weight; costs twice the time. Without,
    the caller has to leave out the places where they do."""
    rows, columns = image.shape

    def correlated(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return fft.irfft2(first * second, image.size)[..., :rows, :columns]

    def constant(sums: np.ndarray) -> np.ndarray:
        return sums[..., None, None]

    own = [templates.full[:, None, None], constant(templates.sums.T), constant(templates.squared_sum)]
    if overhang:
        own = [
            correlated(image.weight, templates.weight),
            np.moveaxis(correlated(image.weight, templates.values), 1, 0),
            correlated(image.weight, templates.squared),
        ]
    both = np.einsum("cyx,rcyx->ryx", image.values, templates.values)
    sums = Sums(
        n=own[0],
        image=np.moveaxis(correlated(image.values[None], templates.weight[:, None]), 1, 0),
        image_squared=correlated(image.squared, templates.weight),
        template=own[1],
        template_squared=own[2],
        both=fft.irfft2(both, image.size)[..., :rows, :columns],
    )
    return difference(sums, photometry, templates.full[:, None, None])


def around(
    image: np.ndarray,
    weight: np.ndarray,
    templates: Templates,
    photometry: Photometry,
    row: int,
    column: int,
    reach: int,
) -> np.ndarray:
    """D of every template with its middle within `reach` px of one pixel, (R, 2 reach + 1, 2 reach + 1) float32.

    image (H, W, C) float32, weight (H, W) float32, 0 for pixels that do not count."""
    height, width = templates.size
    top, left = row - reach - height // 2, column - reach - width // 2
    size = (height + 2 * reach, width + 2 * reach)
    seen, planes = _window(weight, top, left, size), np.moveaxis(_window(image, top, left, size), -1, 0)
    steps = 2 * reach + 1

    def patches(plane: np.ndarray) -> np.ndarray:
        view = np.lib.stride_tricks.sliding_window_view(plane, (height, width))
        return view.reshape(steps * steps, height * width)

    def flat(stack: np.ndarray) -> np.ndarray:
        return stack.reshape(len(stack), -1).T

    ring, values = templates.weight, templates.values * templates.weight[:, None]
    squared = (templates.values**2 * ring[:, None]).sum(1)
    here = patches(seen)
    channels = range(len(planes))
    inner = [patches(seen * planes[c]) for c in channels]
    sums = Sums(
        here @ flat(ring),
        np.stack([inner[c] @ flat(ring) for c in channels]),
        patches(seen * (planes**2).sum(0)) @ flat(ring),
        np.stack([here @ flat(values[:, c]) for c in channels]),
        here @ flat(squared),
        sum((inner[c] @ flat(values[:, c]) for c in channels), np.float32(0)),
    )
    found = difference(sums, photometry, ring.sum((1, 2)))
    return found.T.reshape(-1, steps, steps)


def _window(array: np.ndarray, top: int, left: int, size: tuple[int, int]) -> np.ndarray:
    """Rows top .. and columns left .. of an array, zero beyond it."""
    found = np.zeros((*size, *array.shape[2:]), np.float32)
    rows = slice(max(0, top), max(0, min(array.shape[0], top + size[0])))
    columns = slice(max(0, left), max(0, min(array.shape[1], left + size[1])))
    found[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = array[rows, columns]
    return found
