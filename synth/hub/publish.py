"""`push` a run's dataset to the Hub, or write its `card` alone."""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from synth.errors import LicenceError, WriterError
from synth.generators import Progress
from synth.hub.card import Card, evidence_text, write_card
from synth.hub.contact_sheet import contact_sheet
from synth.hub.dataset import CARD, EVIDENCE, FIRST_ROWS, SHEET, VIEWER_BYTES, WRITTEN, HubDataset, first_rows, prepare
from synth.hub.evidence import Evidence, evidence_of
from synth.hub.licences import Licence, check_tag, licence_of
from synth.hub.talk import persist
from synth.hub.upload import Hub, Sent, Target
from synth.io.atomic import write_whole
from synth.io.names import as_path, beside
from synth.io.sealed import read_sealed, write_sealed
from synth.pipeline.preparation import silent
from synth.pipeline.runs import Run
from synth.printable import printable, shown

_REPO = re.compile(r"[\w][\w.-]{0,95}/[\w][\w.-]{0,95}", re.ASCII)


@dataclass(frozen=True)
class Pushed:
    """What a push came to. `sent` is None for one that only prepared the folder; `edited`: parts of the card that a
    person changed, which are kept; `notes`: what a reader of the viewer should know."""

    run: str
    repo: str
    folder: str
    samples: int
    shards: int
    licence: str
    sent: Sent | None
    edited: tuple[str, ...]
    notes: tuple[str, ...]

    def lines(self) -> list[str]:
        """For people."""
        what = f"{self.samples} samples in {self.shards} shards, licence {self.licence}"
        lines = [f"{self.run}: {what}"]
        if self.edited:
            lines.append(
                f"kept as they were edited, and not renewed: {', '.join(self.edited)}; empty a part of the card to "
                "have it written anew"
            )
        lines += self.notes
        if self.sent is None:
            return [*lines, f"nothing was sent; look at {self.folder}, then push it without --dry-run"]
        sent = self.sent
        lines.append(f"{sent.files} files sent ({sent.bytes / 1e6:.1f} MB), {sent.known} were there")
        return [*lines, sent.url]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def push(
    run: str | Path | Run,
    repo: str,
    private: bool = False,
    create_pr: bool = False,
    revision: str | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Pushed:
    """Publish a finished run as the dataset `repo`, "owner/name"; the folder RUN-hub holds what is sent. A second push
    sends what has changed and keeps what a person wrote in the card. dry_run: prepare the folder alone.

    LicenceError where the source's licence does not allow it, HubError where the Hub refuses or cannot be reached,
    WriterError for a name that no repository has, and for a pull request on a branch."""
    if not isinstance(repo, str) or not _REPO.fullmatch(repo):
        raise WriterError(f"a dataset is {shown(repo)}, wanted owner/name in letters, digits, -, _ and .")
    if create_pr and revision is not None:
        raise WriterError("a pull request is opened on the main branch; leave out --revision, or --create-pr")
    finished = _opened(run)
    licence = licence_of(finished)
    dataset = prepare(finished, folder_of(finished), progress or silent)
    write = _Writer(finished, dataset, licence, evidence_of(finished))
    if dry_run:
        return _pushed(write, repo, write(repo, None), None)
    hub = Hub(Target(repo, private, create_pr, revision))
    persist(hub.open, repo)

    def step() -> tuple[Card, Sent]:
        remote = hub.read()
        made = write(repo, hub.card(remote))
        check_tag(made.licence, licence, repo)
        names = [*dataset.shards, SHEET, EVIDENCE, CARD]
        return made, hub.send(dataset.folder, names, remote, progress or silent)

    return _pushed(write, repo, *persist(step, repo))


def card(run: str | Path | Run, out: str | Path | None = None, progress: Progress | None = None) -> Path:
    """Prepare the folder RUN-hub, which has the card as README.md, and return the card's path; `out`: a file to write
    it to as well, with the contact sheet and evidence.json beside it."""
    finished = _opened(run)
    try:
        licence = licence_of(finished)
    except LicenceError as refused:
        licence = Licence("unknown", "images of the run's own source", printable(str(refused)))
    dataset = prepare(finished, folder_of(finished), progress or silent)
    _Writer(finished, dataset, licence, evidence_of(finished))(f"OWNER/{finished.recipe.name}", None)
    if out is None:
        return dataset.folder / CARD
    target = as_path(out, "the card", WriterError)
    for name, place in ((CARD, target), (SHEET, target.parent / SHEET), (EVIDENCE, target.parent / EVIDENCE)):
        write_whole(place, (dataset.folder / name).read_bytes())
    return target


def folder_of(run: Run) -> Path:
    """Where a run's dataset is prepared."""
    return beside(run.path, "-hub")


def _opened(run: str | Path | Run) -> Run:
    return run if isinstance(run, Run) else Run(run)


@dataclass(frozen=True)
class _Writer:
    """Writes card, contact sheet and evidence of a prepared dataset into its folder."""

    run: Run
    dataset: HubDataset
    licence: Licence
    evidence: Evidence

    def __call__(self, repo: str, remote: str | None) -> Card:
        """The card, written into the one that the Hub has, or into the folder's own where a person changed that.
        WriterError where both were changed."""
        folder = self.dataset.folder
        card = write_card(self.run, self.dataset, self.licence, self.evidence, repo, self._there(remote, repo))
        write_whole(folder / SHEET, contact_sheet(self.dataset.records, self.run.path))
        said = evidence_text(self.run, self.dataset, self.licence, self.evidence)
        write_whole(folder / EVIDENCE, said.encode())
        write_whole(folder / CARD, card.text.encode())
        write_sealed(folder / WRITTEN, _sha256(card.text))
        return card

    def _there(self, remote: str | None, repo: str) -> str | None:
        folder = self.dataset.folder
        try:
            local, written = (folder / CARD).read_text(encoding="utf-8"), read_sealed(folder / WRITTEN)
        except (OSError, ValueError):
            return remote
        if _sha256(local) == written:
            return remote
        if remote is None or _sha256(remote) == written:
            return local
        raise WriterError(
            printable(
                f"the card was changed in {folder / CARD} and on the Hub in {repo}; bring both together on the Hub, "
                "delete the file, and push again"
            )
        )


def _pushed(write: _Writer, repo: str, card: Card, sent: Sent | None) -> Pushed:
    run, dataset = write.run, write.dataset
    return Pushed(
        run=str(run.path),
        repo=repo,
        folder=str(dataset.folder),
        samples=len(dataset.records),
        shards=len(dataset.shards),
        licence=card.licence,
        sent=sent,
        edited=card.edited,
        notes=_viewer_notes(dataset),
    )


def _viewer_notes(dataset: HubDataset) -> tuple[str, ...]:
    """What the Hub's viewer does with the first rows of the default config."""
    values, files = first_rows(dataset)
    notes = []
    if values > VIEWER_BYTES:
        notes.append(
            f"the values of the first {FIRST_ROWS} rows take {values / 1e6:.1f} MB, of which the viewer shows 1 MB: it "
            "cuts the longest of them"
        )
    if files > VIEWER_BYTES:
        notes.append(
            f"the first {FIRST_ROWS} rows have {files / 1e6:.1f} MB of images and meshes, which the viewer "
            f"fetches one by one, beside {values / 1e6:.2f} MB of values"
        )
    return tuple(notes)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
