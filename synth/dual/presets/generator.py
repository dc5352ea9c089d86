"""`PresetGenerator`: published schemes as one of the generators that a recipe names."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from synth.dual.generator import DrawnOnGoodImages
from synth.dual.presets.config import DualPresetConfig
from synth.dual.presets.registry import PresetSynthesizer, create
from synth.generators import check_textures
from synth.sample import Sample


class PresetGenerator(DrawnOnGoodImages):
    """The generator of kind "dual_preset": one scheme for each name that is asked for."""

    def __init__(self, config: DualPresetConfig, folder: Path, seed: int) -> None:
        self._presets: dict[str, PresetSynthesizer] = {name: create(name, **config.of(name)) for name in config.schemes}
        super().__init__("dual_preset", self._presets)
        self._textures = config.textures

    def check(self, shots: Sequence[Sample], good_images: Sequence[Sample], names: Collection[str]) -> None:
        """GeneratorError for a good sample that a scheme does not work on, and for a texture that cannot be read."""
        for preset in self._presets.values():
            for good in good_images:
                preset.check_fits(good)
        if names:
            check_textures(self._textures)
        super().check(shots, good_images, names)
