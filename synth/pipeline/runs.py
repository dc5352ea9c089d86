"""A run from its recipe to its dataset: read, split, fit, draw, check, write. `run` makes it, or resumes it.

A run may be killed at any moment; the same command resumes it and ends with the same files, whatever made its shards.
See `synth.pipeline.folder` for what lies where, `shards` and `commit` for why the end does not depend on interruptions.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from synth.checks.ledger import read_ledger, validation_shots
from synth.errors import RunError, WriterError
from synth.generators import GENERATORS, Judge, Progress, imported
from synth.io.atomic import remove
from synth.io.names import as_path
from synth.parts import read_parts
from synth.pipeline.commit import Committer
from synth.pipeline.decisions import (
    NO_SAMPLE,
    Change,
    DecisionLog,
    Decisions,
    Mark,
    check_known,
    curated,
    read_decisions,
    with_replacements,
)
from synth.pipeline.drawing import draw_streams, shards_wanted
from synth.pipeline.executors import Executor, ExecutorName, check_workers, open_executor
from synth.pipeline.finish import dataset_of, finish, owed, settle, write_format
from synth.pipeline.folder import RunFolder, run_folder
from synth.pipeline.guards import begin, check_recipe, relocate
from synth.pipeline.job import Job, Worker
from synth.pipeline.journal import Journal, Yield
from synth.pipeline.manifest import Shortfall, read_manifest
from synth.pipeline.places import check_there, placeless, with_known_product
from synth.pipeline.plan import plan
from synth.pipeline.preparation import Prepared, check_generator, lacking, prepare, silent
from synth.pipeline.real import keep_real, read_real, tested
from synth.pipeline.shards import Stream, save_shard
from synth.pipeline.stored import StoredSample, is_damaged
from synth.pipeline.verify import damages
from synth.recipe import Recipe, as_recipe, load_recipe
from synth.sample import Sample
from synth.writers import check_request
from synth.writers.sink import whole_folder


@dataclass(frozen=True, slots=True)
class Curation:
    """What a run's dataset holds after decisions: the number of its samples, and how many were dropped, rejected and
    got another mask."""

    run: str
    kept: int
    dropped: tuple[str, ...]
    rejected: tuple[str, ...]
    edited: tuple[str, ...]

    @classmethod
    def of(cls, run: Run) -> Curation:
        made = run.decisions
        dropped, rejected = (
            tuple(sorted(one for one, mark in made.marks.items() if mark == given)) for given in ("dropped", "rejected")
        )
        return cls(str(run.path), len(run.manifest), dropped, rejected, tuple(sorted(made.edits)))

    def lines(self) -> list[str]:
        """For people."""
        lines = [f"{self.run}: {self.kept} pairs of image and mask, {len(self.dropped)} dropped"]
        lines[0] += f", {len(self.rejected)} rejected" if self.rejected else ""
        lines[0] += f", {len(self.edited)} mask{'s' * (len(self.edited) > 1)} edited" if self.edited else ""
        if self.dropped:
            lines.append(
                "flawsmith drop --restore takes them back; a larger request.per_defect draws others in their place"
            )
        if self.rejected:
            recipe = Path(self.run) / "recipe.yaml"
            lines.append(f"others take the place of rejected ones with: flawsmith run {recipe} --out {self.run}")
        return lines

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Run:
    """A finished run on disk, opened by its folder. RecipeError where there is none, RunError where it is
    unfinished."""

    def __init__(self, path: str | Path) -> None:
        self.folder = run_folder(path)
        self.path = self.folder.path
        if not self.folder.manifest.exists():
            raise RunError(f"{path} is not finished; run `flawsmith run {self.folder.recipe} --out {path}` to resume")
        if self.folder.decision_log.exists():  # a review was open, and ended before its decisions were in the dataset
            with self.folder.lock():
                settle(self.folder, silent)

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe it was made by."""
        return load_recipe(self.folder.recipe)

    @property
    def manifest(self) -> list[StoredSample]:
        """The accepted samples, by product, defect and index."""
        return self._table[0]

    @property
    def shortfalls(self) -> list[Shortfall]:
        """The quotas that were not met."""
        return self._table[1]

    @cached_property
    def _table(self) -> tuple[list[StoredSample], list[Shortfall]]:
        return read_manifest(self.folder.manifest)

    @cached_property
    def yields(self) -> list[Yield]:
        """Accepted, surplus and rejected by reason, for each product and defect type."""
        journal, decisions = Journal(self.folder.journal), self.decisions
        return [
            replace(
                journal.result(kind),
                dropped=decisions.number(kind, "dropped"),
                rejected=decisions.number(kind, "rejected"),
            )
            for kind in journal.kinds
        ]

    @property
    def inferred(self) -> list[str]:
        """What the run took for granted about its products without being given it, and what its dataset lacks, as
        sentences."""
        kept = read_parts(self.folder.parts)
        return [*([] if kept is None else kept.lines), *self._lacking]

    @property
    def _lacking(self) -> list[str]:
        real = [record for record in read_real(self.folder) if record.defect is None]
        products, tested = ({record.product for record in real if record.role == role} for role in ("good", "test"))
        return lacking(self.recipe, products, tested)

    @property
    def made_from(self) -> dict[str, str]:
        """Hashes of its recipe; and of every real image, its role and its labels, and of the manifest, which names
        every synthetic one: what is measured of a run holds for these."""
        real = json.dumps([(row.id, row.role, row.sha256, row.labels) for row in read_ledger(self.folder.ledger)])
        images = hashlib.sha256(real.encode() + self.folder.manifest.read_bytes()).hexdigest()[:16]
        return {"recipe": placeless(self.recipe).sha256, "images": images}

    @property
    def validation(self) -> dict[str, int]:
        """Shots that were kept from the generator to choose thresholds with, by "product/type"."""
        kinds = {(record.product, str(record.defect)) for record in self.manifest}
        return validation_shots(read_ledger(self.folder.ledger), kinds)

    @property
    def dropped(self) -> list[str]:
        """Ids of accepted samples that were left out, sorted: dropped, or rejected in a review."""
        return sorted(self.decisions.left_out)

    @property
    def decisions(self) -> Decisions:
        """What a person decided of its samples."""
        return read_decisions(self.folder)

    def drop(self, ids: Collection[str], progress: Progress | None = None, restore: bool = False) -> None:
        """Leave accepted samples out of the dataset, or take them back (`restore`): manifest, `data/`, page and what
        `verify` compares are written anew; see `synth.pipeline.decisions`. RecipeError for ids that are not there."""
        drop(self.path, ids, progress, restore)
        for known in ("_table", "yields"):
            self.__dict__.pop(known, None)

    def dataset(self, splits: bool = True) -> list[StoredSample]:
        """What its dataset holds, as exports have it: the accepted samples, then the good images and the test images of
        a format that has `splits`, or has none."""
        return dataset_of(self.folder, self.manifest, self.recipe, splits)

    def samples(self) -> Iterator[Sample]:
        """The accepted samples with their pixels, each file compared with its hash."""
        return (stored.load(self.path) for stored in self.manifest)

    def good_images(self) -> Iterator[Sample]:
        """The good samples that defects were drawn onto."""
        return (stored.load(self.path) for stored in read_real(self.folder) if stored.role == "good")


