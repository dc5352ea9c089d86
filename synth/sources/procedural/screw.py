"""A turned steel hexagon screw that lies on a light table, anywhere in the frame and at any angle.

The part's own axis runs from the head's end (0) to the tip's end; head, neck, thread and tip follow one another on it.
"""

from __future__ import annotations

import numpy as np

from synth.sources.procedural.noise import band_field, grid, profile, soft_step
from synth.sources.procedural.part import Part, View

HEAD, NECK, THREAD, TIP = 1, 2, 3, 4
ENDS = {HEAD: 5.4e-3, NECK: 9.8e-3, THREAD: 26.2e-3, TIP: 30e-3}  # where each feature ends on the axis
FLAT = 5.6e-3  # from the head's axis to its flats; the part rests on one of them and on the thread's end
CORNER = FLAT * 2 / np.sqrt(3)
SHANK, CREST, ROOT, END = 3.4e-3, 3.8e-3, 3.0e-3, 1.0e-3  # radii; END is that of the tip's flat end
LEAD = 1.3e-3  # of the thread: one turn
MARGIN = 2e-3  # between the part and the frame's border at least


def build(view: View, rng: np.random.Generator) -> Part:
    """One good screw: its place, its angle and the turn of its thread are free, its tone and tool marks its own."""
    along, across = _posed(view, rng)
    head, head_top = _head(along, across)
    shaft, shaft_top, tooth = _shaft(along, across, turn=rng.uniform())
    inside = np.maximum(head, shaft)
    cover = np.clip(inside / view.pitch + 0.5, 0, 1)
    milled = np.clip(head / view.pitch + 0.5, 0, 1)
    top = shaft_top + (head_top - shaft_top) * milled
    height = axis_height(along) + top
    marks = _tool_marks(along, rng)
    grain = band_field(view.shape, rng, 0.7)
    slow = band_field(view.shape, rng, 14e-3 / view.pitch)
    metal = 0.17 * np.exp(0.08 * marks + 0.03 * grain + rng.normal(0, 0.05)) * (1 - 0.45 * (1 - tooth))
    table = 0.50 * np.exp(0.03 * grain + 0.02 * slow)
    steel, paper = np.array([0.98, 1.0, 1.03]), np.array([1.0, 0.99, 0.965])
    albedo = metal[..., None] * steel * cover[..., None] + table[..., None] * paper * (1 - cover[..., None])
    return Part(
        height=(height * cover + 8e-6 * grain * (1 - cover)).astype(np.float32),
        albedo=albedo.astype(np.float32),
        gloss=(0.02 + 0.31 * cover).astype(np.float32),
        roughness=(0.7 + ((0.31 - 0.10 * milled) * np.exp(0.06 * marks) - 0.7) * cover).astype(np.float32),
        inside=inside.astype(np.float32),
        pitch=view.pitch,
        axial=along.astype(np.float32),
    )


def feature_map(part: Part) -> np.ndarray:
    """Which feature each pixel of a good screw shows, uint8 (H, W): 0 table, 1 head, 2 neck, 3 thread, 4 tip."""
    assert part.axial is not None
    feature = np.digitize(part.axial, list(ENDS.values())[:-1]) + HEAD
    return np.where(part.inside > 0, feature, 0).astype(np.uint8)


def axis_height(along: np.ndarray) -> np.ndarray:
    """Metres over the table of the axis at positions along it: the part leans on its head and on its thread's end."""
    lean = (along - ENDS[HEAD]) / (ENDS[THREAD] - ENDS[HEAD])
    return FLAT + (CREST - FLAT) * np.clip(lean, -0.5, 1.2)


