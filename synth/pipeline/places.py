"""The places that a recipe names outside of the run: its source, masks, regions, a base model. What counts is what is
there: a run goes on with any place that holds the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from synth.checks.ledger import read_ledger
from synth.errors import SourceError
from synth.pipeline.folder import RunFolder
from synth.printable import printable
from synth.recipe import Recipe, load_recipe
from synth.recipe.text import FOLDER_OR_NAME

ROOT = "source.root"


def places(recipe: Recipe) -> dict[str, Path]:
    """Every place of a recipe by its field, such as "generator.masks"; relative ones start from the current folder."""
    return {f"{above}.{name}": path for above in ("source", "generator") for name, path in _of(getattr(recipe, above))}


def product_of(recipe: Recipe) -> str | None:
    """The name that the source's only product gets: the recipe's, or that of the source's folder."""
    given: str | None = getattr(recipe.source, "product", None)
    return given or (places(recipe)[ROOT].name if ROOT in places(recipe) else None)


def placeless(recipe: Recipe, product: bool = False) -> Recipe:
    """The recipe without its places, its source's licence, and without the product's name but for `product`, so that
    recipes that differ in nothing else are equal."""
    blocks: dict[str, BaseModel] = {}
    for above in ("source", "generator"):
        block = getattr(recipe, above)
        blocks[above] = block.model_copy(update={name: type(getattr(block, name))(name) for name, _ in _of(block)})
    unsaid = {"licence"} if product else {"licence", "product"}
    told = dict.fromkeys(unsaid & type(recipe.source).model_fields.keys())
    blocks["source"] = blocks["source"].model_copy(update=told)
    return recipe.model_copy(update=blocks)


def named_files(recipe: Recipe) -> dict[str, Path]:
    """Every file that the recipe names beside its source's images, and those in folders it names, by field and place
    below the folder."""
    found: dict[str, Path] = {}
    for name, path in places(recipe).items():
        if name == ROOT:
            continue
        if path.is_dir():
            inner = sorted(file for file in path.rglob("*") if file.is_file())
            found |= {f"{name}/{file.relative_to(path).as_posix()}": file for file in inner}
        elif path.is_file():
            found[name] = path
    return found


def check_there(folder: RunFolder, recipe: Recipe, needed: str = "") -> None:
    """SourceError where a place of a run's recipe is not there any more; `needed`: how the fields begin that count."""
    for name, path in places(recipe).items():
        if name.startswith(needed) and not path.expanduser().exists():
            raise SourceError(
                printable(
                    f"{path}, the {name} of {folder.path}, is not there any more; if it was moved, say where it is: "
                    f"flawsmith run {folder.recipe} --set {name}=NEW --out {folder.path}"
                )
            )


def is_moved(folder: RunFolder, recipe: Recipe) -> bool:
    """Whether the recipe names another place than the one that the run was last made by."""
    return places(load_recipe(folder.recipe)) != places(recipe)


def licence_stated(recipe: Recipe) -> str | None:
    """The licence that the recipe states of its source; None where it states none."""
    stated: str | None = getattr(recipe.source, "licence", None)
    return stated


def with_known_product(folder: RunFolder, recipe: Recipe) -> Recipe:
    """The recipe naming the product as the run in the folder does, where the source's folder, whose name it would take,
    was renamed since."""
    if getattr(recipe.source, "product", "") is not None or not folder.ledger.exists():
        return recipe
    with suppress(SourceError):
        names = {row.product for row in read_ledger(folder.ledger)}
        if len(names) == 1 and places(recipe)[ROOT].name not in names:
            source: Any = recipe.source.model_copy(update={"product": names.pop()})
            return recipe.model_copy(update={"source": source})
    return recipe


def _of(block: BaseModel) -> Iterator[tuple[str, Path]]:
    """The places of a block by field. A base is one where it is no name: a folder now, or when the recipe was read."""
    for name in type(block).model_fields:
        value = getattr(block, name)
        if isinstance(value, Path):
            yield name, value
        elif name == FOLDER_OR_NAME and isinstance(value, str) and (Path(value).is_absolute() or Path(value).is_dir()):
            yield name, Path(value)
