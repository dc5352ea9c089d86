"""Decisions that were made on a page without a server, and saved as a file.

{"flawsmith": "decisions", "run": KEY, "marks": {ID: "accepted" | "rejected" | "dropped" | null},
 "masks": {ID: base64 of a PNG | null}}
"""

from __future__ import annotations

import base64
from pathlib import Path

from synth.errors import RecipeError
from synth.io.json_text import JsonTextError, load_json
from synth.pipeline.decisions import MARKS
from synth.review.desk import Handed
from synth.review.masks import MOST_BYTES

LARGEST = 512 * 2**20
"""Bytes of a file of decisions."""


def read_handed(path: Path, key: str) -> Handed:
    """The decisions of a file for the run with this key. RecipeError where it is no such file, or another run's."""
    try:
        if path.stat().st_size > LARGEST:
            raise RecipeError(f"{path} is too large for a file of decisions; wanted at most {LARGEST // 2**20} MiB")
        entry = load_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, JsonTextError) as problem:
        raise RecipeError(f"{path} cannot be read as decisions: {problem}") from problem
    if not isinstance(entry, dict) or entry.get("flawsmith") != "decisions":
        raise RecipeError(f'{path} holds no decisions; save them on a gallery page with "save decisions"')
    if entry.get("run") != key:
        raise RecipeError(f"{path} has the decisions of another run; name the run whose page they were saved on")
    marks, masks = entry.get("marks", {}), entry.get("masks", {})
    if not isinstance(marks, dict) or not isinstance(masks, dict):
        raise RecipeError(f"{path}: marks and masks are wanted as values by sample id")
    for one, mark in marks.items():
        if mark is not None and mark not in MARKS:
            raise RecipeError(f"{path}: {one}: {mark!r} is no decision; there are: {', '.join(MARKS)}")
    return Handed(marks, {one: _png(path, one, text) for one, text in masks.items()})


def _png(path: Path, one: str, text: object) -> bytes | None:
    if text is None:
        return None
    try:
        if not isinstance(text, str) or len(text) > 2 * MOST_BYTES:
            raise ValueError("wanted a text")
        return base64.b64decode(text, validate=True)
    except ValueError as problem:
        raise RecipeError(f"{path}: the mask of {one} is no base64 ({problem})") from problem
