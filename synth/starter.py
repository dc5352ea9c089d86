"""A commented recipe for a folder of the user's, written from the schema: every value with its meaning and unit."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from synth.atomic import replacing
from synth.errors import RecipeError
from synth.recipe import Recipe
from synth.seas.config import SeasConfig
from synth.sources import list_tree, recognise
from synth.sources.config import FolderSource, MvtecAdSource

SOURCES: dict[str, type[BaseModel]] = {"folder": FolderSource, "mvtec_ad": MvtecAdSource}


def write_starter(folder: Path, to: Path) -> Path:
    """Write a recipe for what is in the folder to a new file. Raises RecipeError where that file exists already, and
    SourceError where the folder cannot be read."""
    if to.exists():
        raise RecipeError(f"{to} exists already: name another file with --to")
    list_tree(folder)
    text = starter(folder.resolve(), recognise(folder), to)
    with replacing(to) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return to


def starter(root: Path, kind: str, to: Path) -> str:
    """The text of that recipe: what has to be decided stands as a value, every other value as a comment."""
    given = {"kind": kind, "root": str(root)}
    lines = [
        f"# Labelled defects like those in {root}",
        f"# Look before: flawsmith run {to} --dry-run",
        f"# Make it:     flawsmith run {to}",
        "",
        *_line("seed", Recipe.model_fields["seed"], indent=""),
    ]
    blocks: dict[str, tuple[type[BaseModel], dict[str, str]]] = {
        "source": (SOURCES[kind], given),
        "generator": (SeasConfig, {"kind": "seas"}),
    }
    for name in ("request", "checks", "output"):
        schema = Recipe.model_fields[name].annotation
        assert isinstance(schema, type)
        blocks[name] = (schema, {})
    for name, (schema, values) in blocks.items():
        lines += ["", *_comment(Recipe.model_fields[name].description, ""), f"{name}:"]
        lines += [f"  {key}: {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
        for key, info in schema.model_fields.items():
            if key not in values:
                lines += _line(key, info)
    return "\n".join(lines) + "\n"


def _line(key: str, info: FieldInfo, indent: str = "  ") -> list[str]:
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    unit = f" [{extra['unit']}]" if "unit" in extra else ""
    value = json.dumps(_plain(info.get_default(call_default_factory=True)), ensure_ascii=False)
    return [*_comment(f"{info.description}{unit}", indent), f"{indent}# {key}: {value}"]


def _comment(text: str | None, indent: str) -> list[str]:
    return textwrap.wrap(text or "", width=100, initial_indent=f"{indent}## ", subsequent_indent=f"{indent}## ")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
