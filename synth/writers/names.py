"""File names of samples within a tree."""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePosixPath

from synth.errors import WriterError
from synth.io.images import SUFFIXES, content_hash
from synth.io.names import LONGEST, file_name
from synth.sample import Sample

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_HASH = 10
"""Hexadecimal digits of a hash in a file's name."""


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


def one_line(name: str) -> str:
    """A name as XML and lists of lines can hold it."""
    return _UNPRINTABLE.sub("_", name)


class Names:
    """File names without their endings that depend on nothing but the sample: its id, and a part of a hash of id and
    content. Any order of the samples gives the same names."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, sample: Sample, longest: int = LONGEST) -> str:
        """The name of a sample, of `longest` bytes at most. WriterError where one is there twice."""
        digest = hashlib.sha256(f"{sample.id}\n{_content(sample)}".encode(errors="surrogatepass")).hexdigest()[:_HASH]
        if digest in self._taken:
            raise WriterError(f"{sample.id} is there twice; write each sample once")
        self._taken.add(digest)
        return f"{file_name(stem_of(sample.id), longest - _HASH - 1)}-{digest}"


def _content(sample: Sample) -> str:
    if sample.cloud is not None:
        return content_hash(sample.cloud.points)
    if sample.image is None:
        raise WriterError(f"{sample.id} has neither an image nor a cloud")
    return content_hash(sample.image)
