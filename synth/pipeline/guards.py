"""Whether a folder holds this very run: the same recipe, source, machine and files, so that it may be resumed.

A recipe may grow: a larger quota, more formats or more defect types keep what was accepted. Everything else that
differs is refused by name. What a run relies on is compared with its sha256; what is damaged and can be written again,
is. A source, or another file that the recipe names, may have moved: its content counts (`synth.pipeline.places`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from synth.checks.ledger import LedgerRow, read_ledger, write_ledger
from synth.errors import RecipeError, RunError, SourceError
from synth.generators import GENERATORS, Progress
from synth.io.atomic import write_whole
from synth.io.digest import file_sha256
from synth.io.json_text import json_text
from synth.io.sealed import read_sealed, write_sealed
from synth.parts import write_parts
from synth.pipeline import environment
from synth.pipeline.folder import RunFolder
from synth.pipeline.places import is_moved, licence_stated, named_files, placeless, product_of
from synth.pipeline.preparation import Prepared, prepare
from synth.pipeline.stored import damage
from synth.pipeline.verify import renew_digest
from synth.printable import printable
from synth.recipe import Recipe, differences, load_recipe

_SHA256 = "# sha256: "
_OWN = ("ledger.parquet", "environment.json", "parts.json")
"""What inputs.json lists beside the files that the recipe names."""


def check_recipe(folder: RunFolder, recipe: Recipe) -> bool:
    """Whether the recipe asks for more than the one that the folder's run was begun by. RecipeError where it is another
    one, or where the folder is of another version of flawsmith; RunError where recipe.yaml is damaged and is not this
    one."""
    if not folder.recipe.exists():
        return False
    text = folder.recipe.read_text(encoding="utf-8", errors="replace")
    recorded, body = _recorded(text)
    if recorded is None:
        raise RecipeError(
            f"{folder.path} was made by another version of flawsmith and cannot be resumed by this one; name another "
            "folder with --out"
        )
    if recorded != _sha256(body):
        if recorded != _sha256(recipe.to_yaml()):
            raise RunError(f"{folder.recipe} was changed or is damaged; put it back as it was, or use another folder")
        return False
    old, new = _comparable(load_recipe(folder.recipe), recipe)
    changed = differences(old, new)
    if not changed:
        return False
    if not _has_grown(old, new):
        raise RecipeError(
            f"{folder.path} holds a run of another recipe ({'; '.join(changed)}); "
            "name another folder with --out, or give back the old values to resume this one"
        )
    return True


def check_same_source(folder: RunFolder, ledger: Sequence[LedgerRow]) -> None:
    """SourceError where the real images are not those that the run began with: by their ids, roles and content,
    wherever they are."""
    if not folder.ledger.exists():
        return
    before, now = {row.id: row for row in read_ledger(folder.ledger)}, {row.id: row for row in ledger}
    changed = {name: what for name in before.keys() | now.keys() if (what := _change(before.get(name), now.get(name)))}
    if not changed:
        return
    first = min(changed)
    row = now[first] if first in now else before[first]
    more = f" (and {len(changed) - 1} more images differ)" if len(changed) > 1 else ""
    if sorted(row.sha256 for row in before.values()) == sorted(row.sha256 for row in now.values()):
        more += ": all have the same pixels as before, so a folder, file or mask was renamed or changed"
    raise SourceError(
        f"{printable(row.name)} {changed[first]} since {folder.path} was begun{more}; put the source back as "
        "it was to resume, or name another folder with --out"
    )


def begin(folder: RunFolder, recipe: Recipe, prepared: Prepared) -> dict[str, str]:
    """Write what a run begins with, or check that it is as it was; returns the environment it was begun in, whose
    number of threads is set. RecipeError where this machine, or a file that the recipe names, would make other images;
    RunError where a file of the run is damaged and cannot be written again."""
    grown = check_recipe(folder, recipe)
    recorded = _read_inputs(folder)
    if grown:
        recorded.pop("parts.json", None)  # there may be more products now
    good_images = prepared.split.good_images
    own: dict[Path, Callable[[Path], None]] = {
        folder.ledger: lambda path: write_ledger(prepared.ledger, path),
        folder.environment: lambda path: write_whole(path, json_text(environment.describe(), indent=1).encode()),
        folder.parts: lambda path: write_parts(prepared.parts, good_images, path, prepared.notes),
    }
    if not recorded or not damage(folder.ledger, recorded["ledger.parquet"]):
        check_same_source(folder, prepared.ledger)
    for path, write in own.items():
        _settle(path, recorded.get(path.name), write, keep=path == folder.environment)
    made_with = check_environment(folder)
    inputs = {path.name: file_sha256(path) for path in own} | _named_files(folder, recorded, recipe)
    if inputs != recorded:
        write_sealed(folder.inputs, inputs)
    text = _recipe_text(recipe, made_with)
    if not folder.recipe.exists() or folder.recipe.read_bytes() != text:
        write_whole(folder.recipe, text)
    return made_with


def check_environment(folder: RunFolder) -> dict[str, str]:
    """The environment that a run was begun in; its number of threads is set. RecipeError where this machine would make
    other images, RunError where its file is damaged."""
    made_with = environment.read_environment(folder.environment)
    changed = environment.differences(made_with, environment.describe())
    if changed:
        raise RecipeError(
            f"{folder.path} was begun elsewhere and would not end bit for bit the same ({'; '.join(changed)}); "
            "restore that or name another folder with --out"
        )
    environment.fix_threads(made_with)
    return made_with


def relocate(folder: RunFolder, recipe: Recipe, progress: Progress) -> None:
    """Note where the source, and what else the recipe names, of a finished and whole run are now, once they are found
    to hold what the run was made from, and which licence the source has; nothing where both are as they were.
    SourceError or RecipeError where they hold something else."""
    moved = is_moved(folder, recipe)
    if not moved and licence_stated(load_recipe(folder.recipe)) == licence_stated(recipe):
        return
    ledger = prepare(recipe, progress).ledger if moved else read_ledger(folder.ledger)
    with folder.lock():
        check_same_source(folder, ledger)
        _named_files(folder, _read_inputs(folder), recipe)
        write_whole(folder.recipe, _recipe_text(recipe, environment.read_environment(folder.environment)))
        renew_digest(folder, folder.recipe)


def _settle(path: Path, sha256: str | None, write: Callable[[Path], None], keep: bool) -> None:
    """Write a file that is missing, damaged or, where its hash is not known, not to be kept. RunError where it cannot
    be made as it was."""
    fine = (keep and path.exists()) if sha256 is None else not damage(path, sha256)
    if fine:
        return
    write(path)
    if sha256 is not None and damage(path, sha256):
        raise RunError(f"{path} was damaged and cannot be made again as it was; name another folder with --out")


def _named_files(folder: RunFolder, recorded: Mapping[str, str], recipe: Recipe) -> dict[str, str]:
    """sha256 of every file that the recipe names. RecipeError where one is not as the run began with it."""
    files = named_files(recipe)
    now = {name: file_sha256(path) for name, path in files.items()}
    before = {name: sha256 for name, sha256 in recorded.items() if name not in _OWN} if recorded else now
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            what = "is gone" if name not in now else "is new" if name not in before else "has changed"
            raise RecipeError(
                f"{printable(files.get(name, name))} {what} since {folder.path} was begun; put it back as it was, or "
                "name another folder with --out"
            )
    return now


def _read_inputs(folder: RunFolder) -> dict[str, str]:
    """sha256 of what the run began with; nothing where it is not known, or not any more."""
    try:
        files: dict[str, str] = read_sealed(folder.inputs)
    except (OSError, ValueError):
        return {}
    return files


def _recipe_text(recipe: Recipe, made_with: Mapping[str, str]) -> bytes:
    body = recipe.to_yaml()
    header = "".join(f"# {name}: {value}\n" for name, value in made_with.items())
    return f"# Made with\n{header}{_SHA256}{_sha256(body)}\n{body}".encode()


def _recorded(text: str) -> tuple[str | None, str]:
    """The hash that a run's recipe.yaml states of its own text, None where it states none, and that text."""
    head, found, rest = text.partition(_SHA256)
    if not found or any(line and not line.startswith("#") for line in head.splitlines()):
        return None, text
    sha256, _, body = rest.partition("\n")
    return sha256, body


