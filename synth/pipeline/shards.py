"""Shards: fixed ranges of requests of one (product, defect), made anywhere, in any order, with the same bytes.

`make_shard` touches nothing but its arguments. What it gives are candidates with their verdicts and the bytes of the
files that would be kept of them; `synth.pipeline.commit` decides which are.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from synth.checks import Reject
from synth.checks.config import ChecksConfig
from synth.checks.mask import judge
from synth.errors import GeneratorError, RunError
from synth.generators import GENERATORS, Generator, Request
from synth.io.atomic import replacing
from synth.io.encoded import Encoded, encode
from synth.io.json_text import json_text
from synth.io.names import file_name
from synth.io.png import png_bytes
from synth.pipeline.journal import Kind
from synth.pipeline.stored import StoredSample
from synth.sample import Sample

PREVIEW_SIDE = 160
"""Longer side in px of the small images that are kept of rejected candidates."""


@dataclass(frozen=True, slots=True)
class Shard:
    """The requests number * size .. number * size + size - 1 of one (product, defect) of a run with this seed."""

    product: str
    defect: str
    number: int
    size: int
    run_seed: int
    rejected: int = 0

    @property
    def kind(self) -> Kind:
        return self.product, self.defect

    def requests(self) -> list[Request]:
        indices = range(self.number * self.size, (self.number + 1) * self.size)
        return [Request(self.product, self.defect, index, self.run_seed) for index in indices]

    def path(self, folder: Path) -> Path:
        """Where a shard that was made ahead lies."""
        return folder / file_name(self.product) / file_name(self.defect) / f"{self.number:06d}.zip"


@dataclass(frozen=True, slots=True)
class Stream:
    """What is wanted of one (product, defect): `quota` samples from `attempts` candidates at most, rounded up to whole
    shards of `size` requests. `rejected`: those of the quota that take the place of samples a person rejected."""

    product: str
    defect: str
    quota: int
    attempts: int
    size: int
    run_seed: int
    rejected: int = 0

    @property
    def kind(self) -> Kind:
        return self.product, self.defect

    @property
    def shards(self) -> int:
        """Number of shards after which the stream ends, met quota or not."""
        return math.ceil(self.attempts / self.size)

    @property
    def most_drawn(self) -> int:
        """Number of candidates in these shards."""
        return self.shards * self.size

    def more(self, rejected: int, max_attempts: float) -> Stream:
        """The stream with replacements for rejected samples, in as many attempts for each as for others."""
        quota = self.quota + rejected
        return replace(self, quota=quota, attempts=math.ceil(quota * max_attempts), rejected=rejected)

    def shard(self, number: int) -> Shard:
        return Shard(self.product, self.defect, number, self.size, self.run_seed)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A judged candidate: its record, "accepted" or "rejected" and without files yet, and what its files would hold: of
    a rejected one small previews."""

    sample: StoredSample
    files: Mapping[str, Encoded] = field(default_factory=dict)


def make_shard(generator: Generator, kind: str, checks: ChecksConfig, shard: Shard) -> list[Candidate]:
    """Draw and judge the candidates of a shard; kind: the fitted generator's name in the registry. GeneratorError where
    it draws anything else than it was asked for."""
    requests = shard.requests()
    surroundings, unmeasured = generator.surroundings(shard.product), GENERATORS[kind].unmeasured
    found = []
    for sample in draw(generator, requests):
        judged = judge(sample, checks, surroundings, unmeasured)
        reject = judged.verdict if isinstance(judged.verdict, Reject) else None
        record = StoredSample(
            id=sample.id,
            role="rejected" if reject else "accepted",
            product=shard.product,
            defect=shard.defect,
            provenance=sample.provenance,
            reason=reject.reason if reject else None,
            detail=reject.detail if reject else None,
            scores=judged.scores,
            unmeasured=judged.unmeasured,
        )
        found.append(Candidate(record.without_arrays(), _preview(sample) if reject else encode(sample)))
    return found


def draw(generator: Generator, requests: list[Request]) -> list[Sample]:
    """One candidate a request, in order; GeneratorError where the generator gives anything else."""
    samples = generator.draw(requests)
    if [sample.id for sample in samples] != [request.id for request in requests]:
        raise GeneratorError(f"asked for {requests[0].id} to {requests[-1].id}, the generator drew other samples")
    for sample in samples:
        if sample.provenance is None:
            raise GeneratorError(f"{sample.id} has no provenance: a generator says how each sample was made")
    return samples


def save_shard(candidates: list[Candidate], path: Path) -> None:
    """A shard as one file, a zip without compression: candidates.json and the files named NUMBER/KIND."""
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as target:
        entries = [
            {"sample": c.sample.to_json(), "files": {k: f.suffix for k, f in c.files.items()}} for c in candidates
        ]
        target.writestr(zipfile.ZipInfo("candidates.json"), json_text(entries))
        for number, candidate in enumerate(candidates):
            for kind, file in candidate.files.items():
                target.writestr(zipfile.ZipInfo(f"{number}/{kind}"), file.content)


def load_shard(path: Path) -> list[Candidate]:
    """What `save_shard` wrote; RunError for anything else (a zip knows the checksums of its members)."""
    try:
        with zipfile.ZipFile(path) as source:
            entries = json.loads(source.read("candidates.json"))
            return [
                Candidate(
                    StoredSample.from_json(entry["sample"]),
                    {k: Encoded(suffix, source.read(f"{number}/{k}")) for k, suffix in entry["files"].items()},
                )
                for number, entry in enumerate(entries)
            ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile, RecursionError) as problem:
        raise RunError(f"{path} is no shard of this run ({problem}); delete it, it is made again") from problem


def _preview(sample: Sample) -> dict[str, Encoded]:
    if sample.image is None:
        return {}
    mask = sample.mask if sample.mask is not None else np.zeros(sample.image.shape[:2], bool)
    return {
        "image": Encoded(".webp", _small_image(sample.image)),
        "mask": Encoded("_mask.png", png_bytes(_small_mask(mask))),
    }


def _small_size(height: int, width: int) -> tuple[int, int]:
    scale = min(1.0, PREVIEW_SIDE / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _small_image(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    small = Image.fromarray(image).resize(_small_size(*image.shape[:2]), Image.Resampling.BOX)
    small.save(buffer, format="WEBP", quality=85)
    return buffer.getvalue()


def _small_mask(mask: np.ndarray) -> np.ndarray:
    grey = Image.fromarray(mask.astype(np.uint8) * 255).resize(_small_size(*mask.shape), Image.Resampling.BOX)
    return np.asarray(grey) > 0
