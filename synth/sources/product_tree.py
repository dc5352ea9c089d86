"""Trees with one folder a product, or whose root is the only product: what their readers share."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from synth.errors import SourceError
from synth.sources.listing import (
    Entry,
    Listing,
    Problem,
    files_below,
    is_image,
    limit_good_images,
    open_root,
)
from synth.sources.walk import is_hidden

Lister = Callable[[Path, str, Sequence[Path]], Iterable[Entry | Problem]]
"""(a product's folder, the product's name, the files below it) -> what they are."""


def product_folders(root: Path, is_product: Callable[[Path], bool]) -> list[Path]:
    """The root and the folders in it that hold a product, without hidden ones and as far as they can be looked into:
    `files_below` refuses those that cannot, by name."""
    found = []
    for folder in (root, *sorted(path for path in root.iterdir() if not is_hidden(path.name))):
        with suppress(PermissionError):
            if is_product(folder):
                found.append(folder)
    return found


def divide(files: Iterable[Path], folders: Iterable[Path]) -> tuple[dict[Path, list[Path]], list[Path]]:
    """The files below each product's folder, and those below none. A file below two is the inner one's."""
    below: dict[Path, list[Path]] = {folder: [] for folder in folders}
    outside: list[Path] = []
    for file in files:
        home = next((folder for folder in file.parents if folder in below), None)
        (outside if home is None else below[home]).append(file)
    return below, outside


def misplaced(file: Path, tree: str, places: str, kind: str = "images") -> Problem:
    """The warning for a file that would be data at another place of the tree."""
    what = f"is not where the {tree} tree has {kind}, and is not read"
    return Problem(str(file), what, f"move it to {places}, or leave it out with source.exclude", "warning")


def list_products(
    layout: str,
    root: str | Path,
    is_product: Callable[[Path], bool],
    entries_of: Lister,
    tree: str,
    wanted: str,
    places: str,
    *,
    product: str | None,
    products: Literal["all"] | Sequence[str],
    good_limit: int | None,
    exclude: Sequence[str],
    follow_links: bool,
) -> Listing:
    """The listing of every product of a tree, or of the named ones. `product` renames the only product; `wanted` ends
    the sentence of the SourceError for a root without any; `places` says where the tree has images."""
    root = open_root(root)
    files, problems = files_below(root, exclude, follow_links)
    found = product_folders(root, is_product)
    if not found:
        raise SourceError(f"{root} is no {tree} tree; {wanted}")
    below, outside = divide(files, found)
    problems.extend(misplaced(file, tree, places) for file in outside if is_image(file))
    folders = {folder.resolve().name: folder for folder in found}
    chosen = list(folders) if products == "all" else [name for name in folders if name in products]
    for name in () if products == "all" else sorted(set(products) - set(folders)):
        close = difflib.get_close_matches(name, folders, n=1)
        hint = f"did you mean {close[0]}?" if close else f"products here: {', '.join(folders)}"
        problems.append(Problem(str(root), f"has no product {name!r}", hint))
    entries: list[Entry] = []
    for name in chosen:
        own = product if product and len(folders) == 1 else name
        for made in entries_of(folders[name], own, below[folders[name]]):
            if isinstance(made, Entry):
                entries.append(made)
            else:
                problems.append(made)
    if chosen and not entries and not any(problem.severity == "error" for problem in problems):
        problems.append(Problem(str(root), "holds no images to read", f"put them into {places}"))
    entries.sort(key=lambda entry: entry.id)
    return Listing(layout, root, limit_good_images(entries, good_limit), tuple(problems))
