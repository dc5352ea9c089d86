"""The licence that a run's dataset has: its source's. What is made from data inherits their terms.

It is what the recipe states (`source.licence`), what a public set that is recognised has, or what a file beside the
images says; rendered products have the project's own. A statement that takes more rights than a public set or such a
file gives is refused, and so is a source of which nothing is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from synth.checks.ledger import read_ledger
from synth.errors import LicenceError
from synth.pipeline.runs import Run
from synth.printable import printable
from synth.sources.config import ProceduralSource
from synth.sources.licences import KINDS, Kind, may_publish
from synth.sources.public_sets import PublicSet, recognised_set, stated_licence

OWN = "apache-2.0"
"""Of this project, and so of what it renders."""


@dataclass(frozen=True, slots=True)
class Licence:
    """The id of a dataset's licence, what its source is, how the licence is known, and the public set that the source
    seems to be, if any."""

    id: str
    source: str
    known_by: str
    public_set: str | None = None

    @property
    def kind(self) -> Kind:
        return KINDS[self.id]


def licence_of(run: Run) -> Licence:
    """LicenceError where nothing is known of the source, where the recipe states more than it gives, and where what is
    made from it must not be published."""
    recipe = run.recipe
    if isinstance(recipe.source, ProceduralSource):
        return Licence(OWN, "products rendered by flawsmith", "the licence of flawsmith")
    root, stated = Path(recipe.source.root), recipe.source.licence
    known = recognised_set(root, _products(run))
    title = "images of the run's own source" if known is None else known.title
    given, known_by = _given(root, known)
    if stated is None and given is None:
        raise LicenceError(_unknown(run, known))
    allowed = given or ("other" if known else None)
    if stated is not None and allowed is not None and not may_publish(stated, allowed):
        raise LicenceError(_refused(run, stated, allowed, title, known_by))
    how = "stated in the recipe" if stated else known_by
    licence = Licence(stated or str(given), title, how, None if known is None else known.title)
    if licence.kind is Kind.NO_DERIVATIVES:
        raise LicenceError(
            f"{run.path}: {licence.id} of {title} forbids to publish what is made from the images; keep the dataset to "
            "yourself, or ask who owns them"
        )
    return licence


def check_tag(tag: str, licence: Licence, where: str) -> None:
    """LicenceError for a licence that a card names and that gives more than the source's."""
    if not may_publish(tag, licence.id):
        raise LicenceError(
            printable(
                f"the card of {where} has the licence {tag}, and the source of this dataset ({licence.source}) has "
                f"{licence.id}, which what is made from it inherits; change the card's licence to {licence.id}"
            )
        )


def _given(root: Path, known: PublicSet | None) -> tuple[str | None, str]:
    """The licence that a source gives, None where it gives none, and how that is known."""
    if known is not None and known.licence is not None:
        return known.licence, f"the licence of {known.title}, recognised by its names or files"
    by_file = stated_licence(root)
    if by_file is not None:
        return by_file, "a file beside the images"
    return None, "its publishers state no licence"


def _products(run: Run) -> dict[str, set[str]]:
    """The source's products with their defect types."""
    found: dict[str, set[str]] = {}
    for row in read_ledger(run.folder.ledger):
        found.setdefault(row.product, set()).update([] if row.defect is None else [row.defect])
    return found


def _unknown(run: Run, known: PublicSet | None) -> str:
    what = "its images have no licence that is known"
    if known is not None:
        what = f"its images seem to be {known.title}, whose publishers state no licence"
    return (
        f"{run.path}: {what}, and a dataset made from them inherits it; say it as {_command(run)}, where ID is a "
        "licence such as cc-by-4.0 for images of your own, other for terms of their own, or unknown"
    )


def _refused(run: Run, stated: str, given: str, title: str, known_by: str) -> str:
    hint = (
        "" if known_by.startswith("a file") else "; for images of your own that share their names, set source.product"
    )
    return (
        f"{run.path}: source.licence is {stated}, and {title} has {given} ({known_by}), which what is made from it "
        f"inherits; say {given} or leave it out: {_command(run, given)}{hint}"
    )


def _command(run: Run, licence: str = "ID") -> str:
    return f"flawsmith run {run.folder.recipe} --set source.licence={licence} --out {run.path}"