def run(
    recipe: Recipe | str | Path,
    out: str | Path | None = None,
    progress: Progress | None = None,
    workers: int = 1,
    executor: ExecutorName = "local",
    judge: Judge | None = None,
) -> Run:
    """Run the recipe, its file or a bundled one by name, in the folder `out` (outputs/<name> by default) and return the
    finished run.

    Resumes what an earlier call left, and mends what is damaged of it; returns at once when the run is finished and
    whole. Places that the recipe names may have moved since, with equal content. A larger quota, more formats or more
    defect types continue from what is there. `workers` make shards side by side, as processes ("local") or as actors of
    Ray ("ray"); the files do not depend on it. `judge` makes the choices that the recipe leaves open. Raises
    RecipeError when the folder holds a run of another recipe, LeakError before anything is written when an image has
    two roles, and RunError when a defect type yields nothing."""
    check_workers(workers, executor)
    (folder, recipe), progress = _folder(as_recipe(recipe), out), progress or silent
    if folder.manifest.exists() and not check_recipe(folder, recipe):
        found = damages(folder, progress)
        if not found and not owed(folder, recipe):
            relocate(folder, recipe, progress)
            return _finished(folder)
        if found:
            progress(f"{len(found)} damaged files, making them again", 1, 1)
    prepared = _prepare(folder, recipe, progress)
    streams = plan(recipe, prepared.split.shots, prepared.split.good_images)
    with folder.lock():
        check_recipe(folder, recipe)
        folder.sweep()
        _make(recipe, prepared, streams, folder, progress, workers, executor, judge)
    return _finished(folder)


