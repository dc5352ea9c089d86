"""One sample drawn again and compared with the stored one, bit for bit."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from synth.errors import RecipeError, SourceError
from synth.generators import Progress
from synth.io.encoded import encode
from synth.io.png import read_png
from synth.parts import settle_parts
from synth.pipeline.folder import RunFolder, run_folder
from synth.pipeline.guards import check_environment, check_same_source
from synth.pipeline.job import Job, Worker
from synth.pipeline.journal import Journal
from synth.pipeline.places import check_there
from synth.pipeline.plan import plan
from synth.pipeline.preparation import prepare, silent
from synth.pipeline.real import read_real
from synth.pipeline.shards import draw
from synth.pipeline.stored import StoredSample, damage
from synth.recipe import Recipe, load_recipe
from synth.sample import Sample
from synth.split import Split
from synth.suggest import did_you_mean


@dataclass(frozen=True, slots=True)
class Regenerated:
    """The sample as drawn now, and in what it differs from the stored one: nothing, if all is well."""

    sample: Sample
    differences: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether image, mask and stored files agree bit for bit."""
        return not self.differences

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """For people."""
        return [f"{self.sample.id}: {'; '.join(self.differences) or 'equal, bit for bit'}"]

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {"id": self.sample.id, "equal": self.equal, "differences": list(self.differences)}


def regenerate(run_path: str | Path, sample_id: str, progress: Progress | None = None) -> Regenerated:
    """Make the sample's whole shard again with the stored model and compare the one. Changes nothing. RecipeError for
    an id that the run has not accepted."""
    folder = run_folder(run_path)
    stored = _find(folder, sample_id)
    recipe = load_recipe(folder.recipe)
    split = _split(folder, recipe, progress or silent)
    made_with = check_environment(folder)
    generator = Worker(Job(recipe, folder.model, split.shots, split.good_images, made_with)).generator(progress)
    kind, index = (stored.product, str(stored.defect)), stored.generated.index
    stream = next(s for s in plan(recipe, split.shots, split.good_images) if s.kind == kind)
    sample = draw(generator, stream.shard(index // stream.size).requests())[index % stream.size]
    return Regenerated(sample, tuple(compare(folder, stored, sample)))


def _split(folder: RunFolder, recipe: Recipe, progress: Progress) -> Split:
    """The shots and good images that the run was made from: the source's where they are there as they were, and else
    the run's own copies. SourceError where another place that the recipe names is gone."""
    check_there(folder, recipe, "generator.")
    with suppress(SourceError):
        prepared = prepare(recipe, progress)
        check_same_source(folder, prepared.ledger)
        return prepared.split
    check_there(folder, recipe, "source.foreground")
    kept = read_real(folder)
    shots, good_images = ([one.load(folder.path) for one in kept if one.role == role] for role in ("shot", "good"))
    shots, good_images = (sorted(samples, key=lambda sample: sample.id) for samples in (shots, good_images))
    return settle_parts(Split(shots, good_images, test=[]), recipe.source)[0]


def compare(folder: RunFolder, stored: StoredSample, sample: Sample) -> list[str]:
    """What differs between a sample and the files of its record, as sentences."""
    found, made = [], encode(sample)
    for kind, file in stored.files.items():
        path = stored.path(folder.path, kind)
        wrong = damage(path, file.sha256)
        if wrong:
            found.append(f"the stored {kind} {path} {wrong}")
        if kind not in made:
            found.append(f"{kind}: stored and not drawn")
        elif made[kind].sha256 != file.sha256:
            found.append(f"{kind}: {_difference(kind, path, sample)}")
    return found


def _difference(kind: str, path: Path, sample: Sample) -> str:
    """In how many pixels an image or mask differs from the stored one; where that cannot be said, that it does."""
    drawn = {"image": sample.image, "mask": sample.mask}.get(kind)
    try:
        stored = read_png(path)
    except OSError:
        return "drawn otherwise than stored"
    if drawn is None or drawn.shape != stored.shape:
        return "drawn otherwise than stored"
    distance = np.abs(stored.astype(np.int16) - drawn.astype(np.int16))
    pixels = distance.reshape(*stored.shape[:2], -1).any(axis=2).sum()
    return f"{pixels} px differ, by at most {distance.max()}"


def _find(folder: RunFolder, sample_id: str) -> StoredSample:
    known = {sample.id: sample for sample in Journal(folder.journal).samples()}
    if sample_id not in known:
        raise RecipeError(f"{folder.path} has no sample {sample_id}; {did_you_mean(sample_id, known)}")
    stored = known[sample_id]
    if stored.role != "accepted":
        raise RecipeError(f"{sample_id} was {stored.role}, so it is not stored; name an accepted one")
    return stored
