"""What a person decided of a run's samples: which are left out of its dataset, and which masks were corrected.

decisions.json holds it, sorted, and is absent where there is nothing. While decisions are made they are appended to
decisions.log, one line each, and reach the disk before the next: after a kill nothing is lost. The log is there as long
as the dataset does not hold them; `synth.pipeline.finish.settle` takes it in.

A sample is "rejected": left out, and another one is made in its place; "dropped": left out, and it counts towards its
quota all the same; or "accepted": looked at and kept. The same recipe and the same decisions end with the same dataset,
in whatever order they were made.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from synth.checks.mask import SCORES
from synth.errors import RecipeError, RunError
from synth.io.atomic import append, remove
from synth.io.json_text import json_text
from synth.io.names import file_name
from synth.io.sealed import read_sealed, write_sealed
from synth.pipeline.folder import RunFolder
from synth.pipeline.shards import Stream
from synth.pipeline.stored import StoredFile, StoredSample
from synth.recipe import Recipe
from synth.suggest import did_you_mean

Mark = Literal["accepted", "rejected", "dropped"]
MARKS: tuple[Mark, ...] = get_args(Mark)
LEFT_OUT = ("rejected", "dropped")
NO_SAMPLE = "is no accepted sample of this run"


@dataclass(frozen=True, slots=True)
class Edit:
    """A mask that a person corrected: the sha256 of its file, and what the checks measure with it."""

    sha256: str
    scores: Mapping[str, float] = field(default_factory=dict)

    def path(self, sample: StoredSample) -> str:
        """Where the file of a sample's corrected mask lies in the run."""
        folder = f"edited/{file_name(sample.product)}/{file_name(str(sample.defect))}"
        return f"{folder}/{file_name(sample.id)}-{self.sha256[:16]}_mask.png"


@dataclass(frozen=True, slots=True)
class Change:
    """One decision: another mark of a sample, or another edit of its mask; None takes what there is back."""

    id: str
    what: Literal["mark", "edit"]
    to: Mark | Edit | None

    def to_json(self) -> dict[str, Any]:
        to = _edit_json(self.to) if isinstance(self.to, Edit) else self.to
        return {"id": self.id, "what": self.what, "to": to}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Change:
        """What `to_json` gave. KeyError, TypeError or ValueError for anything else."""
        if entry["what"] not in ("mark", "edit"):
            raise ValueError(f"a decision on {entry['what']!r}")
        to = None if entry["to"] is None else _edit(entry["to"]) if entry["what"] == "edit" else _mark(entry["to"])
        return cls(str(entry["id"]), entry["what"], to)


@dataclass(frozen=True, slots=True)
class Decisions:
    """The marks of samples and the edits of their masks, by id."""

    marks: Mapping[str, Mark] = field(default_factory=dict)
    edits: Mapping[str, Edit] = field(default_factory=dict)

    @property
    def left_out(self) -> frozenset[str]:
        """Ids of the samples that are not in the dataset."""
        return frozenset(one for one, mark in self.marks.items() if mark in LEFT_OUT)

    def number(self, kind: tuple[str, str], mark: Mark) -> int:
        """How many samples of a (product, defect) have a mark."""
        stem = "-".join(kind)
        return sum(given == mark and one.rpartition("-")[0] == stem for one, given in self.marks.items())

    def after(self, changes: Iterable[Change]) -> Decisions:
        """The decisions with these, in order, on top."""
        marks, edits = dict(self.marks), dict(self.edits)
        for change in changes:
            held: dict[str, Any] = marks if change.what == "mark" else edits
            if change.to is None:
                held.pop(change.id, None)
            else:
                held[change.id] = change.to
        return Decisions(marks, edits)

    def edited(self, sample: StoredSample) -> StoredSample:
        """The sample with the mask that a person gave it, if any; where its single instances are is not known then."""
        edit = self.edits.get(sample.id)
        if edit is None:
            return sample
        files = {kind: file for kind, file in sample.files.items() if kind != "masks"}
        drawn = {kind: file.sha256 for kind, file in sample.files.items() if kind in ("mask", "masks")}
        files["mask"] = StoredFile(edit.path(sample), edit.sha256)
        return replace(
            sample,
            files=files,
            provenance=replace(sample.generated, edited=drawn),
            scores=edit.scores,
            unmeasured=tuple(name for name in SCORES if name not in edit.scores),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "marks": dict(sorted(self.marks.items())),
            "edits": {one: _edit_json(edit) for one, edit in sorted(self.edits.items())},
        }

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Decisions:
        """What `to_json` gave. KeyError, TypeError or ValueError for anything else."""
        marks = {str(one): _mark(mark) for one, mark in entry["marks"].items()}
        return cls(marks, {str(one): _edit(edit) for one, edit in entry["edits"].items()})


