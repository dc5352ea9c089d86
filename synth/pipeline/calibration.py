"""How fast this machine is, kept in the user's cache: `flawsmith doctor --speed` measures it, dry runs read it.

<cache>/machine.json    sealed: when it was measured, on what machine and versions, speeds and peak memory
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from synth.io.atomic import make_folder
from synth.io.memory import peak_mb
from synth.io.sealed import read_sealed, write_sealed
from synth.pipeline.environment import describe

if TYPE_CHECKING:
    from synth.seas.speed import Speed

CACHE = "FLAWSMITH_CACHE"


@dataclass(frozen=True)
class Calibration:
    """measured: the day, as 2026-11-28; memory_mb: the most that measuring took, None where the system does not say."""

    measured: str
    speed: Speed
    memory_mb: float | None

    def line(self) -> str:
        """For people."""
        memory = "" if self.memory_mb is None else f", {self.memory_mb / 1e3:.1f} GB of memory"
        return f"{self.speed.line()}{memory}; measured on {self.measured}, for --dry-run"


def cache_folder() -> Path:
    """Where this user's caches are on this system, or what the environment variable FLAWSMITH_CACHE names."""
    if named := os.environ.get(CACHE):
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "flawsmith"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "flawsmith"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flawsmith"


def calibrate() -> Calibration:
    """Measure and keep it. OSError where the cache cannot be written."""
    from synth.pipeline.preparation import prepare, silent
    from synth.recipe import Recipe
    from synth.seas.speed import SIDE, measure

    rendered = {"good_images": 4, "shots_per_defect": 4, "test_per_defect": 0, "test_good_images": 0, "size": SIDE}
    source = {"kind": "procedural", "products": ["flange"], **rendered}
    small = Recipe.model_validate({"source": source, "request": {"defects": ["dent"]}})
    split = prepare(small, silent).split
    with TemporaryDirectory() as place:
        return keep(measure(split.shots, split.good_images, Path(place)))


def keep(speed: Speed) -> Calibration:
    """Write what this process has just measured to the cache. OSError where it cannot be written."""
    found = Calibration(date.today().isoformat(), speed, peak_mb())
    make_folder(cache_folder())
    kept = {"measured": found.measured, "speed": speed.to_json(), "memory_mb": found.memory_mb}
    write_sealed(_file(), {"machine": _machine(), **kept})
    return found


def calibration() -> Calibration | None:
    """What was measured on this machine with these versions; None where nothing was, or the file is damaged."""
    try:
        found = read_sealed(_file())
        if found["machine"] != _machine():
            return None
        from synth.seas.speed import Speed

        return Calibration(found["measured"], Speed.from_json(found["speed"]), found["memory_mb"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _file() -> Path:
    return cache_folder() / "machine.json"


def _machine() -> dict[str, str]:
    return {name: value for name, value in describe().items() if name != "python"}
