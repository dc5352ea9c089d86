"""Trees with one folder a product, or whose root is the only product: what their readers share."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from synth.errors import SourceError
from synth.sources.listing import Entry, Listing, Problem, files_below, limit_goods, open_root

Lister = Callable[[Path, str, Sequence[Path]], Iterable[Entry | Problem]]
"""(a product's folder, the product's name, the files below it) -> what they are."""


def product_folders(root: Path, is_product: Callable[[Path], bool]) -> list[Path]:
    """The root and the folders in it that hold a product, as far as they can be looked into: `files_below` refuses
    those that cannot, by name."""
    found = []
    for folder in (root, *sorted(root.iterdir())):
        with suppress(PermissionError):
            if is_product(folder):
                found.append(folder)
    return found


def list_products(
    layout: str,
    root: str | Path,
    is_product: Callable[[Path], bool],
    entries_of: Lister,
    wanted: str,
    *,
    product: str | None,
    products: Literal["all"] | Sequence[str],
    good_limit: int | None,
    exclude: Sequence[str],
) -> Listing:
    """The listing of every product of a tree, or of the named ones. `product` renames the only product; `wanted` ends
    the sentence of the SourceError for a root without any."""
    root = open_root(root)
    files, problems = files_below(root, exclude)
    folders = {folder.resolve().name: folder for folder in product_folders(root, is_product)}
    if not folders:
        raise SourceError(f"{root} is no {wanted}")
    chosen = list(folders) if products == "all" else [name for name in folders if name in products]
    for name in () if products == "all" else sorted(set(products) - set(folders)):
        close = difflib.get_close_matches(name, folders, n=1)
        hint = f"did you mean {close[0]}?" if close else f"products here: {', '.join(folders)}"
        problems.append(Problem(str(root), f"has no product {name!r}", hint))
    entries: list[Entry] = []
    for name in chosen:
        below = [file for file in files if file.is_relative_to(folders[name])]
        own = product if product and len(folders) == 1 else name
        for made in entries_of(folders[name], own, below):
            if isinstance(made, Entry):
                entries.append(made)
            else:
                problems.append(made)
    entries.sort(key=lambda entry: entry.id)
    return Listing(layout, root, limit_goods(entries, good_limit), tuple(problems))
