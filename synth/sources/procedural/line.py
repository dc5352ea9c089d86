"""The embedded product line: rendered parts with an image, true geometry and an exact mask, all from a seed.

**Mask.** A defect acts on the part's maps before anything is rendered. A pixel is defect where these maps differ from
those of the good version (the same part without the defect): height by more than 20 um, sRGB-encoded albedo by more
than 0.03 in any channel, gloss by more than 0.05 or roughness by more than 0.1. So the mask is where the material or
its shape changed; shadows that a defect throws beyond it, and the lens' blur, are not part of it.

**Promise.** A mask covers at least 0.06 % and at most 25 % of the image, and inside it the image differs from that of
the good version by 9 grey levels or more in the mean; a draw that fails is drawn again, a little stronger.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from synth.errors import SourceError
from synth.sample import Sample
from synth.sources.procedural.part import Part, View
from synth.sources.procedural.products import PRODUCTS
from synth.sources.procedural.render import Shot, draw_shot, render
from synth.suggest import did_you_mean

HEIGHT_STEP, TONE_STEP, GLOSS_STEP, ROUGHNESS_STEP = 20e-6, 0.03, 0.05, 0.1
MIN_AREA, MAX_AREA = 0.0006, 0.25
MIN_CONTRAST = 9.0
ATTEMPTS = 24
SMALLEST = 48


def read_procedural(
    products: Sequence[str] = ("flange", "cap", "cloth"),
    good_images: int = 40,
    shots_per_defect: int = 8,
    test_per_defect: int = 8,
    test_good_images: int = 20,
    size: int | tuple[int, int] = 192,
    seed: int = 0,
) -> Iterator[Sample]:
    """Parts of each product in turn: train good images, train shots of every defect type, then the same for test.

    size: px, or (H, W). A sample depends on (seed, product, defect, split, its number) alone, so asking for more leaves
    the first ones as they were. Raises SourceError for an unknown product before the first sample."""
    known = [(name, _named(name, PRODUCTS, "product")) for name in products]
    shape = _shape(size)
    return _samples(
        known, {"train": (good_images, shots_per_defect), "test": (test_good_images, test_per_defect)}, shape, seed
    )


def make_part(product: str, defect: str | None, seed: int, size: int | tuple[int, int] = 192) -> Sample:
    """One part seen by the camera: image, xyz and mask (all False when defect is None) of the same pixels. `meta` says
    what the dual-modality synthesizer would otherwise measure: `camera` (fx, fy, cx, cy) px and `foreground` bool
    (H, W), where the good part is; `part`, the same region, None where it fills the image (see `synth.parts`);
    `distance` metres to the fixture; and for a product that has them `features` uint8 (H, W), the number of the good
    part's feature at each pixel.

    The same product and seed give the same part, exposure and sensor noise whatever the defect: the good version of a
    defective part is `make_part(product, None, seed, size)`."""
    entry = PRODUCTS[_named(product, PRODUCTS, "product")]
    view = View(_shape(size), entry.frame)
    good = entry.build(view, _stream(seed, product, "part"))
    shot = draw_shot(entry.rig, view, _stream(seed, product, "shot"))
    image, part = render(good, view, shot), good
    mask = np.zeros(view.shape, dtype=bool)
    if defect is not None:
        _named(defect, entry.defects, f"defect of {product}")
        part, image, mask = _spoil(product, defect, good, image, view, shot, seed)
    inside = good.inside > 0
    features = {} if entry.features is None else {"features": entry.features(good)}
    return Sample(
        id=f"{product}-{defect or 'good'}-{seed}",
        image=image,
        mask=mask,
        xyz=view.cloud(part.height),
        product=product,
        defect=defect,
        meta={
            "seed": seed,
            "camera": (view.focal, view.focal, *view.centre),
            "foreground": inside,
            "part": None if inside.all() else inside,
            "distance": view.distance,
            **features,
        },
    )


def changed(good: Part, part: Part) -> np.ndarray:
    """The exact mask, bool (H, W): where material or shape differs between a part and its good version (see top)."""
    encoded = np.abs(part.albedo ** (1 / 2.2) - good.albedo ** (1 / 2.2)).max(-1)
    return (
        (np.abs(part.height - good.height) > HEIGHT_STEP)
        | (encoded > TONE_STEP)
        | (np.abs(part.gloss - good.gloss) > GLOSS_STEP)
        | (np.abs(part.roughness - good.roughness) > ROUGHNESS_STEP)
    )


def contrast(image: np.ndarray, good_image: np.ndarray, mask: np.ndarray) -> float:
    """Mean difference of two uint8 images inside the mask, in grey levels (mean over channels)."""
    return float(np.abs(image[mask].astype(np.float32) - good_image[mask]).mean())


def _spoil(
    product: str, defect: str, good: Part, good_image: np.ndarray, view: View, shot: Shot, seed: int
) -> tuple[Part, np.ndarray, np.ndarray]:
    """The part with a defect, its image and mask; drawn again until the promise at the top of this file holds."""
    for attempt in range(ATTEMPTS):
        rng = _stream(seed, product, defect, attempt)
        part = PRODUCTS[product].defects[defect](good, rng, 1 + 0.08 * attempt)
        mask = changed(good, part)
        if not max(MIN_AREA * mask.size, 10) <= mask.sum() <= MAX_AREA * mask.size:
            continue
        image = render(part, view, shot)
        if contrast(image, good_image, mask) >= MIN_CONTRAST:
            return part, image, mask
    raise SourceError(f"{product} {defect} (seed {seed}): no visible draw in {ATTEMPTS}; choose a larger size")


def _samples(
    products: Sequence[tuple[str, str]], counts: Mapping[str, tuple[int, int]], shape: tuple[int, int], seed: int
) -> Iterator[Sample]:
    for _, product in products:
        for split, (good_images, defective) in counts.items():
            wanted: list[tuple[str | None, int]] = [(None, good_images)]
            wanted += [(defect, defective) for defect in PRODUCTS[product].defects]
            for defect, count in wanted:
                for index in range(count):
                    key = (product, defect or "good", split, index)
                    own = int(_stream(seed, *key).integers(2**62))
                    sample = make_part(product, defect, own, shape)
                    yield replace(sample, id=f"{product}-{defect or 'good'}-{split}-{index:04d}", split=split)


def _stream(*key: str | int) -> np.random.Generator:
    """A random stream of its own for every key, the same on every machine."""
    digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def _named(name: str, known: Mapping[str, object], kind: str) -> str:
    if name in known:
        return name
    raise SourceError(f"{kind} {name!r} is unknown; {did_you_mean(name, known)}")


def _shape(size: int | tuple[int, int]) -> tuple[int, int]:
    shape = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
    if min(shape) < SMALLEST:
        raise SourceError(f"size {size} is too small for a visible defect; choose at least {SMALLEST} px on each side")
    return shape