def crosswise(part: Part) -> tuple[np.ndarray, np.ndarray]:
    """Signed distance from the screw's axis, metres float32 (H, W), and the unit direction (x, y) in which it grows."""
    assert part.axial is not None
    rows, columns = part.height.shape
    axis = np.array([part.axial[0, -1] - part.axial[0, 0], part.axial[-1, 0] - part.axial[0, 0]], dtype=float)
    axis /= part.pitch * np.array([columns - 1, rows - 1])
    side = np.array([-axis[1], axis[0]]) / np.hypot(*axis)
    y, x = grid((rows, columns))
    away = (side[0] * x + side[1] * y) * part.pitch
    return (away - away[part.inside > 0].mean()).astype(np.float32), side


def _posed(view: View, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Position along and across the axis, metres (H, W) each, of a part at an angle and a place of its own."""
    angle = rng.uniform(0, 2 * np.pi)
    axis = np.array([np.cos(angle), np.sin(angle)])
    half = 0.5 * ENDS[TIP]
    outline = np.array([(-half, CORNER), (ENDS[HEAD] - half, CORNER), (ENDS[THREAD] - half, CREST), (half, END)])
    outline = np.concatenate([outline, outline * [1, -1]])
    reach = [outline @ [axis[0], -axis[1]], outline @ [axis[1], axis[0]]]  # in x and y from the part's middle
    room = 0.5 * view.pitch * np.array([view.shape[1], view.shape[0]]) - MARGIN
    low, high = (np.array([edge(r) for r in reach]) for edge in (np.min, np.max))
    move = rng.uniform(np.minimum(-room - low, 0), np.maximum(room - high, 0))
    x, y = view.plane()
    x, y = x - np.float32(move[0]), y - np.float32(move[1])
    return axis[0] * x + axis[1] * y + half, axis[0] * y - axis[1] * x


def _head(along: np.ndarray, across: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Signed distance to the head's outline and its top over the axis: a hexagonal bar that a cone has chamfered."""
    away = np.abs(across)
    cone = 0.94 * FLAT + 1.6 * along
    side = np.minimum(CORNER - away, (cone - away) / np.hypot(1, 1.6))
    inside = np.minimum(np.minimum(along, ENDS[HEAD] - along), side)
    hexagon = np.minimum(FLAT, np.sqrt(3) * (CORNER - away))
    return inside, np.clip(np.minimum(hexagon, np.sqrt(np.clip(cone**2 - across**2, 0, None))), 0, None)


def _shaft(along: np.ndarray, across: np.ndarray, turn: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Signed distance to the shaft's outline, its top over the axis, and how near it is to a thread's crest, 0..1.

    turn: of the part about its axis, in rounds, which moves the thread along it."""
    around = np.arcsin(np.clip(across / CREST, -1, 1)) / (2 * np.pi)
    turns = (along - ENDS[NECK]) / LEAD + around + turn
    ridge = np.clip(0.5 + 1.3 * (2 * np.abs(2 * (turns % 1) - 1) - 1) / 2, 0, 1)
    cut = soft_step(ENDS[NECK] - along, LEAD)
    radius = SHANK + (ROOT + (CREST - ROOT) * ridge - SHANK) * cut
    taper = (CREST - END) / (ENDS[TIP] - ENDS[THREAD])
    cone = END + taper * (ENDS[TIP] - along)
    flank = 1.3 * 2 * (CREST - ROOT) / LEAD * cut * ((ridge > 0) & (ridge < 1))
    slope = np.where(cone < radius, taper, flank)
    radius = np.minimum(radius, cone)
    inside = np.minimum(np.minimum(along, ENDS[TIP] - along), (radius - np.abs(across)) / np.hypot(1, slope))
    tooth = 1 - cut * (1 - ridge) * (cone > radius)
    return inside, np.sqrt(np.clip(radius**2 - across**2, 0, None)) * (radius > 0), tooth


def _tool_marks(along: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A lathe's feed marks, unit deviation (H, W): rings about the axis."""
    places = np.arange(0, ENDS[TIP], 0.12e-3)
    return np.interp(along, places, profile(rng, places.size, 1.2)).astype(np.float32)
