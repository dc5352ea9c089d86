"""flawsmith: few real defects in, a trustworthy labelled defect dataset out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.7.0"

_PUBLIC = {
    "Sample": "synth.sample",
    "load_recipe": "synth.recipe",
    "run": "synth.pipeline.runs",
    "read": "synth.sources",
}
__all__ = ["Sample", "load_recipe", "read", "run"]

if TYPE_CHECKING:
    from synth.pipeline.runs import run
    from synth.recipe import load_recipe
    from synth.sample import Sample
    from synth.sources import read


def __getattr__(name: str) -> Any:
    if name == "dual":
        return import_module("synth.dual")
    # Looked up on first use, so that `flawsmith --help` never pays for torch.
    if name not in _PUBLIC:
        raise AttributeError(f"module 'synth' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
