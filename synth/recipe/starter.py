"""A commented recipe for a folder of the user's, written from the schema: every value with its meaning and unit."""

from __future__ import annotations

import json
import math
import shlex
import textwrap
from pathlib import Path
from typing import Any

import yaml
from pydantic.fields import FieldInfo

from synth.errors import RecipeError
from synth.io.atomic import replacing
from synth.io.names import named_place
from synth.printable import printable
from synth.recipe import Recipe, bundled_recipes
from synth.recipe.text import schema_of
from synth.sources import list_tree
from synth.suggest import did_you_mean

BUNDLED = {"mvtec_3d": "rgbd", "eyecandies": "rgbd", "clouds": "parts"}
"""Kind of source with geometry -> the bundled recipe from which its starter has everything but the source."""

GENERATOR_BLOCKS: dict[str, dict[str, Any]] = {"copy_paste": {}, "seas": {"freedom": 0.3}}
"""Kind of generator that needs images -> what its starter sets."""
STARTED = (*GENERATOR_BLOCKS, "dual")

OTHERWISE = {"freedom": "To draw as well, with a model that learns from the shots for some minutes first: freedom: 0.3"}
"""Key -> what a starter says below its value of another one."""


def write_starter(folder: Path, to: Path, generator: str | None = None) -> Path:
    """Write a recipe for what is in the folder to a new file, with this generator or the one that suits the data most.
    Raises RecipeError where that file exists already or the generator cannot use the data, and SourceError where the
    folder cannot be read."""
    if to.exists():
        raise RecipeError(f"{to} exists already: name another file with --to")
    root = named_place(folder)
    if any("\ud800" <= character <= "\udfff" for character in str(root)):
        raise RecipeError(f"{root}: the name is not UTF-8 text, so no recipe can hold it; rename the folder")
    text = starter(root, list_tree(folder).layout, to, generator)
    with replacing(to) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return to


def starter(root: Path, kind: str, to: Path, generator: str | None = None) -> str:
    """The text of that recipe: what has to be decided stands as a value, every other value as a comment."""
    command = printable(f"flawsmith run {shlex.quote(str(to))}")
    lines = [
        f"# Labelled defects for the parts in {printable(str(root))}",
        f"# Look before: {command} --dry-run",
        f"# Make it:     {command}",
        "",
        *_line("seed", Recipe.model_fields["seed"], {}, indent=""),
    ]
    blocks = _blocks(root, kind, generator)
    blocks["source"] = {"kind": kind, "root": str(root)}
    for name in ("source", "generator", "request", "checks", "output"):
        info, values = Recipe.model_fields[name], blocks.get(name, {})
        schema = schema_of(info.annotation, values)
        assert schema is not None
        lines += ["", *_comment(info.description, ""), f"{name}:"]
        for key in sorted(schema.model_fields, key=lambda key: key not in values):
            lines += _line(key, schema.model_fields[key], values)
            lines += [f"  ## {OTHERWISE[key]}"] if key in OTHERWISE and values.get(key) == 0 else []
    return "\n".join(lines) + "\n"


def _blocks(root: Path, kind: str, generator: str | None) -> dict[str, dict[str, Any]]:
    """What the recipe sets, but for the source. RecipeError for a generator that cannot use this kind of source."""
    if generator not in (None, *STARTED):
        raise RecipeError(f"--generator {generator} is unknown; {did_you_mean(str(generator), STARTED)}")
    if generator == "dual" and kind not in BUNDLED:
        raise RecipeError(f"{root} holds images alone, and dual needs depth or points; take --generator copy_paste")
    if generator in GENERATOR_BLOCKS and kind == "clouds":
        raise RecipeError(f"{root} holds point clouds, and {generator} needs images; take --generator dual")
    if generator in GENERATOR_BLOCKS:
        return {"generator": {"kind": generator, **GENERATOR_BLOCKS[generator]}}
    if kind in BUNDLED:
        bundled: dict[str, dict[str, Any]] = yaml.safe_load(bundled_recipes()[BUNDLED[kind]].read_text("utf-8"))
        return bundled
    return {"generator": {"kind": "seas", "freedom": 0}}


def _line(key: str, info: FieldInfo, values: dict[str, Any], indent: str = "  ") -> list[str]:
    """What a key means, then its value, or as a comment its default."""
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    unit = f" [{extra['unit']}]" if "unit" in extra else ""
    mark = "" if key in values else "# "
    value = values[key] if key in values else _plain(info.get_default(call_default_factory=True))
    meaning = _comment(f"{info.description or ''}{unit}", indent)
    return [*meaning, f"{indent}{mark}{key}: {_value(value)}"]


def _value(value: Any) -> str:
    """A value as YAML in one line, which JSON is as long as its text prints."""
    text = json.dumps(value, ensure_ascii=False)
    if text.isprintable():
        return text
    return yaml.safe_dump(value, default_flow_style=True, width=math.inf).removesuffix("...\n").rstrip()


def _comment(text: str | None, indent: str) -> list[str]:
    return textwrap.wrap(text or "", width=100, initial_indent=f"{indent}## ", subsequent_indent=f"{indent}## ")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
