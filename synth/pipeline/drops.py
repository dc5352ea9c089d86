"""Samples that a person left out of a run's dataset: dropped.json lists their ids, and is absent where there are none.

What is drawn and journaled does not depend on it, so the same recipe and the same drops end with the same files: a
dropped sample still counts towards its quota, and a larger request.per_defect draws others. Its files stay in samples/,
or may be deleted; it is neither in the manifest nor in `data/`, exports or evaluation.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from synth.errors import RecipeError, RunError
from synth.io.atomic import remove
from synth.io.sealed import read_sealed, write_sealed
from synth.pipeline.folder import RunFolder
from synth.suggest import did_you_mean


@dataclass(frozen=True, slots=True)
class Curation:
    """What a run's dataset holds after samples were dropped or restored: their number, and the ids left out."""

    run: str
    kept: int
    dropped: tuple[str, ...]

    def lines(self) -> list[str]:
        """For people."""
        lines = [f"{self.run}: {self.kept} pairs of image and mask, {len(self.dropped)} dropped"]
        if self.dropped:
            lines.append("--restore takes them back; a larger request.per_defect draws others in their place")
        return lines

    def to_json(self) -> dict[str, Any]:
        return {"run": self.run, "kept": self.kept, "dropped": list(self.dropped)}


def read_dropped(folder: RunFolder) -> frozenset[str]:
    """The ids that were dropped. RunError where the list is damaged."""
    try:
        return frozenset(map(str, read_sealed(folder.dropped)))
    except FileNotFoundError:
        return frozenset()
    except (OSError, ValueError, TypeError) as problem:
        raise RunError(
            f"{folder.dropped} is damaged ({problem}); delete it and name the samples to leave out once more"
        ) from problem


def changed(before: Collection[str], ids: Collection[str], known: Collection[str], restore: bool) -> frozenset[str]:
    """The dropped ids after `ids`, all among the accepted ones `known`, are dropped or restored. RecipeError for ids
    that are not there to be."""
    choice = sorted(before if restore else known)
    for one in ids:
        if one not in choice:
            what = "was not dropped" if restore else "is no accepted sample of this run"
            raise RecipeError(f"{one} {what}; {did_you_mean(one, choice)}" if choice else f"{one} {what}")
    return frozenset(before).difference(ids) if restore else frozenset(before).union(ids)


def write_dropped(folder: RunFolder, ids: Collection[str]) -> None:
    """Keep the list; no file where it is empty."""
    if ids:
        write_sealed(folder.dropped, sorted(ids))
    else:
        remove(folder.dropped)
