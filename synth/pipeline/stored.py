"""`StoredSample`: the one record of everything that a run keeps, real or generated, accepted or rejected.

Its JSON form is a line of the journal, a row of the manifest or an entry of real/index.json:

{"id", "role", "product", "defect", "files": {kind: [path, sha256]}, "content", "source",
 "provenance": {"generator", "seed", "index", "start": {"id", "sha256", "file"}, "window", "scores", "instances",
                "edited": {kind: sha256}},
 "reason", "detail", "scores", "unmeasured"}

Paths are relative to the run and stay inside it, whoever wrote them; a file is compared with its sha256 when it is
read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np

from synth.errors import RunError
from synth.io.digest import file_sha256
from synth.io.geometry import read_extras, read_masks
from synth.io.png import read_png
from synth.printable import printable
from synth.sample import Instance, Origin, Provenance, Sample

Role = Literal["good", "shot", "test", "accepted", "rejected", "surplus"]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a run: its path from the run's folder, with slashes, and the hash of its content."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class StoredSample:
    """A sample without its pixels.

    `role`: a real good image or a shot that was learnt from, or a test image, good or not, that is only copied; or a
    candidate that was accepted, rejected, or passed after the quota was met (surplus, no files). `files` by kind:
    "image", "mask", "xyz", "cloud", "masks"; of a rejected candidate small previews of the first two. `content`: of a
    real sample, the hash of its pixels or points, as in the ledger; `source`: the file it came from. `scores` are what
    the checks measured, `unmeasured` what they could not; `reason` and `detail` say why a candidate was rejected."""

    id: str
    role: Role
    product: str
    defect: str | None
    files: Mapping[str, StoredFile] = field(default_factory=dict)
    content: str | None = None
    source: str | None = None
    provenance: Provenance | None = None
    reason: str | None = None
    detail: str | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    unmeasured: tuple[str, ...] = ()

    @property
    def generated(self) -> Provenance:
        """How a candidate was generated. RunError for a real sample."""
        if self.provenance is None:
            raise RunError(f"{self.id} is a real sample")
        return self.provenance

    def without_arrays(self) -> StoredSample:
        """The record without the pixels that its provenance holds while in memory."""
        made = self.provenance
        if made is None:
            return self
        start = None if made.start is None else Origin(made.start.id, made.start.sha256, made.start.file)
        return replace(self, provenance=replace(made, start=start, masks=None))

    def path(self, root: Path, kind: str) -> Path:
        """Where one of its files is, below the run's folder `root`. RunError where it has none of this kind, or where
        the record names a place outside the run."""
        if kind not in self.files:
            raise RunError(f"{self.id} is {self.role} and has no {kind} file")
        return inside(root, self.files[kind].path)

    def verified(self, root: Path, kind: str) -> Path:
        """`path`, its content compared with the record. RunError where it is gone or differs."""
        path = self.path(root, kind)
        wrong = damage(path, self.files[kind].sha256)
        if wrong:
            edited = self.provenance is not None and kind in self.provenance.edited
            remedy = "put the mask back as you edited it" if edited else "run the same recipe again to make it anew"
            left_out = f", or leave it out: flawsmith drop {root} {self.id}" if self.role == "accepted" else ""
            raise RunError(printable(f"{path} {wrong}; {remedy}{left_out}"))
        return path

    def load(self, root: Path) -> Sample:
        """The sample with its pixels, each file verified. Its provenance has the scores that the checks measured, and
        the masks of its instances where they were stored."""
        paths = {kind: self.verified(root, kind) for kind in self.files}
        image = read_png(paths["image"]) if "image" in paths else None
        mask = read_png(paths["mask"]) if "mask" in paths else None
        xyz, cloud = read_extras(paths)
        if mask is None and self.defect is None and image is not None:
            mask = np.zeros(image.shape[:2], bool)
        made = self.provenance
        if made is not None:
            masks = read_masks(paths["masks"]) if "masks" in paths else None
            made = replace(made, scores=self.scores, masks=masks)
        meta = {"file": self.source if made is None else str(paths.get("image")), "sha256": self.content}
        return Sample(
            id=self.id,
            image=image,
            mask=mask,
            xyz=xyz,
            cloud=cloud,
            product=self.product,
            defect=self.defect,
            split="test" if self.role == "test" else "train",
            provenance=made,
            meta=meta,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain types, without what is empty."""
        entry: dict[str, Any] = {"id": self.id, "role": self.role, "product": self.product, "defect": self.defect}
        entry["files"] = {kind: [file.path, file.sha256] for kind, file in self.files.items()}
        entry["provenance"] = None if self.provenance is None else _provenance_json(self.provenance)
        entry |= {name: getattr(self, name) for name in ("content", "source", "reason", "detail")}
        entry |= {"scores": dict(self.scores), "unmeasured": list(self.unmeasured)}
        return {name: value for name, value in entry.items() if value not in (None, {}, [])}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> StoredSample:
        """What `to_json` gave. KeyError, TypeError or ValueError for anything else."""
        files = {kind: StoredFile(str(path), str(sha256)) for kind, (path, sha256) in entry.get("files", {}).items()}
        made = entry.get("provenance")
        return cls(
            id=str(entry["id"]),
            role=entry["role"],
            product=str(entry["product"]),
            defect=entry.get("defect"),
            files=files,
            provenance=None if made is None else _provenance(made),
            scores=_scores(entry.get("scores", {})),
            unmeasured=tuple(entry.get("unmeasured", ())),
            **{name: entry.get(name) for name in ("content", "source", "reason", "detail")},
        )


