"""WebDataset: tars that are read as a stream, by webdataset and by load_dataset("webdataset"):

<split>-000000.tar, <split>-000001.tar, ...       split: train, validation, test; about SHARD_BYTES each

    KEY.json        id, product, defect ("good" for none), synthetic, provenance (JSON as text, "" of a real sample)
    KEY.png         the image
    KEY.mask.png    its mask, 0 and 255, black for a good one
    KEY.xyz.npy     with an organised cloud: float32 (H, W, 3), metres
    KEY.ply         with an unorganised cloud: points, colours, label 1 = defect, metres

Readers want the same files of every sample. A key has no dot. The tars are plain USTAR without times and owners: the
same samples in the same order give the same bytes.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from contextlib import ExitStack
from types import TracebackType

import numpy as np

from synth.errors import WriterError
from synth.io.json_text import json_text
from synth.io.names import GOOD
from synth.io.png import png_bytes
from synth.io.points import ply_bytes
from synth.sample import Provenance, Sample
from synth.writers.labelled import image_and_mask, write_note
from synth.writers.names import Names
from synth.writers.sink import FolderSink

SHARD_BYTES = 256 * 2**20
SPLITS = ("train", "validation", "test")
_LONGEST_KEY = 80
"""Bytes: USTAR takes 100 for a name."""
_NOTE = """\
    <split>-<number>.tar   KEY.json, KEY.png, KEY.mask.png (255 = defect), KEY.xyz.npy and KEY.ply with clouds

    datasets.load_dataset("webdataset", data_files={"train": "train-*.tar"})

"""


def write(samples: Iterable[Sample], sink: FolderSink, shard_bytes: int = SHARD_BYTES) -> None:
    """Write the tars, in the order of the samples. WriterError for a defective image without a mask, and for
    a sample that has other files than the first."""
    names = Names()
    kinds: set[str] | None = None
    with ExitStack() as stack:
        shards: dict[str, _Shards] = {}
        for sample in samples:
            files = _files(sample)
            kinds = kinds or set(files)
            if set(files) != kinds:
                held, wanted = (", ".join(sorted(some)) for some in (set(files), kinds))
                raise WriterError(
                    f"{sample.id} has {held}, the first sample {wanted}; write samples of one kind to a WebDataset"
                )
            split = sample.split if sample.split in SPLITS else "train"
            if split not in shards:
                shards[split] = stack.enter_context(_Shards(sink, split, shard_bytes))
            key = names.of(sample, _LONGEST_KEY).replace(".", "_")
            shards[split].add({f"{key}.{kind}": files[kind] for kind in sorted(files)})
    write_note(sink, "A WebDataset", _NOTE)


class _Shards:
    """The tars of a split, one open at a time; each appears whole or not at all."""

    def __init__(self, sink: FolderSink, split: str, limit: int) -> None:
        self._sink, self._split, self._limit = sink, split, limit
        self._open = ExitStack()
        self._tar: tarfile.TarFile | None = None
        self._number = self._bytes = 0

    def __enter__(self) -> _Shards:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, problem, trace)

    def add(self, files: dict[str, bytes]) -> None:
        """A sample's files by name, together in one tar."""
        size = sum(map(len, files.values()))
        if self._tar is None or self._bytes + size > self._limit:
            self._tar = self._next()
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            self._tar.addfile(member, io.BytesIO(content))
        self._bytes += size

    def _next(self) -> tarfile.TarFile:
        self._open.close()
        path = self._open.enter_context(self._sink.file(f"{self._split}-{self._number:06d}.tar"))
        self._number, self._bytes = self._number + 1, 0
        return self._open.enter_context(tarfile.open(path, "w", format=tarfile.USTAR_FORMAT))


def _files(sample: Sample) -> dict[str, bytes]:
    """The contents of a sample's files by their endings."""
    files = {"json": json_text(_notes(sample), sort_keys=True, ensure_ascii=False).encode()}
    if sample.image is not None:
        image, mask = image_and_mask(sample)
        files |= {"png": image.content, "mask.png": png_bytes(mask)}
    if sample.xyz is not None:
        buffer = io.BytesIO()
        np.save(buffer, sample.xyz)
        files["xyz.npy"] = buffer.getvalue()
    if sample.cloud is not None:
        files["ply"] = ply_bytes(sample.cloud)
    return files


def _notes(sample: Sample) -> dict[str, object]:
    """Of the same types for every sample, which readers want."""
    made = sample.provenance
    return {
        "id": sample.id,
        "product": str(sample.product),
        "defect": sample.defect or GOOD,
        "synthetic": made is not None,
        "provenance": "" if made is None else _origin(made),
    }


def _origin(made: Provenance) -> str:
    content = {
        "generator": made.generator,
        "seed": made.seed,
        "index": made.index,
        "start": None if made.start is None else made.start.sha256,
        "window": made.window,
        "scores": dict(made.scores),
        "instances": [{"type": one.type, **one.parameters} for one in made.instances],
    }
    return json_text(content, sort_keys=True)
