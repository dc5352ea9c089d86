"""The card: what a dataset is, how to load and train on it, where it comes from, and what was measured of it."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from synth.hub.contact_sheet import kinds_shown
from synth.hub.dataset import ALL, FULL, HubDataset, first_rows, split_of
from synth.hub.evidence import Evidence, Interval
from synth.hub.front_matter import combined, front_matter
from synth.hub.licences import Licence
from synth.hub.sections import merged
from synth.io.json_text import json_text
from synth.pipeline.environment import read_environment
from synth.pipeline.page.shared import Shared, recipe_lines
from synth.pipeline.real import read_real
from synth.pipeline.runs import Run
from synth.printable import in_markdown
from synth.sources.config import ProceduralSource
from synth.writers.parquet import SPLITS

SECTIONS = ("summary", "load", "counts", "schema", "train", "licence", "made", "evidence", "limitations")
_COLUMNS = {
    "id": ("string", "the sample's name, the same in every push"),
    "image": ("Image", "RGB"),
    "mask": ("Image", "grey, 255 on the defect, 0 elsewhere; all 0 for a good image"),
    "product": ("ClassLabel", "what is inspected"),
    "defect": ("ClassLabel", "the defect type; 0 is `good`"),
    "bbox": ("list of [left, top, width, height]", "a box in px around each connected piece of the mask"),
    "depth": ("Image, 16 bit", "distance along the camera's axis in 0.1 mm, 0 where nothing returned"),
    "preview": ("Mesh", "a small GLB to look at, the defect in red"),
    "points": ("Mesh", "the point cloud as binary PLY, metres"),
    "seed": ("int64", "the sample's own seed; none for a real image"),
    "scores": ("struct of float64", "what the checks measured; none for a real image"),
    "provenance": ("Json", "synthetic or real; the good image it was drawn onto, window, parameters, hashes"),
    "xyz": ("Array, float32", "the organised cloud, metres, in the camera's frame; 0 where nothing returned"),
    "xyz_size": ("list of int32", "height and width of `xyz`, whose rows are its pixels"),
    "labels": ("list of uint8", "1 on the defect, a point each, in the order of `points`"),
}


@dataclass(frozen=True)
class Card:
    """A card's text, the licence in its head, and the names of its parts that a person changed, which are kept."""

    text: str
    licence: str
    edited: tuple[str, ...]


def write_card(
    run: Run, dataset: HubDataset, licence: Licence, evidence: Evidence, repo: str, there: str | None = None
) -> Card:
    """The card of a prepared dataset, written into the one that is there."""
    from huggingface_hub import DatasetCardData

    theirs, body = (None, None) if there is None else _split(there)
    values = combined(front_matter(run, dataset, licence), theirs)
    made = merged(_sections(run, dataset, licence, evidence, repo), body)
    head = DatasetCardData(**values).to_yaml(original_order=list(values))
    return Card(f"---\n{head}\n---\n\n{made.body}", str(values["license"]), made.edited)


def evidence_text(run: Run, dataset: HubDataset, licence: Licence, evidence: Evidence) -> str:
    """The content of evidence.json."""
    values, files = first_rows(dataset)
    shared = Shared(run.folder, run.recipe)
    content = {
        "made_by": "flawsmith",
        "versions": read_environment(run.folder.environment),
        "recipe_sha256": run.recipe.sha256,
        "made_from": run.made_from,
        "licence": {"id": licence.id, "source": licence.source, "known_by": licence.known_by},
        "samples": [[*kind, count] for kind, count in dataset.counts.items()],
        "yields": [asdict(one) | {"attempts": one.attempts} for one in run.yields],
        "shortfalls": [str(missing) for missing in run.shortfalls],
        "first_rows_bytes": {"values": values, "images_and_meshes": files},
        "shards": dataset.shards,
        **evidence.model_dump(mode="json"),
    }
    return json_text(shared(content), indent=1, ensure_ascii=False) + "\n"


def _split(text: str) -> tuple[dict[str, Any], str]:
    """The values and the body of a card, whatever stands in its head."""
    import yaml

    found = re.match(r"---\r?\n(.*?)\r?\n---\r?\n?", text, re.DOTALL)
    if not found:
        return {}, text
    try:
        values = yaml.safe_load(found[1])
    except yaml.YAMLError:
        return {}, text
    return (values if isinstance(values, dict) else {}), text[found.end() :]


