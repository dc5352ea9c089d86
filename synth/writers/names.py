"""File names of samples within a tree."""

from __future__ import annotations

from pathlib import PurePosixPath

from synth.errors import WriterError
from synth.io.images import SUFFIXES, content_hash
from synth.io.names import file_name
from synth.sample import Sample


def stem_of(sample_id: str) -> str:
    """tile/good/a.jpg -> a"""
    last = PurePosixPath(sample_id)
    return file_name(last.stem if last.suffix.lower() in SUFFIXES else last.name)


class Stems:
    """File names without their endings, after the samples' ids; one that is taken in its folder gets a part of its
    content's hash."""

    def __init__(self) -> None:
        self._taken: set[tuple[str, str]] = set()

    def of(self, sample: Sample, folder: str) -> str:
        """The name of a sample in a folder. WriterError where two samples there have one id and one content."""
        stem = stem_of(sample.id)
        if (folder, stem) in self._taken:
            stem = f"{stem}-{_content(sample)[:8]}"
        if (folder, stem) in self._taken:
            raise WriterError(f"{sample.id} is there twice; write each sample once")
        self._taken.add((folder, stem))
        return stem


def _content(sample: Sample) -> str:
    if sample.cloud is not None:
        return content_hash(sample.cloud.points)
    if sample.image is None:
        raise WriterError(f"{sample.id} has neither an image nor a cloud")
    return content_hash(sample.image)
