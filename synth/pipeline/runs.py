"""The pipeline: read, split, ledger, fit, draw, check, write. `run` makes a run of a recipe, or resumes it.

A run may be killed at any moment; the same command resumes it and ends with the same files. See `synth.pipeline.folder`
for what lies where and `synth.pipeline.streams` for why the end does not depend on the interruptions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from synth.checks.ledger import read_ledger, validation_shots, write_ledger
from synth.errors import RecipeError, RunError, WriterError
from synth.generators import Progress
from synth.io.geometry import read_extras, read_masks
from synth.pipeline.folder import RunFolder, read_png
from synth.pipeline.journal import Journal, Record, Yield
from synth.pipeline.manifest import Shortfall, read_manifest, write_manifest
from synth.pipeline.preparation import (
    check_same_recipe,
    check_same_source,
    open_generator,
    placement_notes,
    plan,
    prepare,
    run_folder,
    silent,
)
from synth.pipeline.real import keep_real, read_real
from synth.pipeline.streams import Stream, draw_stream, shortfall
from synth.recipe import Recipe, load_recipe
from synth.sample import Instance, Origin, Provenance, Sample
from synth.sources.parts import read_parts, write_parts
from synth.split import Split
from synth.writers import WRITERS, Dataset


class Run:
    """A finished run on disk, opened by its folder. RecipeError where there is none, RunError where it is
    unfinished."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.folder = run_folder(path)
        if not self.folder.manifest.exists():
            raise RunError(f"{path} is not finished; run `flawsmith run {self.folder.recipe} --out {path}` to resume")

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe it was made by."""
        return load_recipe(self.folder.recipe)

    @property
    def manifest(self) -> list[Record]:
        """The accepted samples, by product, defect and index."""
        return self._table[0]

    @property
    def shortfalls(self) -> list[Shortfall]:
        """The quotas that were not met."""
        return self._table[1]

    @cached_property
    def _table(self) -> tuple[list[Record], list[Shortfall]]:
        return read_manifest(self.folder.manifest)

    @cached_property
    def yields(self) -> list[Yield]:
        """Accepted, surplus and rejected by reason, for each product and defect type."""
        journal = Journal(self.folder.journal)
        streams = dict.fromkeys((record.product, record.defect) for record in journal.records)
        return [journal.result(*stream) for stream in sorted(streams)]

    @property
    def inferred(self) -> list[str]:
        """What the run took for granted about its products without being told, as sentences."""
        kept = read_parts(self.folder.parts)
        return [] if kept is None else kept.lines

    @property
    def validation(self) -> dict[str, int]:
        """Shots that were kept from the generator to choose thresholds with, by "product/type"."""
        kinds = {(record.product, record.defect) for record in self.manifest}
        return validation_shots(read_ledger(self.folder.ledger), kinds)

    def samples(self) -> Iterator[Sample]:
        """The accepted samples with their pixels; meta carries generator, seed, index, window, start,
        scores and files."""
        for record in self.manifest:
            image, mask = (self.path / name for name in record.files)
            xyz, cloud = read_extras(self.path, record.extras)
            yield Sample(
                id=record.id,
                image=read_png(image),
                mask=read_png(mask),
                xyz=xyz,
                cloud=cloud,
                product=record.product,
                defect=record.defect,
                split="train",
                provenance=Provenance(
                    self.recipe.generator.kind,
                    record.seed,
                    record.index,
                    None if record.start is None else Origin("", record.start, record.start_file),
                    record.window,
                    record.scores,
                    tuple(Instance(one["type"], one) for one in record.instances),
                    read_masks(self.path / record.extras["masks"][0]) if "masks" in record.extras else None,
                ),
                meta={"file": str(image), "mask_file": str(mask)},
            )


def run(recipe: Recipe, out: str | Path | None = None, progress: Progress | None = None) -> Run:
    """Run the recipe in the folder `out` (outputs/<name> by default) and return the finished run.

    Goes on where an earlier call stopped; returns at once when the run is finished. Raises RecipeError when the folder
    holds a run of another recipe, LeakError before anything is written when an image has two roles, and RunError when
    a defect type yields nothing."""
    folder = RunFolder(Path(out) if out is not None else Path("outputs") / recipe.name)
    tell = progress or silent
    folder.check_usable()
    check_same_recipe(folder, recipe)
    if not folder.manifest.exists():
        split, ledger, parts = prepare(recipe, tell)
        streams = plan(recipe, split.shots, split.good_images)
        with folder.lock():
            check_same_recipe(folder, recipe)
            folder.sweep()
            if not folder.manifest.exists():
                check_same_source(folder, ledger)
                write_ledger(ledger, folder.ledger)
                write_parts(parts, split.good_images, folder.parts, placement_notes(recipe, split.good_images))
                _run(recipe, split, streams, folder, tell)
    finished = Run(folder.path)
    _refuse_nothing(finished)
    return finished


def _run(recipe: Recipe, split: Split, streams: Sequence[Stream], folder: RunFolder, progress: Progress) -> None:
    from synth.writers.gallery import write_gallery

    generator = open_generator(recipe, folder)
    good_images = [image for image in keep_real(folder, split.shots, split.good_images) if image.role == "good"]
    generator.fit(split.shots, split.good_images, progress)
    journal = Journal(folder.journal)
    for stream in streams:
        draw_stream(stream, generator, journal, folder, recipe.checks, progress)
    dataset = Dataset(folder.path, journal.accepted(), good_images)
    for done, name in enumerate(recipe.output.formats):
        progress("writing", done, len(recipe.output.formats))
        WRITERS[name](dataset, folder.data)
    missing = [found for stream in streams if (found := shortfall(stream, journal))]
    write_gallery(folder, progress)
    write_manifest(folder.manifest, dataset.records, missing)


def show(path: str | Path, progress: Progress | None = None) -> Path:
    """Build the gallery page of a run again, finished or not; returns the page's path."""
    from synth.writers.gallery import write_gallery

    folder = run_folder(path)
    if not (folder.real / "index.json").exists():
        raise RunError(f"{path} has nothing to show yet; run it first")
    return write_gallery(folder, progress or silent)


def export(path: str | Path, name: str, out: str | Path) -> None:
    """Write a finished run's samples in the format `name` of `synth.writers.WRITERS` into the new folder `out`."""
    if name not in WRITERS:
        raise RecipeError(f"format {name!r} is unknown; known: {', '.join(WRITERS)}")
    if Path(out).exists() and (Path(out).is_file() or any(Path(out).iterdir())):
        raise WriterError(f"{out} is not empty; name a new folder with --out")
    finished = Run(path)
    good_images = [image for image in read_real(finished.folder) if image.role == "good"]
    WRITERS[name](Dataset(finished.path, finished.manifest, good_images), Path(out))


def _refuse_nothing(finished: Run) -> None:
    empty = [str(missing) for missing in finished.shortfalls if missing.accepted == 0]
    if empty:
        raise RunError(
            f"nothing was accepted for {'; '.join(empty)}. Look at the rejected ones in "
            f"{finished.folder.report / 'index.html'}, then loosen checks, train longer or give better shots"
        )
