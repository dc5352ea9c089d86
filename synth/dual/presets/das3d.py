"""`das3d_like`: the data synthesis of DAS3D (arXiv 2410.09821) as far as it is known, and a reading of the rest.

Confirmed: the order of steps: foreground by depth, Perlin noise, a mask of three values (concave, convex, untouched), a
skew-Gaussian filter, a texture in the tied region of the image, augmentation dropout. Every constant below, how the
filter enters, and what the tie and the dropout are, are our own reading: none of them is a published DAS3D value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field
from scipy import fft, ndimage
from scipy.special import ndtr

from synth.dual.presets.organised import Altered, OrganisedScheme, Range, View, blend
from synth.dual.presets.regions import EIGHT, drawn_signs, pieces, within_area
from synth.dual.presets.texture import Texture, own_pieces
from synth.dual.scan_edits import LEAST_AREA

REFERENCE = 256
"""Shorter side in px that sigma is given for."""
ROUNDS = 3
"""Corrections that bring every piece to height 1 where neighbours overlap."""
LEAST_LEFT = 0.05
"""Height under the filter below which a piece is not brought up any further."""
TIED, FILTERED = 0.5, 0.3
"""Probabilities that the image's region is the mask itself, or that of the filtered relief; else a varied mask."""
LEVEL = 0.3
"""Height of the filtered relief from which the image's region is taken."""
DROPOUT: tuple[Literal["both", "rgb", "geo"], ...] = ("both", "rgb", "geo")


class Das3dLike(OrganisedScheme):
    """Z' = Z + height G on the part, G the ternary mask T under a skewed Gaussian, + away from the camera; the image
    takes I' = I (1 - M) + M ((1 - beta) A + beta I) in a region M tied to T; then one modality may be withheld."""

    name: ClassVar[str] = "das3d_like"
    threshold: Range = Field(
        (0.35, 0.6), description="Noise from which a pixel is concave, or below minus it convex. [P]"
    )
    least_mm2: float = Field(2.0, description="Smallest piece kept. [P]", json_schema_extra={"unit": "mm2"}, ge=0)
    most_share: float = Field(0.15, description="Largest piece kept, share of the part. [P]", gt=0, le=1)
    single_sign: float = Field(0.5, description="Probability that all pieces of a sample get one sign. [P]", ge=0, le=1)
    sigma: Range = Field((2.0, 12.0), description="Width of the filter at 256 px.", json_schema_extra={"unit": "px"})
    skew: Range = Field((-5.0, 5.0), description="alpha of the filter; 0 = an ordinary Gaussian. [P]")
    metric: bool = Field(True, description="Heights in mm; else in shares of the depth scale of 3DSR. [P]")
    height_mm: Range = Field(
        (0.2, 3.0),
        description="Height, drawn log-uniformly; at least 4 sigma of the depth noise. [P]",
        json_schema_extra={"unit": "mm"},
    )
    height: Range = Field((0.02, 0.15), description="Height where not metric, share of the depth scale. [P]")
    kept: Range = Field((0.0, 0.8), description="beta, share of the original image kept (DRAEM). [C]")
    own_texture: float = Field(0.5, description="Probability of the image's own pieces as texture. [P]", ge=0, le=1)
    dropout: tuple[float, float, float] = Field(
        (1 / 3, 1 / 3, 1 / 3),
        description="Weights of: both modalities altered, the image alone, the depth alone (BridgeNet). [P]",
    )

    def alter(self, view: View, rng: np.random.Generator) -> Altered:
        least, most = self.least_mm2 * 1e-6 / view.pixel**2, self.most_share * view.foreground.sum()
        bounds = (max(least, LEAST_AREA), max(most, LEAST_AREA))
        _, signs = drawn_signs(
            view.foreground, self.threshold, self.max_power, rng, lambda drawn: within_area(drawn, *bounds)
        )
        if rng.random() < self.single_sign:
            signs = np.abs(signs) * (1 if rng.random() < 0.5 else -1)
        sigma = rng.uniform(*self.sigma) * min(view.depth.shape) / REFERENCE
        alpha = rng.uniform(*self.skew)
        relief = filtered(signs, skew_kernel(sigma, alpha, rng.uniform(0, 2 * np.pi))) * view.foreground
        height = self._height(view, rng)
        region = tied_region(signs, relief, rng) & view.foreground
        kept = rng.uniform(*self.kept)
        texture = self._texture(rng)(view.image, rng)
        weights = np.array(self.dropout) / sum(self.dropout)
        shown = DROPOUT[int(rng.choice(3, p=weights))]
        return Altered(
            image=view.image if shown == "geo" else blend(view.image, texture, region, kept),
            depth=view.depth if shown == "rgb" else (view.depth + height * relief).astype(np.float32),
            region=signs != 0,
            parameters={
                "amplitude_mm": round(1e3 * height, 4),
                "sigma_px": round(sigma, 4),
                "skew": round(alpha, 4),
                "kept": round(kept, 4),
                "kept_in": shown,
            },
        )

    def _height(self, view: View, rng: np.random.Generator) -> float:
        """Metres; a defect lost in the depth noise could not be labelled."""
        if self.metric:
            drawn = 1e-3 * float(np.exp(rng.uniform(*np.log(self.height_mm))))
        else:
            drawn = rng.uniform(*self.height) * view.scale()[1]
        return max(drawn, 4 * view.sigma)

    def _texture(self, rng: np.random.Generator) -> Texture:
        return own_pieces if rng.random() < self.own_texture else self.texture()


