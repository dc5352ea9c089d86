"""Defects drawn on good scans while a network trains, one modality's withheld at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np

from synth.dual.attempts import first_success
from synth.dual.presets import create as preset
from synth.dual.synthesizer import DualSynthesizer
from synth.sample import Sample

Defects = Literal["das3d_like", "physical"]
PHYSICAL = ("bulge", "dent", "pits", "hole", "crack", "scratch", "deposit", "stain", "wear")
"""Our own types that fit anywhere on a part; those that want an edge or bend all of it are left out."""
Dropout = tuple[float, float, float]
"""Weights of: a defect in both modalities, in the image alone, in the depth alone."""
_ATTEMPTS = 8


class DefectSource:
    """Draws defects on good samples. types: of `physical` defects, drawn with equal chances."""

    def __init__(self, defects: Defects, types: Sequence[str], dropout: Dropout) -> None:
        # What the preset withholds itself is withheld here, for either kind alike.
        published = defects == "das3d_like"
        self._made: list[DualSynthesizer] = [preset("das3d_like", dropout=(1, 0, 0))] if published else []
        self._made = self._made or [DualSynthesizer(name) for name in types]
        for other in self._made[1:]:
            other.share(self._made[0])
        self._dropout = dropout

    def draw(self, good: Sequence[Sample], rng: np.random.Generator) -> tuple[int, Sample]:
        """The number of the good sample that was drawn on, and the result: image, xyz and the mask of what is left to
        be seen. Another sample and type are tried where there is no room. GeneratorError where none has any."""
        attempt = partial(self._attempt, good, int(rng.integers(2**62)))
        return first_success(_ATTEMPTS, attempt, "the good samples take no drawn defect")

    def _attempt(self, good: Sequence[Sample], seed: int, number: int) -> tuple[int, Sample]:
        rng = np.random.default_rng([seed, number])
        which, kind, own = (int(rng.integers(most)) for most in (len(good), len(self._made), 2**62))
        drawn = self._made[kind].draw(good[which], own)
        weights = np.array(self._dropout) / sum(self._dropout)
        return which, withheld(drawn, good[which], ("both", "image", "depth")[rng.choice(3, p=weights)])


def withheld(drawn: Sample, good: Sample, shown: str) -> Sample:
    """The drawn sample with its defect in both modalities, or in the image or the depth alone, and the mask of that,
    outside which nothing differs; as it was where nothing would be left."""
    assert drawn.provenance is not None
    assert drawn.provenance.masks is not None
    masks = drawn.provenance.masks
    mask = {"both": None, "image": masks.image, "depth": masks.geometry}[shown]
    if mask is None or not mask.any():
        return drawn
    assert drawn.image is not None
    assert drawn.xyz is not None
    assert good.image is not None
    assert good.xyz is not None
    within = mask[..., None]
    if shown == "image":
        return replace(drawn, image=np.where(within, drawn.image, good.image), xyz=good.xyz, mask=mask)
    return replace(drawn, image=good.image, xyz=np.where(within, drawn.xyz, good.xyz), mask=mask)
