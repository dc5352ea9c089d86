"""The gallery: report/index.html, one file that shows what a run made, opens anywhere and asks nothing of a network.

Thumbnails are embedded, up to 18 kB a card, and drawn when they come into view. Beside the run, a click also finds the
full-size files. Filters live in the address, so that a view can be linked:
#product=plate&defect=dent&status=rejected&mask=tint&sort=contrast&open=plate-dent-00003
Decisions are kept by whoever opened the page, and saved as a file; `flawsmith review` serves the same page, and keeps
them in the run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from synth.checks.mask import SCORES
from synth.generators import Progress
from synth.io.atomic import write_whole
from synth.io.digest import file_sha256
from synth.parts import read_parts
from synth.pipeline.decisions import Decisions, curated, read_decisions
from synth.pipeline.environment import read_environment
from synth.pipeline.folder import RunFolder
from synth.pipeline.journal import Journal, Yield
from synth.pipeline.page.cards import Card, candidate_card, shot_card
from synth.pipeline.page.evidence import evidence
from synth.pipeline.page.shared import Shared, recipe_lines
from synth.pipeline.places import placeless
from synth.pipeline.real import read_real
from synth.pipeline.stored import StoredSample, is_damaged
from synth.recipe import Recipe, load_recipe

MOST_CARDS = 2400
"""Cards on a page; more are left out evenly over the defect types, and the page says so."""
THUMBNAIL = {400: 176, 1200: 128, MOST_CARDS: 96}
"""Longer side of a thumbnail in px, by the most cards it is used for."""


@dataclass(frozen=True, slots=True)
class Group:
    """One product and defect type: its counts, the shots learnt from and the candidates; `kept`: samples in the
    dataset, `dropped`, `rejected`: those that a person left out of it."""

    product: str
    defect: str
    result: Yield
    wanted: int
    shots: list[Card]
    cards: list[Card]
    left_out: int
    kept: int
    dropped: int
    rejected: int


def write_gallery(folder: RunFolder, progress: Progress) -> Path:
    """Build the page from the run's own files; returns its path."""
    recipe = load_recipe(folder.recipe)
    groups = _groups(folder, recipe, progress)
    path = folder.report / "index.html"
    write_whole(path, render(folder, recipe, groups).encode())
    return path


def run_key(folder: RunFolder, recipe: Recipe) -> str:
    """What tells a run's samples from those of others, however large its quota: its real images and how it draws."""
    drawing = placeless(recipe).model_dump_json(exclude={"name", "request", "output"})
    real = file_sha256(folder.ledger) if folder.ledger.exists() else ""
    return hashlib.sha256((drawing + real).encode()).hexdigest()[:16]


def render(folder: RunFolder, recipe: Recipe, groups: Sequence[Group]) -> str:
    """The page's text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    shared = Shared(folder, recipe)
    templates = Environment(
        loader=PackageLoader("synth.pipeline.page"), autoescape=True, undefined=StrictUndefined, finalize=shared
    )
    templates.filters["shared"] = shared
    made_with = read_environment(folder.environment) if folder.environment.exists() else {}
    return templates.get_template("gallery.html.j2").render(
        name=recipe.name,
        recipe=recipe,
        recipe_lines=recipe_lines(shared(recipe.model_dump(mode="json"))),
        run=run_key(folder, recipe),
        folder=folder.path.resolve().name,
        made_with=made_with,
        evidence=evidence(folder.path),
        scores=sorted({name for group in groups for card in group.cards for name in card.scores}, key=SCORES.index),
        groups=groups,
        parts=read_parts(folder.parts),
        products=sorted({group.product for group in groups}),
        defects=sorted({group.defect for group in groups}),
        reasons=sorted({reason for group in groups for reason in group.result.reasons}),
    )


def _groups(folder: RunFolder, recipe: Recipe, progress: Progress) -> list[Group]:
    journal, decisions, real = Journal(folder.journal), read_decisions(folder), read_real(folder)
    starts = {sample.content: sample for sample in real if sample.role == "good"}
    learnt = {(sample.product, str(sample.defect)) for sample in real if sample.role == "shot"}
    kinds = sorted(learnt.union(journal.kinds))
    accepted = (one for one in journal.samples() if one.role == "accepted")
    kept = {one.id for one in curated(accepted, decisions, recipe.request.per_defect)}
    shown = {kind: _shown(folder, journal.samples(kind), kept, decisions) for kind in kinds}
    total = sum(map(len, shown.values()))
    side = next(side for most, side in THUMBNAIL.items() if total <= most or most == max(THUMBNAIL))
    most = max(1, MOST_CARDS // max(1, len(kinds)))
    groups: list[Group] = []
    done = 0
    for kind, candidates in shown.items():
        cards = []
        for sample in candidates[:most]:
            start = sample.generated.start
            good = starts.get(start.sha256 if start else None)
            cards.append(candidate_card(folder.path, sample, good, side, decisions))
            done += 1
            progress("gallery", done, total)
        shots = [
            shot_card(folder.path, sample, side)
            for sample in real
            if sample.role == "shot" and (sample.product, sample.defect) == kind
        ]
        here = sum(one.id in kept for one in journal.samples(kind))
        dropped, rejected = decisions.number(kind, "dropped"), decisions.number(kind, "rejected")
        numbers = len(candidates) - len(cards), here, dropped, rejected
        groups.append(Group(*kind, journal.result(kind), recipe.request.per_defect, shots, cards, *numbers))
    return groups


def _shown(
    folder: RunFolder, candidates: Iterable[StoredSample], kept: set[str], decisions: Decisions
) -> list[StoredSample]:
    """The candidates whose files were kept, those of the dataset first, so that a page that leaves some out leaves out
    the rejected ones. The files of one that a person left out may have been deleted."""
    there = [
        one
        for one in candidates
        if "image" in one.files
        and (one.role == "rejected" or one.id in kept | decisions.left_out)
        and not (one.id in decisions.left_out and is_damaged(folder.path, decisions.edited(one)))
    ]
    return sorted(there, key=lambda one: (one.id not in kept, one.role, one.generated.index))