class DecisionLog:
    """decisions.log: a line a decision, with its own sha256. What a kill left of a last line does not count."""

    def __init__(self, path: Path) -> None:
        self.path, self._end = path, 0
        self.changes: list[Change] = []
        for number, line in enumerate(_lines(path), start=1):
            try:
                entry = json.loads(line)
                if _line(entry["decision"]) != line:
                    raise ValueError("its sha256 is another")
                self.changes.append(Change.from_json(entry["decision"]))
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
                raise RunError(
                    f"{path} is damaged in line {number} ({problem}); take that line out and decide on its sample again"
                ) from problem
            self._end += len(line)

    def add(self, changes: Sequence[Change]) -> None:
        """Append decisions; they are on the disk when this returns. WriterError where the disk refuses."""
        content = b"".join(_line(change.to_json()) for change in changes)
        append(self.path, content, self._end)
        self._end += len(content)
        self.changes += changes


def read_decisions(folder: RunFolder) -> Decisions:
    """All that was decided, whether the dataset holds it already or not. RunError where a file of it is damaged."""
    try:
        if folder.dropped.exists():
            kept = Decisions({str(one): "dropped" for one in read_sealed(folder.dropped)})
        elif folder.decisions.exists():
            kept = Decisions.from_json(read_sealed(folder.decisions))
        else:
            kept = Decisions()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise RunError(
            f"{folder.decisions} is damaged ({problem}); delete it and decide on the samples once more"
        ) from problem
    return kept.after(DecisionLog(folder.decision_log).changes)


def write_decisions(folder: RunFolder, decisions: Decisions) -> None:
    """Keep them; no file where there are none."""
    remove(folder.dropped)
    if decisions.marks or decisions.edits:
        write_sealed(folder.decisions, decisions.to_json())
    else:
        remove(folder.decisions)


def curated(accepted: Iterable[StoredSample], decisions: Decisions, quota: int) -> Iterator[StoredSample]:
    """The samples of a dataset among the accepted ones, which come by type and index: of each type the first `quota`
    that were not rejected, but for dropped ones, with the masks that a person gave them."""
    counted: Counter[tuple[str, str | None]] = Counter()
    for sample in accepted:
        kind, mark = (sample.product, sample.defect), decisions.marks.get(sample.id)
        if mark == "rejected" or counted[kind] == quota:
            continue
        counted[kind] += 1
        if mark != "dropped":
            yield decisions.edited(sample)


def with_replacements(streams: Sequence[Stream], decisions: Decisions, recipe: Recipe) -> list[Stream]:
    """The streams with as many more samples wanted as were rejected."""
    return [stream.more(decisions.number(stream.kind, "rejected"), recipe.request.max_attempts) for stream in streams]


def check_known(ids: Iterable[str], known: Collection[str], what: str) -> None:
    """RecipeError for an id that is not among the known ones; `what` follows it in the sentence."""
    for one in ids:
        if one not in known:
            raise RecipeError(f"{one} {what}; {did_you_mean(one, sorted(known))}" if known else f"{one} {what}")


def _lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().splitlines(keepends=True)[: path.read_bytes().count(b"\n")]
    except FileNotFoundError:
        return []


def _line(decision: Mapping[str, Any]) -> bytes:
    text = json_text(decision)
    return f'{{"decision": {text}, "sha256": "{hashlib.sha256(text.encode()).hexdigest()}"}}\n'.encode()


def _mark(value: Any) -> Mark:
    if value not in MARKS:
        raise ValueError(f"{value!r} is none of {', '.join(MARKS)}")
    return value


def _edit_json(edit: Edit) -> dict[str, Any]:
    return {"sha256": edit.sha256, "scores": dict(edit.scores)}


def _edit(entry: Mapping[str, Any]) -> Edit:
    scores = {str(name): float(value) for name, value in entry["scores"].items()}
    return Edit(str(entry["sha256"]), scores)
