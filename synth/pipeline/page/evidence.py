"""What `flawsmith eval` wrote beside a run, for its page: what was found, and links to it."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MEASURED = {
    "-verdict": ("verdict.md", "does it help?"),
    "-quick": ("verdict.md", "does it help? (a quick look)"),
    "-quality": ("quality.json", "quality"),
    "-segmenters": ("measured.json", "segmenters"),
    "-detectors": ("index.html", "detectors"),
    "-calibration": ("calibration.md", "calibration"),
}
"""By what a folder's name has after the run's: its file to read, and what it is about."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One measurement: what it is about, its address from the page, and its findings as lines."""

    about: str
    address: str
    lines: list[str]


def evidence(run: Path) -> list[Evidence]:
    """The measurements that lie in the run's folder or beside it, where `flawsmith eval` puts them."""
    run = run.resolve()
    found = []
    for suffix, (name, about) in MEASURED.items():
        for folder in (run.with_name(run.name + suffix), run / suffix[1:], run):
            if (folder / name).is_file():
                address = Path(os.path.relpath(folder / name, run / "report")).as_posix()
                found.append(Evidence(about, address, _gains(folder / "verdict.json")))
                break
    return found


def _gains(path: Path) -> list[str]:
    """What a verdict says of our samples beside the real shots alone, a line a segmenter; nothing where it cannot be
    read."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        gains: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["gains"]
        ours = [one for one in gains if (one["over"], one["what"]) == ("real", "all types")]
        return [_gain(one) for one in ours if "ours" in str(one["training_set"])]
    return []


def _gain(one: dict[str, Any]) -> str:
    between = one["interval"]
    within = "" if between is None else f" [{100 * between['low']:+.1f}, {100 * between['high']:+.1f}]"
    gain = f"{100 * one['value']:+.1f}{within} hundredths of IoU over the real shots alone"
    return f"{one['segmenter']}, {one['training_set']}: {gain}; {one['verdict']}"
