"""Finishing a run: datasets, page, digests and manifest, made of the journal and of what a person decided."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from synth.errors import RunError
from synth.generators import Progress
from synth.io.atomic import remove, write_whole
from synth.pipeline.commit import Committer
from synth.pipeline.decisions import Decisions, curated, read_decisions, with_replacements, write_decisions
from synth.pipeline.folder import RunFolder
from synth.pipeline.journal import Journal
from synth.pipeline.manifest import Shortfall, manifest_bytes, read_manifest
from synth.pipeline.plan import stream_of
from synth.pipeline.real import exported, read_real
from synth.pipeline.stored import StoredSample, is_damaged
from synth.pipeline.verify import write_digests
from synth.recipe import Recipe, load_recipe
from synth.writers import WRITERS
from synth.writers.sink import FolderSink


def finish(
    recipe: Recipe, folder: RunFolder, journal: Journal, missing: Sequence[Shortfall], progress: Progress
) -> None:
    """Write what is made of the journal and of the decisions; the log of these goes last."""
    from synth.pipeline.page.gallery import write_gallery

    decisions = read_decisions(folder)
    everything = [sample for sample in journal.samples() if sample.role == "accepted"]
    kept = list(curated(everything, decisions, recipe.request.per_defect))
    write_decisions(folder, decisions)
    _tidy(folder, everything, decisions)
    shutil.rmtree(folder.data, ignore_errors=True)
    for done, name in enumerate(recipe.output.formats):
        progress("writing", done, len(recipe.output.formats))
        apart = WRITERS[name].apart and len(recipe.output.formats) > 1
        write_format(folder, kept, recipe, name, folder.data / name if apart else folder.data)
    write_gallery(folder, progress)
    content = manifest_bytes(kept, missing)
    left_out = [sample for sample in everything if sample.id in decisions.left_out]
    theirs = [file for one in left_out for file in (*one.files.values(), *decisions.edited(one).files.values())]
    write_digests(folder, content, {file.path for file in theirs})
    write_whole(folder.manifest, content)
    remove(folder.decision_log)


def settle(folder: RunFolder, progress: Progress) -> None:
    """Take the decisions of decisions.log into the dataset of a run that was finished before, which the caller has
    locked; rejected samples are not replaced yet. RunError where the files of a sample that comes back are gone."""
    if not folder.decision_log.exists():
        return
    recipe, decisions, journal = load_recipe(folder.recipe), read_decisions(folder), Journal(folder.journal)
    accepted = (sample for sample in journal.samples() if sample.role == "accepted")
    kept = curated(accepted, decisions, recipe.request.per_defect)
    damaged = [sample.id for sample in kept if is_damaged(folder.path, sample)]
    if damaged:
        raise RunError(
            f"{', '.join(damaged)}: the files are gone or damaged; make them anew with: flawsmith run {folder.recipe} "
            f"--out {folder.path}"
        )
    finish(recipe, folder, journal, read_manifest(folder.manifest)[1], progress)


def owed(folder: RunFolder, recipe: Recipe) -> bool:
    """Whether a finished run has rejected samples for which others may still be made."""
    decisions = read_decisions(folder)
    if "rejected" not in decisions.marks.values():
        return False
    journal = Journal(folder.journal)
    committer = Committer(folder, journal)
    streams = with_replacements([stream_of(recipe, kind) for kind in journal.kinds], decisions, recipe)
    return any(committer.owes(stream) for stream in streams)


def write_format(folder: RunFolder, kept: Sequence[StoredSample], recipe: Recipe, name: str, target: Path) -> None:
    """The samples of a dataset, the good images and the test images in one format."""
    records = dataset_of(folder, kept, recipe, WRITERS[name].splits)
    known = {file.sha256: folder.path / file.path for record in records for file in record.files.values()}
    WRITERS[name].write((record.load(folder.path) for record in records), FolderSink(target, known))


def dataset_of(
    folder: RunFolder, kept: Sequence[StoredSample], recipe: Recipe, splits: bool = True
) -> list[StoredSample]:
    """The kept samples with the good images and the real test images, as a format that keeps splits has them or not."""
    return [*kept, *exported(read_real(folder), recipe, splits)]


def _tidy(folder: RunFolder, accepted: Sequence[StoredSample], decisions: Decisions) -> None:
    """Remove the corrected masks that no decision names any more."""
    named = {folder.path / decisions.edits[one.id].path(one) for one in accepted if one.id in decisions.edits}
    for path in sorted(folder.edited.rglob("*_mask.png")):
        if path not in named:
            remove(path)