def make_ahead(
    recipe: Recipe,
    out: str | Path | None,
    share: tuple[int, int],
    progress: Progress | None = None,
    judge: Judge | None = None,
) -> RunFolder:
    """Make the shards number i, i + n, i + 2n, ... of those that the run will take, share (i, n), into its folder, for
    a later `run` to commit. Several processes, on this machine or on others that see the folder, may each make a share;
    the first fits the model, the others wait for it. Nothing is left to make of a finished run."""
    (folder, recipe), progress = _folder(recipe, out), progress or silent
    prepared = _prepare(folder, recipe, progress)
    streams = plan(recipe, prepared.split.shots, prepared.split.good_images)
    with folder.lock(wait=True):
        if folder.manifest.exists() and not check_recipe(folder, recipe) and not owed(folder, recipe):
            return folder
        streams = with_replacements(streams, read_decisions(folder), recipe)
        worker = Worker(_begin(recipe, prepared, folder, judge, progress))
        committer = Committer(folder, _open_journal(folder, streams, progress))
        worker.generator(progress)
    wanted = [stream.shard(n) for stream in streams for n in range(shards_wanted(stream, committer))]
    mine = wanted[share[0] :: share[1]]
    for done, shard in enumerate(mine):
        progress("shards", done, len(mine))
        if not shard.path(folder.shards).exists():
            save_shard(worker.make(shard), shard.path(folder.shards))
    progress("shards", len(mine), len(mine))
    return folder


def show(path: str | Path, progress: Progress | None = None) -> Path:
    """Build the gallery page of a run again, finished or not; returns the page's path."""
    from synth.pipeline.page.gallery import write_gallery

    folder = run_folder(path)
    if not (folder.real / "index.json").exists():
        raise RunError(f"{path} has nothing to show yet; run it first")
    return write_gallery(folder, progress or silent)


def drop(path: str | Path, ids: Collection[str], progress: Progress | None = None, restore: bool = False) -> Curation:
    """Leave accepted samples out of a finished run's dataset, or take back those that were dropped or rejected.
    RecipeError for ids that are not there."""
    before = read_decisions(run_folder(path))
    if restore:
        check_known(ids, before.left_out, "was not dropped")
    mark: Mark | None = None if restore else "dropped"
    return decide(path, [Change(one, "mark", mark) for one in ids], progress)


def decide(path: str | Path, changes: Sequence[Change], progress: Progress | None = None) -> Curation:
    """Decide on accepted samples of a finished run and write its dataset anew. RecipeError for ids that are not there,
    RunError where a file of a sample that stays is damaged; one that comes back has to be made anew then."""
    finished, progress = Run(path), progress or silent
    folder, quota = finished.folder, finished.recipe.request.per_defect
    with folder.lock():
        accepted = [sample for sample in Journal(folder.journal).samples() if sample.role == "accepted"]
        check_known((one.id for one in changes), {sample.id for sample in accepted}, NO_SAMPLE)
        before = read_decisions(folder)
        after = before.after(changes)
        stays = {sample.id for sample in curated(accepted, before, quota)}
        for sample in curated(accepted, after, quota):
            for kind in sample.files if sample.id in stays else ():
                sample.verified(folder.path, kind)
        DecisionLog(folder.decision_log).add(changes)
        settle(folder, progress)
    return Curation.of(Run(path))


def export(path: str | Path, name: str, out: str | Path) -> None:
    """Write a finished run's samples in the format `name` of `synth.writers.WRITERS` into the new folder `out`."""
    check_request(name, out)
    finished = Run(path)
    with whole_folder(Path(out)) as place:
        write_format(finished.folder, finished.manifest, finished.recipe, name, place)


