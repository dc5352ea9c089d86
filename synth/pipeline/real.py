"""The real images a run uses, kept in the run: the good images that defects are drawn onto and the shots learnt from.

With them a run can be written in another format, shown and checked after the source has moved. Pixels are kept,
not files: everything is a PNG, and real/index.json, written last, says where each came from.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from synth.errors import SourceError
from synth.io.geometry import encoded_extras
from synth.io.images import SUFFIXES, content_hash
from synth.io.names import file_name
from synth.pipeline.folder import RunFolder, png_bytes, write_whole
from synth.sample import Sample


@dataclass(frozen=True, slots=True)
class RealImage:
    """One of them. `image` and `mask` are paths inside the run, `file` is where it came from, `sha256` the content
    hash of its pixels (of its points, for a cloud), `extras` its further files as in `synth.io.geometry`."""

    id: str
    role: Literal["good", "shot"]
    product: str
    defect: str | None
    image: str
    mask: str | None
    sha256: str
    file: str | None
    extras: dict[str, tuple[str, str]] = dataclasses.field(default_factory=dict)


def keep_real(folder: RunFolder, shots: Sequence[Sample], good_images: Sequence[Sample]) -> list[RealImage]:
    """Write shots and good images into the run, once; returns them by path."""
    index = folder.real / "index.json"
    if index.exists():
        return read_real(folder)
    kept: dict[str, RealImage] = {}
    for role, samples in (("good", good_images), ("shot", shots)):
        for sample in samples:
            entry = _keep(folder, sample, "good" if role == "good" else "shot", kept)
            kept[entry.image] = entry
    entries = [kept[image] for image in sorted(kept)]
    content = json.dumps([dataclasses.asdict(entry) for entry in entries], indent=1, ensure_ascii=False)
    write_whole(index, content.encode())
    return entries


def read_real(folder: RunFolder) -> list[RealImage]:
    """What `keep_real` wrote."""
    entries = json.loads((folder.real / "index.json").read_text(encoding="utf-8"))
    return [RealImage(**entry) for entry in entries]


def _keep(folder: RunFolder, sample: Sample, role: Literal["good", "shot"], taken: dict[str, RealImage]) -> RealImage:
    if sample.image is None:
        raise SourceError(f"{sample.id} has no image; a {role} needs one")
    product = str(sample.product)
    place = folder.real / ("good" if role == "good" else "shots") / file_name(product)
    if role == "shot":
        place /= file_name(str(sample.defect))
    sha256 = content_hash(sample.image) if sample.cloud is None else content_hash(sample.cloud.points)
    path = place / f"{_stem(sample.id)}.png"
    if str(path.relative_to(folder.path)) in taken:
        path = place / f"{path.stem}-{sha256[:8]}.png"
    write_whole(path, png_bytes(sample.image))
    mask = None
    if role == "shot" and sample.mask is not None:
        mask = path.with_name(f"{path.stem}_mask.png")
        write_whole(mask, png_bytes(sample.mask))
    extras = {}
    for kind, (suffix, content) in encoded_extras(sample).items():
        extra = path.with_name(f"{path.stem}{suffix}")
        write_whole(extra, content)
        extras[kind] = (str(extra.relative_to(folder.path)), hashlib.sha256(content).hexdigest())
    return RealImage(
        extras=extras,
        id=sample.id,
        role=role,
        product=product,
        defect=sample.defect,
        image=str(path.relative_to(folder.path)),
        mask=None if mask is None else str(mask.relative_to(folder.path)),
        sha256=sha256,
        file=None if sample.meta.get("file") is None else str(sample.meta["file"]),
    )


def _stem(sample_id: str) -> str:
    """tile/good/a.jpg -> a"""
    last = PurePosixPath(sample_id)
    return file_name(last.stem if last.suffix.lower() in SUFFIXES else last.name)
