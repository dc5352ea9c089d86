"""One sample drawn again and compared with the stored one, bit for bit."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from synth.errors import RecipeError
from synth.generators import Progress
from synth.io.geometry import encoded_extras
from synth.pipeline.folder import RunFolder, read_png
from synth.pipeline.journal import Journal, Record
from synth.pipeline.preparation import check_same_source, open_generator, plan, prepare, run_folder, silent
from synth.pipeline.streams import draw
from synth.recipe import load_recipe
from synth.sample import Sample
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
    """Draw the sample's whole batch again with the stored model and compare the one. Needs the run's folder and its
    source, changes neither. RecipeError for an id that the run has not accepted."""
    folder = run_folder(run_path)
    record = _find(folder, sample_id)
    recipe = load_recipe(folder.recipe)
    split, ledger, _ = prepare(recipe, progress or silent)
    check_same_source(folder, ledger)
    generator = open_generator(recipe, folder)
    generator.fit(split.shots, split.good_images, progress)
    stream = next(
        s
        for s in plan(recipe, split.shots, split.good_images)
        if (s.product, s.defect) == (record.product, record.defect)
    )
    drawn = draw(generator, stream.requests(record.index // stream.batch))
    sample = drawn[record.index % stream.batch]
    return Regenerated(sample, tuple(compare(folder, record, sample)))


def compare(folder: RunFolder, record: Record, sample: Sample) -> list[str]:
    """What differs between a sample and the files of its record, as sentences."""
    found = []
    stored = (("image", record.image, record.image_sha256), ("mask", record.mask, record.mask_sha256))
    for what, name, sha256 in stored:
        path = folder.path / str(name)
        if not path.is_file():
            found.append(f"the stored {what} {path} is gone")
            continue
        if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            found.append(f"the stored {what} {path} is not the file that was written")
        drawn = getattr(sample, what)
        difference = _difference(read_png(path), drawn)
        if difference:
            found.append(f"{what}: {difference}")
    encoded = encoded_extras(sample)
    for kind, (name, sha256) in record.extras.items():
        path = folder.path / name
        if not path.is_file():
            found.append(f"the stored {kind} {path} is gone")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            found.append(f"the stored {kind} {path} is not the file that was written")
        elif kind not in encoded or hashlib.sha256(encoded[kind][1]).hexdigest() != sha256:
            found.append(f"{kind}: drawn otherwise than stored")
    return found


def _difference(stored: np.ndarray, drawn: np.ndarray | None) -> str | None:
    if drawn is None or drawn.shape != stored.shape:
        return f"{None if drawn is None else drawn.shape} drawn, {stored.shape} stored"
    distance = np.abs(stored.astype(np.int16) - drawn.astype(np.int16))
    if not distance.any():
        return None
    pixels = distance.reshape(*stored.shape[:2], -1).any(axis=2).sum()
    return f"{pixels} px differ, by at most {distance.max()}"


def _find(folder: RunFolder, sample_id: str) -> Record:
    records = {record.id: record for record in Journal(folder.journal).records}
    if sample_id not in records:
        raise RecipeError(f"{folder.path} has no sample {sample_id}; {did_you_mean(sample_id, records)}")
    record = records[sample_id]
    if record.status != "accepted":
        raise RecipeError(f"{sample_id} was {record.status}, so it is not stored; name an accepted one")
    return record
