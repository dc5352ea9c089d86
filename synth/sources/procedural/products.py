"""The products of the embedded line and the defects each of them can have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from synth.sources.procedural import added, cap, cloth, flange, removed, reshaped, screw, screw_defects, tile
from synth.sources.procedural.part import Part, View
from synth.sources.procedural.placing import Defect
from synth.sources.procedural.render import Rig


@dataclass(frozen=True, slots=True)
class Product:
    """One inspected thing: `build(view, rng)` makes a good part, `defects` spoil one, `frame` metres fill the image's
    short side, `rig` lights the station. `features(part)` labels a good part's features, uint8 (H, W), 0 = the
    background; None for a product without such."""

    build: Callable[[View, np.random.Generator], Part]
    defects: Mapping[str, Defect]
    frame: float
    rig: Rig
    features: Callable[[Part], np.ndarray] | None = None


PRODUCTS: dict[str, Product] = {
    "flange": Product(
        build=flange.build,
        defects={
            "scratch": partial(removed.scratch, tone=1.7),
            "chip": partial(removed.edge_chip, bare=(0.20, 0.195, 0.19)),
            "dent": reshaped.dent,
            "rust": reshaped.rust,
            "burr": added.burr,
        },
        frame=76e-3,
        rig=Rig(azimuth=-2.2, elevation=0.95, ambient=0.45, exposure=0.95),
    ),
    "cap": Product(
        build=cap.build,
        defects={
            "crack": removed.crack,
            "chip": partial(removed.edge_chip, bare=(0.15, 0.22, 0.31)),
            "sink": reshaped.sink,
            "burn": reshaped.burn,
            "flash": added.flash,
        },
        frame=70e-3,
        rig=Rig(azimuth=-2.2, elevation=0.9, ambient=0.5, exposure=1.4),
    ),
    "cloth": Product(
        build=cloth.build,
        defects={
            "hole": removed.cloth_hole,
            "missing_yarn": removed.missing_yarn,
            "thread": partial(added.fibre, colour=(0.45, 0.07, 0.06)),
            "stain": partial(reshaped.stain, tint=(0.42, 0.33, 0.22)),
        },
        frame=42e-3,
        rig=Rig(azimuth=-2.3, elevation=0.8, ambient=0.5, exposure=1.1),
    ),
    "tile": Product(
        build=tile.build,
        defects={
            "crack": removed.crack,
            "chip": partial(removed.glaze_chip, bare=(0.42, 0.26, 0.165)),
            "pits": removed.pits,
            "stain": partial(reshaped.stain, tint=(0.72, 0.58, 0.38), gloss=0.9),
            "drop": added.drop,
        },
        frame=60e-3,
        rig=Rig(azimuth=-0.9, elevation=0.95, ambient=0.5, exposure=0.9),
    ),
    "screw": Product(
        build=screw.build,
        defects={
            "scratch_head": partial(screw_defects.scratch, feature=screw.HEAD),
            "scratch_neck": partial(screw_defects.scratch, feature=screw.NECK),
            "thread_dent": screw_defects.thread_dent,
            "bent_tip": screw_defects.bent_tip,
        },
        frame=50e-3,
        rig=Rig(azimuth=-2.2, elevation=1.1, ambient=0.65, exposure=1.25),
        features=screw.feature_map,
    ),
}
