"""Schemes of the DRAEM family: noise above a threshold marks the region, a texture is blended into the image there, and
depth changes with it. z' is depth on the scale of `View.scale`; M the region, P the noise, A the texture, beta the
share of the original that is kept."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from synth.dual.presets.organised import Altered, OrganisedScheme, Range, View, blend
from synth.dual.presets.regions import drawn_signs, hills_alone, turned_noise


class Draem(OrganisedScheme):
    """DRAEM (Zavrtanik et al. 2021): I' = I (1 - M) + M ((1 - beta) A + beta I), M = (P > threshold) on the part. Depth
    likewise with the grey values of a texture as z', and the same M (BridgeNet)."""

    name: ClassVar[str] = "draem"
    threshold: float = Field(0.5, description="Noise above which a pixel belongs to the region. [C]", gt=0, lt=1)
    kept: Range = Field((0.0, 0.8), description="beta of the image. [C]")
    depth_kept: Range = Field((0.0, 0.8), description="beta of the depth, as the image's. [P]")

    def alter(self, view: View, rng: np.random.Generator) -> Altered:
        _, region = one_sided(view, self.threshold, self.max_power, rng)
        texture = self.texture()(view.image, rng)
        offset, span = view.scale()
        kept, depth_kept = rng.uniform(*self.kept), rng.uniform(*self.depth_kept)
        depth = blend(view.depth, offset + span * texture.mean(-1), region, depth_kept)
        return Altered(
            blend(view.image, texture, region, kept), depth, region, _rounded(kept=kept, depth_kept=depth_kept)
        )


class EasyNet(OrganisedScheme):
    """EasyNet (Chen et al. 2023): M = (P > threshold) on the part, texture as in DRAEM, and z' <- z' (1 - M) + M P.

    That replaces the surface by bare noise, whatever lay there. Mended: z' <- z' + M height (P - threshold) / (1 -
    threshold), noise that rides on the surface; `compat` restores the published form."""

    name: ClassVar[str] = "easynet"
    threshold: float = Field(0.5, description="Noise above which a pixel belongs to the region. [C]", gt=0, lt=1)
    kept: Range = Field((0.0, 0.8), description="beta of the image. [C]")
    height: float = Field(0.1, description="Depth added where noise is 1, share of the depth scale. [P]", gt=0, le=1)
    compat: bool = Field(False, description="Replace the depth by noise, as published results do.")

    def alter(self, view: View, rng: np.random.Generator) -> Altered:
        noise, region = one_sided(view, self.threshold, self.max_power, rng)
        texture = self.texture()(view.image, rng)
        offset, span = view.scale()
        if self.compat:
            changed = offset + span * noise
        else:
            changed = view.depth + span * self.height * (noise - self.threshold) / (1 - self.threshold)
        kept = rng.uniform(*self.kept)
        depth = np.where(region, changed, view.depth).astype(np.float32)
        return Altered(blend(view.image, texture, region, kept), depth, region, _rounded(kept=kept))


class TransFusion(OrganisedScheme):
    """TransFusion (Fucka et al. 2024), RGB-D: h = height (p+ + p-), p+ = (P - t)+ / max, p- = -(-P - t)+ / max; with
    beta_t = step / steps, z' <- z' + beta_t M h and I' = (1 - beta_t) I + beta_t A in M = (|P| > t).

    h is signed and starts at 0 at the edge of M, so hills and hollows have no cliff. The depth scale runs from 0.9 of
    the smallest to 1.1 of the largest depth of the part; published: of the data set."""

    name: ClassVar[str] = "transfusion"
    threshold: float = Field(0.5, description="t, the noise from which a pixel belongs to the region. [C]", gt=0, lt=1)
    height: float = Field(0.1, description="Largest h, share of the depth scale. [C]", gt=0, le=1)
    steps: int = Field(20, description="Steps from the good to the altered scan; one is drawn. [C]", ge=1)

    def alter(self, view: View, rng: np.random.Generator) -> Altered:
        noise, signs = drawn_signs(view.foreground, (self.threshold, self.threshold), self.max_power, rng)
        region = signs != 0
        step = int(rng.integers(1, self.steps + 1))
        share = step / self.steps
        inside = view.depth[view.foreground]
        span = 1.1 * float(inside.max()) - 0.9 * float(inside.min())
        height = self.height * span * share * signed_relief(noise, self.threshold) * region
        texture = self.texture()(view.image, rng)
        depth = (view.depth + height).astype(np.float32)
        return Altered(
            blend(view.image, texture, region, 1 - share), depth, region, _rounded(step=step, steps=self.steps)
        )


class Dsr(OrganisedScheme):
    """3DSR (Zavrtanik et al. 2024): its random relief D = beta P' + beta2 (1 - beta), P' = P stretched to [0, 1],
    inside its mask M = (|P| > t), t uniform in `threshold`.

    3DSR makes anomalies among the codes of an autoencoder and uses D only to pre-train that; depth of its own it does
    not draw. Putting D into M is therefore ours: z' <- z' + M height (2 D - 1), and the image takes a texture as in
    DRAEM."""

    name: ClassVar[str] = "3dsr"
    threshold: Range = Field((0.4, 0.8), description="t, drawn anew until the region is not empty. [C]")
    kept: Range = Field((0.0, 0.8), description="beta of the image. [P]")
    height: float = Field(0.1, description="Depth for D = 1, share of the depth scale. [P]", gt=0, le=1)

    def alter(self, view: View, rng: np.random.Generator) -> Altered:
        region = drawn_signs(view.foreground, self.threshold, self.max_power, rng)[1] != 0
        height = self.height * view.scale()[1] * (2 * random_relief(view.depth.shape, rng, self.max_power) - 1)
        texture = self.texture()(view.image, rng)
        kept = rng.uniform(*self.kept)
        depth = np.where(region, view.depth + height, view.depth).astype(np.float32)
        return Altered(blend(view.image, texture, region, kept), depth, region, _rounded(kept=kept))


def random_relief(shape: tuple[int, int], rng: np.random.Generator, max_power: int = 5) -> np.ndarray:
    """3DSR's depth for pre-training: D = beta P' + beta2 (1 - beta), beta and beta2 uniform in [0, 1], P' = noise
    stretched to [0, 1]; float32 (H, W) in [0, 1], each draw over a part of that range of its own. [C]"""
    noise = turned_noise(shape, rng, max_power)
    stretched = (noise - noise.min()) / np.ptp(noise)
    beta, level = rng.random(2)
    return np.clip(beta * stretched + level * (1 - beta), 0, 1).astype(np.float32)


def signed_relief(noise: np.ndarray, threshold: float) -> np.ndarray:
    """TransFusion's p+ + p-: how far noise (H, W) is beyond +-threshold, each sign stretched to 1; in [-1, 1]."""
    hills, hollows = np.clip(noise - threshold, 0, None), np.clip(-noise - threshold, 0, None)
    return hills / (hills.max() or 1) - hollows / (hollows.max() or 1)


def one_sided(view: View, threshold: float, max_power: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Noise float32 and the region bool of the part where it exceeds the threshold, both (H, W)."""
    noise, signs = drawn_signs(view.foreground, (threshold, threshold), max_power, rng, hills_alone)
    return noise, signs > 0


def _rounded(**numbers: Any) -> dict[str, Any]:
    return {name: round(value, 6) for name, value in numbers.items()}
