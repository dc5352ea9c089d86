"""flawsmith's measuring side: what a dataset is worth."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

_ROOMS = ("calibration", "detectors", "features", "metrics", "quality", "segmenters")


def __getattr__(name: str) -> ModuleType:
    # `import eval` alone is enough for eval.metrics.auroc, and pays for no room that is not used.
    if name not in _ROOMS:
        raise AttributeError(f"module 'eval' has no attribute {name!r}")
    return import_module(f"eval.{name}")
