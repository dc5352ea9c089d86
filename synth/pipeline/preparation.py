"""What comes before the drawing: the real images and their roles, the generator, the streams, and whether an existing
folder holds a run that may be resumed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from synth.checks.ledger import LedgerRow, build_ledger, check_leaks, read_ledger
from synth.errors import RecipeError, SourceError
from synth.generators import GENERATORS, Generator, Progress
from synth.io.names import file_name
from synth.pipeline import environment
from synth.pipeline.folder import RunFolder, write_whole
from synth.pipeline.streams import Stream
from synth.recipe import Recipe, differences, load_recipe
from synth.sample import Sample
from synth.sources import read_source
from synth.sources.parts import PartFinding, settle_parts
from synth.split import Split, make_split


class Prepared(NamedTuple):
    """The real images of a run: their roles, with only the products and defect types that are asked for; the ledger of
    all; and what is known of where each product is."""

    split: Split
    ledger: list[LedgerRow]
    parts: tuple[PartFinding, ...]


def prepare(recipe: Recipe, progress: Progress) -> Prepared:
    """Read the source, fix every image's role and settle where the products are. SourceError where something asked
    for is missing, LeakError when an image has two roles."""
    request = recipe.request
    samples = _counted(read_source(recipe.source), progress)
    learns = GENERATORS[recipe.generator.kind].needs_shots
    split = make_split(samples, recipe.source, recipe.seed, request.products, request.defects, learns)
    ledger = build_ledger(split.roles, split.hashes)
    check_leaks(ledger)
    if learns:
        shots = [s for s in split.shots if _asked(s.product, request.products) and _asked(s.defect, request.defects)]
        products = {s.product for s in shots}
        good_images = [good for good in split.good_images if good.product in products]
    else:
        shots, good_images = [], [good for good in split.good_images if _asked(good.product, request.products)]
    kinds = {(s.product, s.defect) for s in shots}
    validation = [s for s in split.validation if (s.product, s.defect) in kinds]
    asked = replace(split, shots=shots, good_images=good_images, validation=validation)
    settled, findings = settle_parts(asked, recipe.source)
    return Prepared(settled, ledger, findings)


def placement_notes(recipe: Recipe, good_images: Sequence[Sample]) -> tuple[str, ...]:
    """What a generator that places shots' defects takes for granted, for people; nothing for the others."""
    if getattr(recipe.generator, "placement", "anywhere") == "anywhere":
        return ()
    from synth.placing.notes import turning_notes

    return turning_notes(good_images, getattr(recipe.generator, "turn", None))


def open_generator(recipe: Recipe, folder: RunFolder) -> Generator:
    """The recipe's generator, not fitted yet; on the first call writes recipe.yaml and environment.json. RecipeError
    where this machine would draw other images than the one the run began on."""
    generator = GENERATORS[recipe.generator.kind].open(recipe.generator, folder.model, recipe.seed)
    here = environment.describe()
    if not folder.environment.exists():
        write_whole(folder.environment, json.dumps(here, indent=1).encode())
    made_with = json.loads(folder.environment.read_text(encoding="utf-8"))
    changed = environment.differences(made_with, here)
    if changed:
        raise RecipeError(
            f"{folder.path} was begun elsewhere and would not end bit for bit the same ({'; '.join(changed)}); "
            "restore that or name another folder with --out"
        )
    environment.fix_threads(made_with)
    if not folder.recipe.exists():
        header = "".join(f"# {name}: {value}\n" for name, value in made_with.items())
        write_whole(folder.recipe, f"# Made with\n{header}{recipe.to_yaml()}".encode())
    return generator


def plan(recipe: Recipe, shots: Sequence[Sample], good_images: Sequence[Sample] = ()) -> list[Stream]:
    """One stream for each (product, defect) that has shots, by name; for a generator that needs none, one for each
    product among the good images and each of its types. SourceError where two would share ids or files."""
    quota = recipe.request.per_defect
    attempts = math.ceil(quota * recipe.request.max_attempts)
    kinds = sorted({(str(shot.product), str(shot.defect)) for shot in shots})
    if not GENERATORS[recipe.generator.kind].needs_shots:
        offered = getattr(recipe.generator, "types", ())
        types = [name for name in offered if _asked(name, recipe.request.defects)]
        kinds = sorted({(str(good.product), name) for good in good_images for name in types})
        if not kinds:
            raise SourceError(f"none of {recipe.request.defects} is among those drawn: {', '.join(offered)}")
    taken: dict[str, tuple[str, str]] = {}
    for product, defect in kinds:
        name = file_name(f"{product}-{defect}").casefold()
        if name in taken:
            other = "/".join(taken[name])
            raise SourceError(f"{other} and {product}/{defect} are too alike to name files by; rename one of them")
        taken[name] = (product, defect)
    made_by = recipe.generator
    return [Stream(*kind, quota, attempts, made_by.draw_batch, recipe.seed, made_by.kind) for kind in kinds]


def run_folder(path: str | Path) -> RunFolder:
    """The folder of a run that was begun; RecipeError where there is none."""
    folder = RunFolder(Path(path))
    if not folder.recipe.exists():
        raise RecipeError(f"{path} is not a run: it has no recipe.yaml; name a folder that flawsmith run made")
    return folder


def check_same_recipe(folder: RunFolder, recipe: Recipe) -> None:
    if not folder.recipe.exists():
        return
    changed = differences(load_recipe(folder.recipe), recipe)
    if changed:
        raise RecipeError(
            f"{folder.path} holds a run of another recipe ({'; '.join(changed)}); "
            "name another folder with --out, or give back the old values to resume this one"
        )


def check_same_source(folder: RunFolder, ledger: Sequence[LedgerRow]) -> None:
    """SourceError where the real images are not those that the run began with."""
    if not folder.ledger.exists():
        return
    before, now = {row.id: row for row in read_ledger(folder.ledger)}, {row.id: row for row in ledger}
    for name in sorted(before.keys() | now.keys()):
        old, new = before.get(name), now.get(name)
        what = _change(old, new)
        if what:
            raise SourceError(
                f"{(new or old or before[name]).name} {what} since {folder.path} was begun; put the source back as it "
                "was to resume, or name another folder with --out"
            )


def _change(old: LedgerRow | None, new: LedgerRow | None) -> str:
    """What became of an image; nothing where it is as it was."""
    if old is None or new is None:
        return "is new" if old is None else "is gone"
    if old.sha256 != new.sha256:
        return "has changed"
    if old.role != new.role:
        return f"has become a {new.role} image (it was a {old.role} image)"
    return "has another mask or other coordinates" if old.labels and old.labels != new.labels else ""


def _counted(samples: Iterable[Sample], progress: Progress) -> Iterator[Sample]:
    for done, sample in enumerate(samples, start=1):
        yield sample
        progress("reading", done, 0)


def _asked(name: str | None, wanted: str | Sequence[str]) -> bool:
    return wanted == "all" or name in wanted


def silent(stage: str, done: int, total: int) -> None:
    """The progress of one who does not watch."""
