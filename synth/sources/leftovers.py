"""Files and folders that other programs leave among images: waste baskets, thumbnails, notes of file systems, broken
downloads, backups. None is data, whatever it holds; how many are left out is told."""

from __future__ import annotations

import filecmp
import os
import re
from collections import Counter
from collections.abc import Collection
from fnmatch import fnmatchcase
from pathlib import Path

from synth.io.images import SUFFIXES
from synth.printable import printable

FOLDERS = {
    *("@eadir", "#recycle", "@recycle", "#snapshot", "@recently-snapshot", "@tmp"),  # Synology and QNAP
    *("$recycle.bin", "recycler", "system volume information", "found.000"),  # Windows
    *("lost+found", "__macosx", "network trash folder", "temporary items", "__pycache__"),
}
FILES = {"thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "picasa.ini", "icon\r"}
PATTERNS = (
    *("._*", "~$*", "*~", "*.bak", "*.swp", "*.tmp", "*.part", "*.partial", "*.crdownload"),
    *("synophoto_thumb_*", "synoindex_*", "*:zone.identifier"),
)
HIDDEN = ".* (hidden)"
COPY = re.compile(
    r"(copy|kopie|copie|copia)( \(\d+\))? (of|von|de|di) (?P<first>.+)"
    r"|(?P<stem>.+?)( -)? (copy|kopie|copie|copia)( ?\(?\d+\)?)?(?P<suffix>\.\w+)",
    re.IGNORECASE,
)
"""Names that Windows, macOS and file servers give to a copy: Copy of a.png, a - Copy (2).png, a copy.png."""


def leftover(name: str) -> str | None:
    """What a file or folder of this name is counted as, or None where it may be data."""
    lower = name.lower()
    if lower in FOLDERS | FILES:
        return name
    pattern = next((pattern for pattern in PATTERNS if fnmatchcase(lower, pattern)), None)
    return pattern or (HIDDEN if name.startswith(".") else None)


def is_copy(folder: Path, name: str, names: Collection[str]) -> bool:
    """Whether a file among `names` is called a copy of another of them and has the same bytes."""
    made = COPY.fullmatch(name)
    if made is None:
        return False
    original = made["first"] or made["stem"] + made["suffix"]
    if original not in names:
        return False
    try:
        return filecmp.cmp(folder / name, folder / original, shallow=False)
    except OSError:
        return False


def count(entry: os.DirEntry[str], label: str) -> int:
    """The files behind a leftover; of those that are only hidden the images, as nobody looks for others there. What
    cannot be listed counts as none, and a link as one."""
    names = [entry.name]
    if entry.is_dir(follow_symlinks=False):
        names = [name for _, _, files in os.walk(entry.path) for name in files]
    return sum(label != HIDDEN or name.lower().endswith(SUFFIXES) for name in names)


def told(counts: Counter[str]) -> str | None:
    """One sentence on all that was left out."""
    found = [f"{n} file{'s' * (n > 1)} of {printable(label)}" for label, n in sorted(counts.items()) if n]
    return f"left out as leftovers of other programs: {', '.join(found)}" if found else None
