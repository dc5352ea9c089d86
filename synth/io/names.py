"""Names of files and folders: which are safe on every system, and which of them would meet in one place."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path

from synth.errors import FlawsmithError, SourceError
from synth.printable import shown

GOOD = "good"
"""The folder of good images in every layout that is written."""


LONGEST = 220
"""Bytes of a name: file systems take 255, of which endings, a part of a hash and marks of a temporary file take 35."""


def file_name(name: str, longest: int = LONGEST) -> str:
    """A name that every file system and archive takes; letters, digits, space, dot, dash and underscore stay. One of
    more bytes than `longest` is cut and ends in a part of its hash."""
    cleaned = re.sub(r"[^\w. -]+", "_", name).strip(". ") or "_"
    if len(os.fsencode(cleaned)) <= longest:
        return cleaned
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
    head = cleaned.encode(errors="replace")[: longest - 9].decode(errors="ignore")
    return f"{head.rstrip('. ')}-{digest}"


def as_path(value: object, what: str, error: Callable[[str], FlawsmithError]) -> Path:
    """A place that a caller names. `error` for what is neither text nor a path; what: "a source", as it says."""
    if isinstance(value, str | os.PathLike):
        return Path(value)
    raise error(f"{what} is {shown(value)}, wanted a path")


def beside(path: Path, suffix: str) -> Path:
    """The neighbour of a folder, as outputs/demo-verdict of outputs/demo; of "." too, which has no name of its own."""
    named = path if path.name not in ("", "..") else path.resolve()
    return named.with_name(named.name + suffix)


def is_utf8(name: str) -> bool:
    """Whether text can hold the name: what Python cannot decode of one it keeps as surrogates."""
    return name.encode(errors="ignore").decode() == name


def composed(name: str) -> str:
    """A name in the Unicode form in which it is compared: macOS writes accents as signs of their own."""
    return unicodedata.normalize("NFC", name)


def same_name(one: str, other: str) -> bool:
    """Whether two names are one, in whichever Unicode form each is written."""
    return one == other or composed(one) == composed(other)


def own_name(folder: Path) -> str:
    """The name by which a folder is called: a link's own, not that of what it means."""
    return named_place(folder).name or "product"


def named_place(path: Path) -> Path:
    """A path from the root of the file system on; its last step is kept as it is called, even where it is a link."""
    return path.resolve() if path.name in ("", "..") else path.parent.resolve() / path.name


def check_names(pairs: Iterable[tuple[str, str | None]]) -> None:
    """Raise SourceError where two products, or two defect types of a product, would share a folder on some system:
    their names are equal after `file_name`, without capitals and in one Unicode form. `pairs`: (product, defect),
    None = good; the name of the good images' folder is taken."""
    products: dict[str, str] = {}
    defects: dict[tuple[str, str], str] = {}
    for product, defect in sorted(set(pairs), key=lambda pair: (pair[0], pair[1] or "")):
        first = products.setdefault(_folder(product), product)
        if first != product:
            raise SourceError(_share("products", first, product))
        if defect is None:
            continue
        if _folder(defect) == GOOD:
            raise SourceError(
                f"defect type {defect!r} of {product!r} would share the folder {GOOD} with the good images; rename its "
                "folder"
            )
        first = defects.setdefault((product, _folder(defect)), defect)
        if first != defect:
            raise SourceError(_share(f"defect types of {product!r},", first, defect))


def _folder(name: str) -> str:
    cleaned = file_name(composed(name))
    return composed(cleaned.casefold())


def _share(what: str, first: str, second: str) -> str:
    alike = composed(first) == composed(second)
    one, other = (ascii(name) if alike else repr(name) for name in (first, second))
    return (
        f"two {what} {one} and {other} would share one folder: their names differ only in capitals, accents' encoding, "
        "signs that file names cannot have, or dots and blanks at an end; rename one of their folders"
    )
