"""Material families: `MATERIALS[name](shape, rng)` gives a defect-free Surface. Statistics follow how each is made."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from synth.sources.procedural.materials import grown, metal, mineral, polymer, printed, woven
from synth.sources.procedural.materials.tone import COLOURS, coloured
from synth.sources.procedural.noise import Shape
from synth.sources.procedural.shade import Surface

__all__ = ["COLOURS", "MATERIALS", "METALS", "WOVEN", "coloured"]

METALS: dict[str, Callable[[Shape, np.random.Generator], Surface]] = {
    "brushed metal": metal.brushed,
    "ground metal": metal.ground,
    "turned metal": metal.turned,
    "cast metal": metal.cast,
    "galvanised metal": metal.galvanised,
    "painted metal": metal.painted,
    "wire mesh": metal.mesh,
    "perforated sheet": printed.perforated,
}

WOVEN: dict[str, Callable[[Shape, np.random.Generator], Surface]] = {
    "fabric": woven.fabric,
    "knit": woven.knit,
    "carpet": woven.carpet,
}

MATERIALS: dict[str, Callable[[Shape, np.random.Generator], Surface]] = {
    **METALS,
    **WOVEN,
    "leather": woven.leather,
    "plastic": polymer.plastic,
    "moulded plastic": polymer.moulded,
    "rubber": polymer.rubber,
    "foam": polymer.foam,
    "wood": grown.wood,
    "cardboard": grown.cardboard,
    "ceramic": mineral.ceramic,
    "glass": mineral.glass,
    "concrete": mineral.concrete,
    "stone": mineral.stone,
    "printed sheet": printed.printed,
    "circuit board": printed.circuit,
}