def _sections(run: Run, dataset: HubDataset, licence: Licence, evidence: Evidence, repo: str) -> dict[str, str]:
    """The text of each part, by name."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("synth.hub"), autoescape=False, undefined=StrictUndefined, trim_blocks=True
    )
    templates.filters["md"] = lambda value: in_markdown(str(value))
    templates.globals["figure"] = _figure
    template = templates.get_template("card.md.j2")
    context = template.new_context(_said(run, dataset, licence, evidence, repo))
    texts = {name: "".join(template.blocks[name](context)) for name in SECTIONS}
    return {name: re.sub(r"\n{3,}", "\n\n", text).strip("\n") for name, text in texts.items()}


def _figure(value: float | Interval | None, scale: float = 1, digits: int = 3, sign: str = "") -> str:
    """A figure, with its interval where it has one."""
    if value is None:
        return "not measured"
    numbers = (value.value, value.low, value.high) if isinstance(value, Interval) else (value,)
    said = [f"{scale * number:{sign}.{digits}f}" for number in numbers]
    return said[0] if len(said) == 1 else f"{said[0]} [{said[1]}, {said[2]}]"


def _said(run: Run, dataset: HubDataset, licence: Licence, evidence: Evidence, repo: str) -> dict[str, Any]:
    """What the template speaks of."""
    shared, recipe = Shared(run.folder, run.recipe), run.recipe
    shots = sum(one.role == "shot" for one in read_real(run.folder))
    real = "rendered" if isinstance(recipe.source, ProceduralSource) else "real"
    shown, in_all = kinds_shown(dataset.records)
    columns = [*dataset.features, *(name for name in dataset.large or () if name != "id")]
    base = getattr(recipe.generator, "base", None)
    return {
        "title": recipe.name.replace("_", " "),
        "repo": repo,
        "synthetic": len(run.manifest),
        "good": sum(one.defect is None for one in dataset.records),
        "real_test": sum(one.role == "test" and one.defect is not None for one in dataset.records),
        "kinds": sorted({str(one.defect) for one in run.manifest}),
        "products": sorted({one.product for one in dataset.records}),
        "labels": _labels(dataset),
        "real": real,
        "shots_said": f"{shots} {real} defects" if shots else "good parts alone",
        "kinds_shown": len(shown),
        "kinds_in_all": in_all,
        "first_config": next(name for name in dataset.configs if name != ALL),
        "config_names": [name for name in dataset.configs if name not in (ALL, FULL)],
        "depth": "depth" in dataset.features,
        "clouds": "points" in dataset.features,
        "varied": dataset.large is not None and "xyz_size" in dataset.large,
        "large": dataset.large is not None,
        "splits": [split for split in SPLITS if any(split_of(one) == split for one in dataset.records)],
        "counts": _by_kind(dataset),
        "columns": [(name, *_COLUMNS[name]) for name in columns],
        "licence": licence,
        "base": None if base in (None, "tiny") else shared(str(base)),
        "generator": recipe.generator.kind,
        "seed": recipe.seed,
        "recipe": "\n".join(recipe_lines(shared(recipe.model_dump(mode="json")))),
        "made_with": read_environment(run.folder.environment),
        "yields": run.yields,
        "shortfalls": [shared(str(missing)) for missing in run.shortfalls],
        "evidence": evidence,
        "limits": _limits(run, shots, real),
    }


def _labels(dataset: HubDataset) -> str:
    if "points" in dataset.features:
        return "a point cloud with a label for each point, and an image with a mask"
    return "a mask of its pixels" + (", depth and an organised point cloud" if "depth" in dataset.features else "")


def _by_kind(dataset: HubDataset) -> list[tuple[tuple[str, str], dict[str, int]]]:
    found: dict[tuple[str, str], dict[str, int]] = {}
    for (product, defect, split), count in dataset.counts.items():
        found.setdefault((product, defect), {})[split] = count
    return sorted(found.items())


def _limits(run: Run, shots: int, real: str) -> list[str]:
    """What a user has to know before the data is trusted."""
    learnt = (
        f"learnt from {shots} {real} defects" if shots else "made from geometry, without a real defect to learn from"
    )
    said = [
        f"The defects are {learnt}: shapes, sizes and lights beyond that do not occur here.",
        "For training and for checks of a detector's pipeline. Whether a model works is measured on real images.",
        "A mask marks what the generator changed. People draw the border of a real defect wider or narrower.",
        "Good images are assumed to be good: a defect that was overlooked on one is labelled as none.",
    ]
    unmeasured = sorted({name for one in run.manifest for name in one.unmeasured})
    if unmeasured:
        said.append(f"Not measured by the checks: {', '.join(map(in_markdown, unmeasured))}.")
    shared = Shared(run.folder, run.recipe)
    return said + [in_markdown(shared(line)) for line in run.inferred]
