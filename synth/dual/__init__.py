"""The dual-modality synthesizer: one defect in the image, the depth and the point cloud at once."""

from __future__ import annotations

from synth.dual.spec import DEFAULTS, DefectSpec
from synth.dual.synthesizer import DualSynthesizer

__all__ = ["DEFAULTS", "DefectSpec", "DualSynthesizer"]