def skew_kernel(sigma: float, alpha: float, theta: float) -> np.ndarray:
    """Skewed Gaussian, float32 (2 r + 1, 2 r + 1), r = ceil(3 sigma), of sum 1:
    k(u, v) ~ exp(-(u^2 + v^2) / 2 sigma^2) Phi(alpha (u cos theta + v sin theta) / sigma), u to the right, v down.

    Its mean lies sigma sqrt(2 / pi) alpha / sqrt(1 + alpha^2) px off the middle, up to 9 px for sigma 12: it is moved
    back by that, so that the relief stays on its mask."""
    radius = int(np.ceil(3 * sigma))
    line = np.arange(-radius, radius + 1, dtype=np.float64)
    shift = sigma * np.sqrt(2 / np.pi) * alpha / np.sqrt(1 + alpha**2)
    u, v = line + shift * np.cos(theta), line[:, None] + shift * np.sin(theta)
    kernel = np.exp(-(u**2 + v**2) / (2 * sigma**2)) * ndtr(alpha * (u * np.cos(theta) + v * np.sin(theta)) / sigma)
    return (kernel / kernel.sum()).astype(np.float32)


def filtered(signs: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """G float32 (H, W): the signs (H, W) under the kernel, every piece brought to height 1, within [-1, 1].

    A wide filter flattens small pieces to a fifth; so pieces are weighted by the reciprocal of what is left of them,
    again while overlapping neighbours disturb each other. Three convolutions, however many pieces there are."""
    labels, count = pieces(signs)
    convolve = _convolution(signs.shape, kernel)
    weight = np.ones(count + 1, np.float32)
    relief = convolve(signs.astype(np.float32))
    for _ in range(ROUNDS if count > 1 else 1):
        reached = np.zeros(count + 1, np.float32)
        np.maximum.at(reached, labels.ravel(), np.abs(relief).ravel())
        weight[1:] /= np.maximum(reached[1:], LEAST_LEFT)
        relief = convolve(signs * weight[labels])
    return (relief / np.abs(relief).max()).astype(np.float32)


def tied_region(signs: np.ndarray, relief: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The image's region bool (H, W): the mask itself, that of the filtered relief, or the mask widened, narrowed or
    one piece of it, so that edges of colour and of depth go together without being the same."""
    mask, uniform = signs != 0, rng.random()
    if uniform < TIED:
        return mask
    if uniform < TIED + FILTERED:
        return np.abs(relief) > LEVEL
    labels, count = pieces(signs)
    choice = rng.integers(3)
    if choice == 0:
        return ndimage.binary_dilation(mask, EIGHT, iterations=2)
    varied = ndimage.binary_erosion(mask, EIGHT) if choice == 1 else labels == rng.integers(1, count + 1)
    return varied if varied.any() else mask


def _convolution(shape: tuple[int, int], kernel: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A function that convolves fields of one shape (H, W) with the kernel, zeros around; its spectrum is kept."""
    radius = kernel.shape[0] // 2
    size = [fft.next_fast_len(n + 2 * radius, real=True) for n in shape]
    spectrum = fft.rfft2(kernel, size)

    def convolve(field: np.ndarray) -> np.ndarray:
        wide = fft.irfft2(fft.rfft2(field.astype(np.float32), size) * spectrum, size)
        return wide[radius : radius + shape[0], radius : radius + shape[1]]

    return convolve