def _folder(recipe: Recipe, out: str | Path | None) -> tuple[RunFolder, Recipe]:
    """The run's folder, and the recipe as a run in it understands it."""
    folder = RunFolder(Path("outputs") / recipe.name if out is None else as_path(out, "the run's folder", WriterError))
    folder.check_usable()
    recipe = with_known_product(folder, recipe)
    check_recipe(folder, recipe)
    return folder, recipe


def _prepare(folder: RunFolder, recipe: Recipe, progress: Progress) -> Prepared:
    if folder.recipe.exists():
        check_there(folder, recipe)
    return prepare(recipe, progress)


def _begin(recipe: Recipe, prepared: Prepared, folder: RunFolder, judge: Judge | None, progress: Progress) -> Job:
    """Write what the run begins with, its real samples among it, and make the choices that the recipe leaves open; what
    fits and draws needs the result alone."""
    split = prepared.split
    # Opened before anything is written: a wrong base leaves the folder free for the mended recipe.
    check_generator(recipe, prepared, folder.model)
    made_with = begin(folder, recipe, prepared)
    keep_real(folder, (("good", split.good_images), ("shot", split.shots), ("test", tested(recipe, split))))
    declared = GENERATORS[recipe.generator.kind]
    if declared.choose is not None:
        choose = imported(declared.choose)
        choose(recipe.generator, split.shots, split.good_images, folder.model, recipe.seed, judge, progress)
    return Job(recipe, folder.model, split.shots, split.good_images, made_with)


def _make(
    recipe: Recipe,
    prepared: Prepared,
    streams: Sequence[Stream],
    folder: RunFolder,
    progress: Progress,
    workers: int,
    executor: ExecutorName,
    judge: Judge | None,
) -> None:
    job = _begin(recipe, prepared, folder, judge, progress)
    streams = with_replacements(streams, read_decisions(folder), recipe)
    journal = _open_journal(folder, streams, progress)
    worker, committer = Worker(job), Committer(folder, journal)
    with open_executor(executor, workers, job, worker) as pool:
        _fit(job, pool, worker, progress)
        draw_streams(streams, pool, committer, folder, progress)
    journal.arrange()
    shutil.rmtree(folder.shards, ignore_errors=True)
    missing = [found for stream in streams if (found := committer.shortfall(stream))]
    finish(recipe, folder, journal, missing, progress)


def _fit(job: Job, pool: Executor, worker: Worker, progress: Progress) -> None:
    """Fit the products, side by side where there are several workers; then this process' own generator, from what they
    left on the disk."""
    if pool.workers > 1 and len(job.products) > 1:
        progress("fitting products", 0, len(job.products))
        for done, _ in enumerate(pool.fit(job.products), start=1):
            progress("fitting products", done, len(job.products))
    worker.generator(progress)


def _open_journal(folder: RunFolder, streams: Sequence[Stream], progress: Progress) -> Journal:
    """The journal of a run that is to be made, which is no finished one from here on. Taken out are the shards of which
    a file is lost or damaged, left out samples aside, and those in which a smaller quota was met: what passed after it
    was not kept."""
    remove(folder.manifest)
    remove(folder.digests)
    journal, left_out = Journal(folder.journal), read_decisions(folder).left_out
    again: set[tuple[str, str, int]] = set()
    for stream in streams:
        result = journal.result(stream.kind)
        if result.surplus and result.accepted < stream.quota:
            again.add((*stream.kind, journal.closed(stream.kind) - 1))
        for sample in journal.samples(stream.kind):
            index = sample.generated.index
            progress(f"verifying {stream.product}/{stream.defect}", index + 1, result.attempts)
            if sample.id not in left_out and is_damaged(folder.path, sample):
                again.add((*stream.kind, index // stream.size))
    if again:
        journal.reopen(again)
    return journal


def _finished(folder: RunFolder) -> Run:
    finished = Run(folder.path)
    empty = [missing for missing in finished.shortfalls if missing.accepted == 0]
    if empty:
        found = [f"{missing}: {missing.remedy}" for missing in empty]
        page = finished.folder.report / "index.html"
        raise RunError(f"nothing was accepted for {'; '.join(found)}. The rejected ones are shown in {page}")
    return finished
