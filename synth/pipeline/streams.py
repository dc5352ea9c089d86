"""Drawing until the quota is met: one endless stream of requests for each (product, defect).

Batch k of a stream is always its indices k B .. k B + B - 1, whatever happened before. What becomes of a candidate is
decided by the recipe, the candidate and the journal alone, so an interrupted run ends as an uninterrupted one.
"""

from __future__ import annotations

import hashlib
import io
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from synth.checks import Reject
from synth.checks.config import ChecksConfig
from synth.checks.mask import Judgement, judge
from synth.errors import GeneratorError
from synth.generators import GENERATORS, Generator, Progress, Request
from synth.io.geometry import encoded_extras
from synth.io.names import file_name
from synth.pipeline.folder import RunFolder, png_bytes, write_whole
from synth.pipeline.journal import Journal, Record
from synth.pipeline.manifest import Shortfall
from synth.sample import Sample

REJECTED_KEPT = 24
"""Rejected candidates of a stream that are kept as small images, the first ones."""
REJECTED_SIDE = 160
"""Longer side of such an image in px."""


@dataclass(frozen=True, slots=True)
class Stream:
    """What is wanted of one (product, defect). `attempts` candidates are drawn at most, rounded up to whole batches."""

    product: str
    defect: str
    quota: int
    attempts: int
    batch: int
    run_seed: int
    generator: str

    def requests(self, number: int) -> list[Request]:
        """The requests of batch `number`."""
        indices = range(number * self.batch, (number + 1) * self.batch)
        return [Request(self.product, self.defect, index, self.run_seed) for index in indices]

    @property
    def batches(self) -> int:
        """Number of batches after which the stream ends, met quota or not."""
        return math.ceil(self.attempts / self.batch)


def draw_stream(
    stream: Stream,
    generator: Generator,
    journal: Journal,
    folder: RunFolder,
    checks: ChecksConfig,
    progress: Progress,
) -> None:
    """Draw, judge, keep and journal batch after batch until the quota is met or the attempts are used up."""
    stage = f"drawing {stream.product}/{stream.defect}"
    result = journal.result(stream.product, stream.defect)
    surroundings = generator.surroundings(stream.product)
    unmeasured = GENERATORS[stream.generator].unmeasured
    accepted, rejected = result.accepted, sum(result.reasons.values())
    progress(stage, accepted, stream.quota)
    while accepted < stream.quota and journal.closed(stream.product, stream.defect) < stream.batches:
        requests = stream.requests(journal.closed(stream.product, stream.defect))
        records = []
        for request, sample in zip(requests, draw(generator, requests), strict=True):
            record = _record(request, sample, judge(sample, checks, surroundings, unmeasured), accepted < stream.quota)
            records.append(_keep(folder, record, sample, rejected))
            accepted += record.status == "accepted"
            rejected += record.status == "rejected"
        journal.add(stream.product, stream.defect, records)
        progress(stage, accepted, stream.quota)


def draw(generator: Generator, requests: list[Request]) -> list[Sample]:
    """One candidate a request, in order; GeneratorError where the generator gives anything else."""
    samples = generator.draw(requests)
    if [sample.id for sample in samples] != [request.id for request in requests]:
        raise GeneratorError(f"asked for {requests[0].id} to {requests[-1].id}, the generator drew other samples")
    return samples


def shortfall(stream: Stream, journal: Journal) -> Shortfall | None:
    """What is missing from the stream's quota, None if nothing."""
    result = journal.result(stream.product, stream.defect)
    if result.accepted >= stream.quota:
        return None
    return Shortfall(
        stream.product, stream.defect, stream.quota, result.accepted, result.attempts, dict(result.reasons)
    )


def _record(request: Request, sample: Sample, judged: Judgement, wanted: bool) -> Record:
    reject = judged.verdict if isinstance(judged.verdict, Reject) else None
    made = sample.provenance
    if made is None:
        raise GeneratorError(f"{sample.id} has no provenance: a generator tells how each sample was made")
    start = made.start
    return Record(
        instances=[{"type": one.type, **one.parameters} for one in made.instances],
        id=request.id,
        product=request.product,
        defect=request.defect,
        index=request.index,
        seed=request.seed,
        status="rejected" if reject else "accepted" if wanted else "surplus",
        reason=reject.reason if reject else None,
        detail=reject.detail if reject else None,
        start=None if start is None else start.sha256,
        start_file=None if start is None else start.file,
        window=made.window,
        scores=judged.scores,
        unmeasured=list(judged.unmeasured),
    )


def _keep(folder: RunFolder, record: Record, sample: Sample, rejected: int) -> Record:
    """Write what is to stay of a candidate; returns the record with the paths and hashes of the files."""
    small = record.status == "rejected"
    if sample.image is None or record.status == "surplus" or (small and rejected >= REJECTED_KEPT):
        return record
    mask = sample.mask if sample.mask is not None else np.zeros(sample.image.shape[:2], bool)
    place = (folder.rejected if small else folder.samples) / file_name(record.product) / file_name(record.defect)
    image_path, mask_path = sample_paths(place, record.id, ".webp" if small else ".png")
    image_bytes = _small_image(sample.image) if small else png_bytes(sample.image)
    mask_bytes = png_bytes(_small_mask(mask) if small else mask)
    extras = {}
    for kind, (suffix, content) in ({} if small else encoded_extras(sample)).items():
        path = image_path.with_name(f"{file_name(record.id)}{suffix}")
        write_whole(path, content)
        extras[kind] = (path.relative_to(folder.path).as_posix(), hashlib.sha256(content).hexdigest())
    write_whole(image_path, image_bytes)
    write_whole(mask_path, mask_bytes)
    return replace(
        record,
        extras=extras,
        image=image_path.relative_to(folder.path).as_posix(),
        mask=mask_path.relative_to(folder.path).as_posix(),
        image_sha256=hashlib.sha256(image_bytes).hexdigest(),
        mask_sha256=hashlib.sha256(mask_bytes).hexdigest(),
    )


def sample_paths(place: Path, sample_id: str, suffix: str) -> tuple[Path, Path]:
    """Image and mask of a sample in its folder."""
    name = file_name(sample_id)
    return place / f"{name}{suffix}", place / f"{name}_mask.png"


def _small_size(height: int, width: int) -> tuple[int, int]:
    scale = min(1.0, REJECTED_SIDE / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _small_image(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    small = Image.fromarray(image).resize(_small_size(*image.shape[:2]), Image.Resampling.BOX)
    small.save(buffer, format="WEBP", quality=85)
    return buffer.getvalue()


def _small_mask(mask: np.ndarray) -> np.ndarray:
    grey = Image.fromarray(mask.astype(np.uint8) * 255).resize(_small_size(*mask.shape), Image.Resampling.BOX)
    return np.asarray(grey) > 0
