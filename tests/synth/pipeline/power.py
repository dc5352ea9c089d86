"""A disk on which only what was synced outlives a power failure, for tests."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path


class Disk:
    """Watches os.fsync: a file's content counts as of its last sync, a folder's names as of that folder's last sync.
    `stop` raises after that many syncs."""

    def __init__(self, root: Path, sync: Callable[[int], None]) -> None:
        self.root, self.syncs, self.stop = root, 0, -1
        self._sync = sync
        self._files: dict[int, bytes] = {}
        self._folders: dict[int, dict[str, tuple[int, bool]]] = {}

    def fsync(self, descriptor: int) -> None:
        self._sync(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            with os.scandir(path) as entries:
                self._folders[found.st_ino] = {e.name: (e.inode(), e.is_dir()) for e in entries}
        else:
            self._files[found.st_ino] = path.read_bytes()
        self.syncs += 1
        if self.syncs == self.stop:
            raise KeyboardInterrupt

    def after_failure(self, place: Path) -> None:
        """What a machine finds after the power came back, as the folder `place`."""
        names = self._folders.get(self.root.parent.stat().st_ino, {})
        if self.root.name in names:
            self._restore(*names[self.root.name], place)

    def _restore(self, inode: int, is_folder: bool, place: Path) -> None:
        """What was named and never synced is there without its content."""
        if is_folder:
            place.mkdir()
            for name, below in self._folders.get(inode, {}).items():
                self._restore(*below, place / name)
        else:
            place.write_bytes(self._files.get(inode, b""))
