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
        # An inode that is open is not given to another file.
        self._open: dict[int, int] = {}

    def fsync(self, descriptor: int) -> None:
        self._sync(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        found = os.fstat(descriptor)
        self._keep(found.st_ino, path)
        if stat.S_ISDIR(found.st_mode):
            with os.scandir(path) as entries:
                names = {entry.name: (entry.inode(), entry.is_dir()) for entry in entries}
            for name, (inode, _) in names.items():
                self._keep(inode, path / name)
            self._folders[found.st_ino] = names
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
        for descriptor in self._open.values():
            os.close(descriptor)

    def _keep(self, inode: int, path: Path) -> None:
        if inode not in self._open:
            self._open[inode] = os.open(path, os.O_RDONLY)

    def _restore(self, inode: int, is_folder: bool, place: Path) -> None:
        if is_folder:
            place.mkdir()
            for name, below in self._folders.get(inode, {}).items():
                self._restore(*below, place / name)
        else:
            # Named but never synced: the name is there and the content is not.
            place.write_bytes(self._files.get(inode, b""))
