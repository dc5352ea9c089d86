"""What schemes for image and depth share: what they see, what they give, and true labels of it.

A scheme's `alter` returns image and depth as its formulas have them. `settle` then keeps a change only where it can be
seen, and labels exactly that: so a mask has recall and precision 1, whatever noise, texture or opacity did.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from synth.dual.attempts import ATTEMPTS, first_success
from synth.dual.canvas import Canvas, Edit, finished_scan
from synth.dual.presets.texture import Texture, folder_texture, own_pieces
from synth.dual.scan_edits import LEAST_AREA
from synth.dual.scene import Scene
from synth.dual.seeds import attempt_stream
from synth.errors import GeneratorError
from synth.generators import texture_files
from synth.sample import Instance, Sample

LEAST_DEPTH = 5e-5
"""Metres of depth change that count at least, also where depth has no noise. [P]"""
LEAST_TONE = 8
"""Grey levels by which a channel has to change to count. [P]"""
HEADROOM = 0.1
"""Share of the normalised depth scale left free at either end (3DSR). [C]"""
FLAT = 0.01
"""Least span of the depth scale over the depth itself: a flat part has no range of its own. [P]"""

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class View:
    """A good scan as schemes see it: image float32 (H, W, 3) in [0, 1]; depth float32 (H, W) metres, 0 = no return;
    foreground bool (H, W), only pixels with a return; `sigma` metres of depth noise; `pixel` metres across a pixel."""

    image: np.ndarray
    depth: np.ndarray
    foreground: np.ndarray
    sigma: float = 0.0
    pixel: float = 1e-3

    @classmethod
    def of(cls, scene: Scene) -> View:
        """The view of a prepared scene."""
        depth = scene.xyz[..., 2]
        pixel = float(np.median(depth[scene.foreground])) / scene.camera.focal[1]
        return cls(scene.image.astype(np.float32) / 255, depth, scene.foreground & scene.valid, scene.sigma, pixel)

    def scale(self) -> tuple[float, float]:
        """Depth z' on the scale of 3DSR is offset + z' * span: the part fills [HEADROOM, 1 - HEADROOM], so that bumps
        and dents stay within [0, 1]. Returns (offset, span) in metres."""
        low, high = self.depth[self.foreground].min(), self.depth[self.foreground].max()
        span = max(float(high - low), FLAT * float(high)) / (1 - 2 * HEADROOM)
        return 0.5 * float(low + high) - 0.5 * span, span


@dataclass(frozen=True, slots=True)
class Altered:
    """What a scheme made of a view: image float32 (H, W, 3), depth float32 (H, W) metres, `region` bool (H, W) in which
    the scheme worked (the label of its paper), and `parameters` of plain types for the record."""

    image: np.ndarray
    depth: np.ndarray
    region: np.ndarray
    parameters: dict[str, Any] = field(default_factory=dict)


class OrganisedScheme(BaseModel):
    """A scheme for an image with depth. Its numbers are its fields; `alter` is its formula."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: ClassVar[str]

    textures: Path | None = Field(
        None, description="Folder of texture images, DTD in the papers; none = the image itself, cut and shuffled."
    )
    max_power: int = Field(5, description="Noise cells along an axis: 1 to 2 to this power. [C]", ge=0, le=5)

    @field_validator("*")
    @classmethod
    def _ranges_rise(cls, value: Any) -> Any:
        if isinstance(value, tuple) and len(value) == 2 and not value[0] <= value[1]:
            raise ValueError(f"{value[0]} to {value[1]} is no range: give the smaller value first")
        return value

    @model_validator(mode="after")
    def _textures_are_there(self) -> OrganisedScheme:
        if self.textures is not None:
            texture_files(self.textures)
        return self

    @abstractmethod
    def alter(self, view: View, rng: np.random.Generator) -> Altered:
        """One anomaly. GeneratorError where the view has no room for one."""

    def texture(self) -> Texture:
        """What is blended into images."""
        return own_pieces if self.textures is None else partial(folder_texture, self.textures)


def blend(image: np.ndarray, texture: np.ndarray, region: np.ndarray, kept: float) -> np.ndarray:
    """DRAEM: I (1 - M) + M ((1 - beta) A + beta I), `kept` beta = the share of the original; (H, W[, 3])."""
    where = region[..., None] if image.ndim == 3 else region
    return np.where(where, (1 - kept) * texture + kept * image, image).astype(np.float32)


def with_depth(xyz: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """The organised cloud (H, W, 3) with another depth (H, W), every pixel on its own ray: x' = x z' / z. Bit for bit
    as before where depth is; (0, 0, 0) stays."""
    before = xyz[..., 2]
    changed = (depth != before) & (before > 0)
    ratio = np.divide(depth, before, out=np.ones_like(before), where=changed)
    return np.where(changed[..., None], xyz * ratio[..., None], xyz)


@dataclass(frozen=True, slots=True)
class Settled:
    """A labelled pair: image uint8 (H, W, 3), depth float32 (H, W), masks bool (H, W) of what changed in either."""

    image: np.ndarray
    depth: np.ndarray
    geo: np.ndarray
    rgb: np.ndarray


def settle(image: np.ndarray, view: View, altered: Altered) -> Settled:
    """Labels: depth changed by more than twice its noise and LEAST_DEPTH; a channel by more than LEAST_TONE. What
    changed less is put back, so `image` uint8 and depth differ from the good ones exactly where labelled."""
    geo = (np.abs(altered.depth - view.depth) > max(2 * view.sigma, LEAST_DEPTH)) & (view.depth > 0)
    made = np.rint(255 * np.clip(altered.image, 0, 1)).astype(np.uint8)
    rgb = np.abs(made.astype(np.int16) - image).max(-1) > LEAST_TONE
    return Settled(
        np.where(rgb[..., None], made, image), np.where(geo, altered.depth, view.depth).astype(np.float32), geo, rgb
    )


def draw_on_scene(scheme: OrganisedScheme, scene: Scene, sample: Sample, seed: int) -> Sample:
    """The defective version of a good sample; GeneratorError, with the last reason, where no attempt succeeds."""
    attempt = partial(_with_anomaly, Canvas.of(scene), scheme, View.of(scene), seed)
    return finished_scan(first_success(ATTEMPTS, attempt, f"{scene.id}: no {scheme.name}"), sample, seed)


def _with_anomaly(canvas: Canvas, scheme: OrganisedScheme, view: View, seed: int, attempt: int) -> Canvas:
    altered = scheme.alter(view, attempt_stream(seed, attempt))
    settled = settle(canvas.scene.image, view, altered)
    edit = _edit(canvas.scene, view, settled)
    area = int(edit.mask.sum())
    if area < LEAST_AREA:
        raise GeneratorError(f"its mask has {area} px")
    parameters = {
        "visible_in": edit.visible_in,
        "area_px": area,
        "region_px": int(altered.region.sum()),
        "attempt": attempt,
        **altered.parameters,
    }
    return canvas.with_edit(edit, Instance(scheme.name, parameters))


def _edit(scene: Scene, view: View, settled: Settled) -> Edit:
    change = np.abs(settled.depth - view.depth)
    core = settled.geo & (change >= 0.5 * change.max()) if settled.geo.any() else settled.rgb
    xyz = with_depth(scene.xyz, settled.depth)
    return Edit((slice(None), slice(None)), xyz, settled.image, settled.geo, settled.rgb, core)
