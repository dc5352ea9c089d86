"""The dual-modality synthesizer: one defect in the image, the depth and the point cloud at once."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_PUBLIC = {"TYPES": "types", "DefectSpec": "spec", "DualSynthesizer": "synthesizer"}
__all__ = ["TYPES", "DefectSpec", "DualSynthesizer"]

if TYPE_CHECKING:
    from synth.dual.spec import DefectSpec
    from synth.dual.synthesizer import DualSynthesizer
    from synth.dual.types import TYPES


def __getattr__(name: str) -> Any:
    # Looked up on first use: a recipe needs the specs alone, not scipy.
    if name not in _PUBLIC:
        raise AttributeError(f"module 'synth.dual' has no attribute {name!r}")
    return getattr(import_module(f"synth.dual.{_PUBLIC[name]}"), name)
