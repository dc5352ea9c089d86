"""Mark families: `MARKS[name](surface, centre, size, rng)` gives the marked Surface and the exact mask.

A mark's look follows from its cause: material removed, added, deformed or discoloured; one module each. centre is
(row, column), size the extent, both in px. The mask is True where height, albedo or gloss were changed by the mark
beyond half of its strength: exact, not measured from pixels.
"""

from __future__ import annotations

from synth.sources.procedural.marks import added, deformed, discoloured, removed
from synth.sources.procedural.marks.change import Mark

__all__ = ["MARKS", "Mark"]

MARKS: dict[str, Mark] = {
    "scratch": removed.scratch,
    "gouge": removed.gouge,
    "cut": removed.cut,
    "crack": removed.crack,
    "hairline crack": removed.hairline,
    "pit": removed.pit,
    "pores": removed.pores,
    "blowhole": removed.blowhole,
    "hole": removed.hole,
    "chip": removed.chip,
    "break": removed.broken,
    "scuff": removed.scuff,
    "wear": removed.wear,
    "thread": added.thread,
    "fray": added.fray,
    "smear": added.smear,
    "droplet": added.droplet,
    "drip": added.drip,
    "specks": added.specks,
    "spatter": added.spatter,
    "glue": added.glue,
    "dent": deformed.dent,
    "bump": deformed.bump,
    "crease": deformed.crease,
    "wrinkle": deformed.wrinkle,
    "peel": deformed.peel,
    "stain": discoloured.stain,
    "rust": discoloured.rust,
    "burn": discoloured.burn,
    "uneven": discoloured.uneven,
    "fading": discoloured.fading,
    "misprint": discoloured.misprint,
    "mould": discoloured.mould,
}
