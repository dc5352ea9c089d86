"""The gallery: report/index.html, one file that shows what a run made, opens anywhere and asks nothing of a network.

Thumbnails are embedded: up to 18 kB a card, so 300 cards make some 5 MB and the most, MOST_CARDS, 16 MB. Beside the
run, a click also finds the full-size files. Filters live in the address, so that a view can be linked:
#product=plate&defect=dent&status=rejected&mask=tint&open=plate-dent-00003
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from synth.generators import Progress
from synth.io.atomic import write_whole
from synth.parts import read_parts
from synth.pipeline.drops import read_dropped
from synth.pipeline.environment import read_environment
from synth.pipeline.folder import RunFolder
from synth.pipeline.journal import Journal, Yield
from synth.pipeline.page.cards import Card, candidate_card, shot_card
from synth.pipeline.page.shared import Shared, recipe_lines
from synth.pipeline.real import read_real
from synth.pipeline.stored import StoredSample, is_damaged
from synth.recipe import Recipe, load_recipe

MOST_CARDS = 1200
"""Cards on a page; more are left out evenly over the defect types, and the page says so."""
THUMBNAIL = {"few": 176, "many": 128}
"""Longer side of a thumbnail in px, for up to 400 cards and beyond."""


@dataclass(frozen=True, slots=True)
class Group:
    """One product and defect type: its counts, the shots learnt from and the candidates; `kept`: accepted and not
    dropped."""

    product: str
    defect: str
    result: Yield
    wanted: int
    shots: list[Card]
    cards: list[Card]
    left_out: int
    kept: int


def write_gallery(folder: RunFolder, progress: Progress) -> Path:
    """Build the page from the run's own files; returns its path."""
    recipe = load_recipe(folder.recipe)
    groups = _groups(folder, recipe, progress)
    path = folder.report / "index.html"
    write_whole(path, render(folder, recipe, groups).encode())
    return path


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
        made_with=made_with,
        groups=groups,
        parts=read_parts(folder.parts),
        products=sorted({group.product for group in groups}),
        defects=sorted({group.defect for group in groups}),
        reasons=sorted({reason for group in groups for reason in group.result.reasons}),
    )


def _groups(folder: RunFolder, recipe: Recipe, progress: Progress) -> list[Group]:
    journal, dropped = Journal(folder.journal), read_dropped(folder)
    real = read_real(folder)
    starts = {sample.content: sample for sample in real if sample.role == "good"}
    learnt = {(sample.product, str(sample.defect)) for sample in real if sample.role == "shot"}
    kinds = sorted(learnt.union(journal.kinds))
    kept = Counter((one.product, one.defect) for one in journal.samples() if _is_kept(one, dropped))
    shown = {kind: [one for one in journal.samples(kind) if _is_shown(folder, one, dropped)] for kind in kinds}
    total = sum(map(len, shown.values()))
    side = THUMBNAIL["few" if total <= 400 else "many"]
    most = max(1, MOST_CARDS // max(1, len(kinds)))
    groups: list[Group] = []
    done = 0
    for kind, candidates in shown.items():
        # Accepted first, so that a page that leaves some out leaves out the rejected ones.
        candidates.sort(key=lambda sample: (not _is_kept(sample, dropped), sample.role, sample.generated.index))
        cards = []
        for sample in candidates[:most]:
            start = sample.generated.start
            good = starts.get(start.sha256 if start else None)
            cards.append(candidate_card(folder.path, sample, good, side, sample.id in dropped))
            done += 1
            progress("gallery", done, total)
        shots = [
            shot_card(folder.path, sample, side)
            for sample in real
            if sample.role == "shot" and (sample.product, sample.defect) == kind
        ]
        left_out = len(candidates) - len(cards)
        wanted = recipe.request.per_defect
        groups.append(Group(*kind, journal.result(kind), wanted, shots, cards, left_out, kept[kind]))
    return groups


def _is_kept(sample: StoredSample, dropped: Collection[str]) -> bool:
    return sample.role == "accepted" and sample.id not in dropped


def _is_shown(folder: RunFolder, sample: StoredSample, dropped: Collection[str]) -> bool:
    """Whether a candidate's files were kept; those of a dropped one may have been deleted."""
    return "image" in sample.files and not (sample.id in dropped and is_damaged(folder.path, sample))