def _comparable(old: Recipe, new: Recipe) -> tuple[Recipe, Recipe]:
    """Both without their places, which may differ; and without the product's name, where it is the same."""
    same = product_of(old) == product_of(new) or not any(getattr(one.source, "product", None) for one in (old, new))
    return placeless(old, not same), placeless(new, not same)


def _has_grown(old: Recipe, new: Recipe) -> bool:
    """Whether the new recipe asks for more of the same: nothing that the old one made would be made otherwise."""
    before, after = old.request, new.request
    others = {"request": before, "output": old.output}
    if new.model_copy(update=others) != old:
        return False
    if after.per_defect < before.per_defect or after.max_attempts < before.max_attempts:
        return False
    same = (after.defects, after.products) == (before.defects, before.products)
    if not same and GENERATORS[new.generator.kind].trains(new.generator):
        return False
    return _covers(after.defects, before.defects) and _covers(after.products, before.products)


def _covers(new: str | Sequence[str], old: str | Sequence[str]) -> bool:
    return new == "all" or (old != "all" and set(old) <= set(new))


def _change(old: LedgerRow | None, new: LedgerRow | None) -> str:
    """What became of an image; nothing where it is as it was."""
    if old is None or new is None:
        return "is new" if old is None else "is gone"
    if old.sha256 != new.sha256:
        return "has changed"
    if old.role != new.role:
        return f"has become a {new.role} image (it was a {old.role} image)"
    return "has another mask or other coordinates" if old.labels and old.labels != new.labels else ""


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