def _scores(entry: Mapping[str, Any]) -> dict[str, float]:
    """Scores by name; null, as JSON has it, is not a number again."""
    return {str(name): math.nan if value is None else float(value) for name, value in entry.items()}


def inside(root: Path, name: str) -> Path:
    """The place below `root` that a stored path means. RunError for an absolute path, one with `..`, and one that a
    link leads out of the run."""
    path = PurePosixPath(name)
    if not path.is_absolute() and ".." not in path.parts and "\\" not in name and ":" not in name and "\0" not in name:
        place = root / path
        if place.resolve().is_relative_to(root.resolve()):
            return place
    raise RunError(f"{root} names the file {name!r}, which lies outside of it: it was not written by flawsmith")


def damage(path: Path, sha256: str) -> str:
    """What is wrong with a file whose content should have this hash; "" where nothing is."""
    try:
        if not path.is_file():
            return "is gone"
        return "" if file_sha256(path) == sha256 else "is damaged"
    except OSError as problem:
        return f"cannot be read ({problem.strerror})"


def is_damaged(root: Path, sample: StoredSample) -> bool:
    """Whether one of a sample's files, in the run's folder `root`, is gone or not as it was written."""
    return any(damage(sample.path(root, kind), file.sha256) for kind, file in sample.files.items())


def _provenance_json(made: Provenance) -> dict[str, Any]:
    start = made.start
    edited = {"edited": dict(made.edited)} if made.edited else {}
    return edited | {
        "generator": made.generator,
        "seed": made.seed,
        "index": made.index,
        "start": None if start is None else {"id": start.id, "sha256": start.sha256, "file": start.file},
        "window": made.window,
        "scores": dict(made.scores),
        "instances": [{"type": one.type, **one.parameters} for one in made.instances],
        "failure": made.failure,
    }


def _provenance(entry: Mapping[str, Any]) -> Provenance:
    start, window = entry["start"], entry["window"]
    return Provenance(
        generator=str(entry["generator"]),
        seed=int(entry["seed"]),
        index=int(entry["index"]),
        start=None if start is None else Origin(start["id"], start["sha256"], start["file"]),
        window=None if window is None else (int(window[0]), int(window[1]), int(window[2])),
        scores=_scores(entry["scores"]),
        instances=tuple(
            Instance(one["type"], {k: v for k, v in one.items() if k != "type"}) for one in entry["instances"]
        ),
        failure=entry.get("failure"),
        edited=entry.get("edited", {}),
    )
