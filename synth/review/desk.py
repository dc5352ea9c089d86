"""The desk at which a run is reviewed: what may be decided and read, and where decisions go, one at a time.

It keeps other processes out of the run while it is open. Each decision is on the disk when its method returns
(`synth.pipeline.decisions`); the dataset is written anew by `finish`, or by whoever opens the run next.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synth.errors import RecipeError
from synth.generators import Progress
from synth.io.atomic import write_whole
from synth.io.png import png_bytes, read_png
from synth.io.thumbnails import outline
from synth.pipeline.decisions import (
    MARKS,
    NO_SAMPLE,
    Change,
    DecisionLog,
    Decisions,
    check_known,
    curated,
    read_decisions,
)
from synth.pipeline.finish import settle
from synth.pipeline.folder import RunFolder
from synth.pipeline.journal import Journal
from synth.pipeline.page.gallery import run_key, write_gallery
from synth.pipeline.real import read_real
from synth.pipeline.runs import Run
from synth.pipeline.stored import StoredFile, StoredSample
from synth.recipe import Recipe
from synth.review.masks import edit_of, read_mask

PAGE = "report/index.html"


@dataclass(frozen=True, slots=True)
class Handed:
    """Decisions that came as a file: marks and masks (the bytes of a PNG) by id, None to take back what there is."""

    marks: dict[str, str | None]
    masks: dict[str, bytes | None]


class Desk:
    """A finished run that is being reviewed. All methods may be called from any thread."""

    def __init__(self, folder: RunFolder, recipe: Recipe) -> None:
        self.folder, self.key = folder, run_key(folder, recipe)
        self._recipe = recipe
        self._turn = threading.Lock()
        self._log = DecisionLog(folder.decision_log)
        journal = Journal(folder.journal)
        everything = list(journal.samples())
        accepted = [sample for sample in everything if sample.role == "accepted"]
        left_out = read_decisions(folder).left_out
        kept = {one.id for one in curated(accepted, read_decisions(folder), recipe.request.per_defect)}
        self._samples = {one.id: one for one in accepted if one.id in kept | left_out}
        self._starts = {one.content: one for one in read_real(folder) if one.role == "good"}
        self._files = {PAGE, *_paths([*everything, *read_real(folder)])}
        self._edited: dict[str, StoredFile] = {}

    def state(self) -> dict[str, Any]:
        """What the page needs to know: whose decisions these are, the marks, and the outlines of edited masks."""
        with self._turn:
            decisions = read_decisions(self.folder)
        masks = {one: self._outline(self._samples[one], decisions) for one in decisions.edits if one in self._samples}
        return {"run": self.key, "path": str(self.folder.path), "marks": dict(decisions.marks), "masks": masks}

    def mark(self, marks: dict[str, str | None]) -> None:
        """Mark samples as one of MARKS, or take the mark back. RecipeError for an id or a mark that is none."""
        for one, mark in marks.items():
            if mark is not None and mark not in MARKS:
                raise RecipeError(f"{one}: {mark!r} is no decision; there are: {', '.join(MARKS)}")
        check_known(marks, self._samples, NO_SAMPLE)
        self._add([Change.from_json({"id": one, "what": "mark", "to": mark}) for one, mark in marks.items()])

    def edit(self, sample_id: str, png: bytes | None) -> None:
        """Give a sample another mask, as the bytes of a PNG, white where the defect is; None: the one that was drawn.
        RecipeError for what is no such mask."""
        check_known([sample_id], self._samples, NO_SAMPLE)
        self._add([self._edit(self._samples[sample_id], png)])

    def apply(self, handed: Handed) -> int:
        """Take over decisions that were made elsewhere, all or none; returns their number."""
        check_known([*handed.marks, *handed.masks], self._samples, NO_SAMPLE)
        changes = [self._edit(self._samples[one], png) for one, png in handed.masks.items()]
        changes += [Change.from_json({"id": one, "what": "mark", "to": mark}) for one, mark in handed.marks.items()]
        self._add(changes)
        return len(changes)

    def file(self, name: str) -> Path | None:
        """A file that the page may show: the page, and what the run keeps of its samples; None for any other."""
        if name in self._files or name in self._edited:
            return self.folder.path / name
        return None

    def finish(self, progress: Progress) -> None:
        """Write the dataset as it was decided."""
        with self._turn:
            settle(self.folder, progress)
            self._log = DecisionLog(self.folder.decision_log)

    def _add(self, changes: Sequence[Change]) -> None:
        with self._turn:
            self._log.add(changes)

    def _edit(self, sample: StoredSample, png: bytes | None) -> Change:
        if png is None:
            return Change(sample.id, "edit", None)
        start = sample.generated.start
        good = self._starts.get(None if start is None else start.sha256)
        mask = read_mask(sample, self.folder.path, png)
        edit = edit_of(sample, mask, good, self.folder.path, self._recipe.checks)
        write_whole(self.folder.path / edit.path(sample), png_bytes(mask))
        return Change(sample.id, "edit", edit)

    def _outline(self, sample: StoredSample, decisions: Decisions) -> str:
        mask = decisions.edited(sample)
        self._edited[mask.files["mask"].path] = mask.files["mask"]
        return outline(read_png(mask.verified(self.folder.path, "mask")))


@contextmanager
def open_desk(path: str | Path, progress: Progress) -> Iterator[Desk]:
    """The desk of a finished run, its page built; other processes are kept out until it is closed. RecipeError and
    RunError as `Run` raises them, WriterError where another process works in the run."""
    finished = Run(path)
    with finished.folder.lock():
        write_gallery(finished.folder, progress)
        yield Desk(finished.folder, finished.recipe)


def _paths(samples: Sequence[StoredSample]) -> Iterator[str]:
    for sample in samples:
        yield from (file.path for file in sample.files.values())
