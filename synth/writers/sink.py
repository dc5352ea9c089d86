"""Where writers put their files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from synth.io.atomic import copy, make_folder, naming_place, remove, replacing, sync_folder, write_whole
from synth.io.encoded import Encoded


class FolderSink:
    """A folder that is written to, each file whole or not at all.

    known: files that exist already, by the sha256 of their content; a file with the same content is copied from them,
    which costs no room where the file system shares blocks (`synth.io.reflink`)."""

    def __init__(self, folder: Path, known: Mapping[str, Path] | None = None) -> None:
        self._folder, self._known = folder, known or {}

    def put(self, name: str, file: Encoded | bytes) -> None:
        """A file by its path below the folder, with slashes."""
        content = file if isinstance(file, Encoded) else Encoded("", file)
        if content.sha256 in self._known:
            copy(self._known[content.sha256], self._folder / name)
        else:
            write_whole(self._folder / name, content.content)

    def file(self, name: str) -> AbstractContextManager[Path]:
        """A temporary path that becomes the file `name`, for those that write it themselves."""
        return replacing(self._folder / name)

    @contextmanager
    def scratch(self, name: str) -> Iterator[str]:
        """A file that is gone afterwards."""
        make_folder(self._folder)
        path = self._folder / f".{name}.0.part"
        try:
            with naming_place(path):
                yield str(path)
        finally:
            remove(path)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A place within a new or empty folder for what is to be written there: it moves up when all of it is done, and is
    taken away on any failure, the folder too where it is new. What a killed process left of it is cleared first."""
    place, fresh = folder / ".export.0.part", not folder.exists()
    shutil.rmtree(place, ignore_errors=True)
    try:
        yield place
        for entry in sorted(place.iterdir()):
            entry.rename(folder / entry.name)
        place.rmdir()
        sync_folder(folder)
    except BaseException:
        shutil.rmtree(folder if fresh else place, ignore_errors=True)
        raise
