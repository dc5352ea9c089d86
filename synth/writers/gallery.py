"""The gallery: report/index.html, one file that shows what a run made, opens anywhere and asks nothing of a network.

Thumbnails are embedded: up to 18 kB a card, so 300 cards make some 5 MB and the most, MOST_CARDS, 16 MB. Beside the
run, a click also finds the full-size files. Filters live in the address, so that a view can be linked:
#product=plate&defect=dent&status=rejected&mask=tint&open=plate-dent-00003
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from synth.generators import Progress
from synth.io.geometry import read_extras
from synth.pipeline.folder import RunFolder, read_png, write_whole
from synth.pipeline.journal import Journal, Record, Yield
from synth.pipeline.real import RealImage, read_real
from synth.recipe import Recipe, load_recipe
from synth.sources.parts import read_parts
from synth.writers.cloud_view import normal_map, of_cloud, of_pixels
from synth.writers.thumbnails import Box, close_up, cut_out, data_uri, outline

MOST_CARDS = 1200
"""Cards on a page; more are left out evenly over the defect types, and the page says so."""
THUMBNAIL = {"few": 176, "many": 128}
"""Longer side of a thumbnail in px, for up to 400 cards and beyond."""


@dataclass(frozen=True, slots=True)
class Card:
    """A candidate or a shot as the page shows it; `files` are paths from the page to the full-size images;
    `normals` shows the close-up's surface, `cloud` is a cloud to turn (see `synth.writers.cloud_view`)."""

    id: str
    kind: str
    width: int
    height: int
    box: Box
    whole: str
    before: str | None
    after: str
    path: str
    files: dict[str, str]
    label: str
    detail: dict[str, Any]
    normals: str | None = None
    cloud: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """One product and defect type: its counts, the shots learnt from and the candidates."""

    product: str
    defect: str
    result: Yield
    wanted: int
    shots: list[Card]
    cards: list[Card]
    left_out: int


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

    templates = Environment(loader=PackageLoader("synth.writers"), autoescape=True, undefined=StrictUndefined)
    templates.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    made_with = json.loads(folder.environment.read_text(encoding="utf-8")) if folder.environment.exists() else {}
    return templates.get_template("gallery.html.j2").render(
        name=recipe.name,
        recipe=recipe,
        recipe_text=folder.recipe.read_text(encoding="utf-8"),
        made_with=made_with,
        groups=groups,
        parts=read_parts(folder.parts),
        products=sorted({group.product for group in groups}),
        defects=sorted({group.defect for group in groups}),
        reasons=sorted({reason for group in groups for reason in group.result.reasons}),
    )


def _groups(folder: RunFolder, recipe: Recipe, progress: Progress) -> list[Group]:
    journal = Journal(folder.journal)
    real = read_real(folder)
    starts = {image.sha256: image for image in real if image.role == "good"}
    shown = [record for record in journal.records if record.image is not None]
    learnt = {(image.product, str(image.defect)) for image in real if image.role == "shot"}
    streams = sorted(learnt | {(record.product, record.defect) for record in journal.records})
    side = THUMBNAIL["few" if len(shown) <= 400 else "many"]
    most = max(1, MOST_CARDS // max(1, len(streams)))
    groups: list[Group] = []
    done = 0
    for product, defect in streams:
        # Accepted first, so that a page that leaves some out leaves out the rejected ones.
        mine = [r for r in shown if (r.product, r.defect) == (product, defect)]
        mine.sort(key=lambda record: (record.status != "accepted", record.index))
        cards = []
        for record in mine[:most]:
            cards.append(_candidate(folder, record, starts.get(record.start or ""), side))
            done += 1
            progress("gallery", done, len(shown))
        shots = [_shot(folder, i, side) for i in real if (i.role, i.product, i.defect) == ("shot", product, defect)]
        result = journal.result(product, defect)
        groups.append(Group(product, defect, result, recipe.request.per_defect, shots, cards, len(mine) - len(cards)))
    return groups


def _candidate(folder: RunFolder, record: Record, start: RealImage | None, side: int) -> Card:
    image, mask = _pixels(folder, record.files[0]), read_png(folder.path / record.files[1])
    box = close_up(mask)
    files = {"after": f"../{record.files[0]}"}
    before = None
    if start is not None and "cloud" not in record.extras:  # a cloud is shown from where its defect is seen best
        files["before"] = f"../{start.image}"
        before = data_uri(cut_out(_fitted(_pixels(folder, start.image), image), box), side)
    scores = {name: f"{value:.1f}" if name == "contrast" else f"{value:.2f}" for name, value in record.scores.items()}
    # `area` is a share far below 1 for most defects.
    if "area" in record.scores:
        scores["area"] = f"{record.scores['area']:.2%}"
    normals, cloud = _geometry(folder, record, image, mask, box, side)
    return Card(
        normals=normals,
        cloud=cloud,
        id=record.id,
        kind=record.status,
        width=image.shape[1],
        height=image.shape[0],
        box=box,
        whole=data_uri(image, side),
        before=before,
        after=data_uri(cut_out(image, box), side),
        path=outline(mask),
        files=files,
        label=record.reason or "",
        detail={"why": record.detail, "seed": str(record.seed), "started from": record.start_file}
        | {"window": _window(record)}
        | _told(record)
        | scores,
    )


def _geometry(
    folder: RunFolder, record: Record, image: np.ndarray, mask: np.ndarray, box: Box, side: int
) -> tuple[str | None, str | None]:
    """The close-up's normal map and the cloud to turn, None for a sample without geometry."""
    xyz, cloud = read_extras(folder.path, record.extras)
    if cloud is not None:
        return None, of_cloud(cloud)
    if xyz is None:
        return None, None
    return data_uri(cut_out(normal_map(xyz), box), side), of_pixels(xyz, image, mask, box)


def _told(record: Record) -> dict[str, str]:
    """What is known of the defects of a synthesized sample, as text."""
    names = ("amplitude_mm", "reach_mm", "snr", "visible_in", "volume_mm3", "points")
    lists = {name: [str(fact[name]) for fact in record.instances if fact.get(name) is not None] for name in names}
    return {name: ", ".join(values) for name, values in lists.items() if values}


def _shot(folder: RunFolder, image: RealImage, side: int) -> Card:
    assert image.mask is not None
    pixels, mask = _pixels(folder, image.image), read_png(folder.path / image.mask)
    box = close_up(mask)
    return Card(
        id=f"shot/{image.product}/{image.defect}/{image.id}",
        kind="shot",
        width=pixels.shape[1],
        height=pixels.shape[0],
        box=box,
        whole=data_uri(pixels, side),
        before=None,
        after=data_uri(cut_out(pixels, box), side),
        path=outline(mask),
        files={"after": f"../{image.image}"},
        label="",
        detail={"file": image.file, "area": f"{mask.mean():.2%}"},
    )


def _window(record: Record) -> str | None:
    return None if record.window is None else "{2} px at row {0}, column {1}".format(*record.window)


def _pixels(folder: RunFolder, name: str) -> np.ndarray:
    with Image.open(folder.path / name) as image:
        return np.asarray(image.convert("RGB"))


def _fitted(start: np.ndarray, image: np.ndarray) -> np.ndarray:
    """The start at the size of the image shown: a rejected candidate is kept small."""
    if start.shape == image.shape:
        return start
    return np.asarray(Image.fromarray(start).resize(image.shape[1::-1], Image.Resampling.BOX))
