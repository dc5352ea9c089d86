"""Defect types by name. A new one is a file here that makes a `DefectType`, and a line below."""

from __future__ import annotations

from synth.dual.types.bend import BEND
from synth.dual.types.crack import CRACK
from synth.dual.types.cuts import CHIP, CUT
from synth.dual.types.deposit import DEPOSIT
from synth.dual.types.kind import DefectType
from synth.dual.types.pits import PITS
from synth.dual.types.scratch import SCRATCH
from synth.dual.types.spots import BULGE, DENT, HOLE, THROUGH_HOLE
from synth.dual.types.stain import STAIN
from synth.dual.types.wear import WEAR

__all__ = ["TYPES", "DefectType"]

TYPES: dict[str, DefectType] = {
    kind.name: kind
    for kind in (
        BULGE,
        DENT,
        PITS,
        HOLE,
        THROUGH_HOLE,
        CRACK,
        SCRATCH,
        CHIP,
        CUT,
        BEND,
        DEPOSIT,
        STAIN,
        WEAR,
    )
}
