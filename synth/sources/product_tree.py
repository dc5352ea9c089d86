"""Trees with one folder a product, or whose root is the only product: what their readers share. A reader of such an
archive is one `ProductTree`: how a product's folder is known, and what the files below it are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from synth.errors import SourceError
from synth.io.names import own_name
from synth.sources.leftovers import leftover
from synth.sources.listing import Entry, Listing, Problem, is_image, limit_good_images, look_below, open_root
from synth.suggest import did_you_mean

Lister = Callable[[Path, str, Sequence[Path]], Iterable[Entry | Problem]]
"""(a product's folder, the product's name, the files below it) -> what they are."""


@dataclass(frozen=True, slots=True)
class ProductTree:
    """The tree of an archive. layout: its name in READERS; title: as people call it; is_product: whether a folder is
    that of a product; wanted: the end of the sentence "<root> is no <title> tree; ..."; places: where the tree has
    images."""

    layout: str
    title: str
    is_product: Callable[[Path], bool]
    entries: Lister
    wanted: str
    places: str

    def fits(self, root: Path) -> bool:
        """Whether root is a product of this tree, or the folder above some."""
        return bool(product_folders(root, self.is_product))

    def listing(
        self,
        root: str | Path,
        *,
        product: str | None = None,
        products: Literal["all"] | Sequence[str] = "all",
        good_limit: int | None = None,
        exclude: Sequence[str] = (),
        follow_links: bool = False,
    ) -> Listing:
        """Every product of the tree, or the named ones. `product` renames the only product. SourceError for a root
        without any and for two of one name."""
        root = open_root(root)
        files, problems, notes = look_below(root, exclude, follow_links)
        found = product_folders(root, self.is_product)
        if not found:
            raise SourceError(f"{root} is no {self.title} tree; {self.wanted}")
        below, outside = divide(files, found)
        problems.extend(misplaced(file, self.title, self.places) for file in outside if is_image(file))
        folders = by_name(found)
        chosen = list(folders) if products == "all" else [name for name in folders if name in products]
        for name in () if products == "all" else sorted(set(products) - set(folders)):
            problems.append(Problem(str(root), f"has no product {name!r}", did_you_mean(name, folders)))
        made: list[Entry | Problem] = []
        for name in chosen:
            own = product if product and len(folders) == 1 else name
            made.extend(self.entries(folders[name], own, below[folders[name]]))
        entries = sorted((entry for entry in made if isinstance(entry, Entry)), key=lambda entry: entry.id)
        problems.extend(problem for problem in made if isinstance(problem, Problem))
        if chosen and not entries and not any(problem.severity == "error" for problem in problems):
            problems.append(Problem(str(root), "holds no images to read", f"put them into {self.places}"))
        return Listing(self.layout, root, limit_good_images(entries, good_limit), tuple(problems), notes)


def product_folders(root: Path, is_product: Callable[[Path], bool]) -> list[Path]:
    """The root and the folders in it that hold a product, without leftovers and as far as they can be looked into:
    `files_below` refuses those that cannot, by name."""
    found = []
    for folder in (root, *sorted(path for path in root.iterdir() if not leftover(path.name))):
        with suppress(PermissionError):
            if is_product(folder):
                found.append(folder)
    return found


def by_name(folders: Iterable[Path]) -> dict[str, Path]:
    """The folders of products by name, a link's own. SourceError where two have one."""
    named: dict[str, Path] = {}
    for folder in folders:
        other = named.setdefault(own_name(folder), folder)
        if other != folder:
            raise SourceError(
                f"{folder} and {other} are both the product {own_name(folder)}; rename one, or name one of them as "
                "source.root"
            )
    return named


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
