"""What the site has beside the pages of this folder, made while it is built so that none of it can grow old: the
reference of recipes from their schema, that of the public names from their lists, and a page for each file of the
repository that a page links to."""

from __future__ import annotations

import ast
import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"(\]\()([^)#\s:]+)((?:#[^)\s]*)?\))")
"""A link to a file by relative path: its opening, the path, an anchor and its closing."""
IN_NAV = ("CHANGELOG.md", "CONTRIBUTING.md")
"""Pages of the repository's root with a place in the navigation of mkdocs.yml."""
PUBLIC = ("flawsmith", "synth.dual", "eval.detectors", "eval.segmenters", "eval.metrics")
"""Modules whose `__all__` is promised to users."""
HEAD = """A recipe is a YAML file. Each value has a default; any is set on the command line, too:
`--set request.per_defect=20`. An unknown key is an error. `flawsmith recipe init FOLDER` writes one for your data,
`flawsmith recipe schema` prints this reference for editors, `flawsmith recipe validate FILE` checks one."""
MODULES = ("dual", "eval")
"""Names of `flawsmith` that are modules, with a heading of their own."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    files.append(File.generated(config, "recipes.md", content=recipes_page()))
    files.append(File.generated(config, "api.md", content=api_page()))
    for linked in sorted(linked_files()):
        files.append(File.generated(config, source_page(linked), content=shown_file(linked)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """A link that leaves this folder leads to the page of that file."""
    place = page.file.src_uri
    return markdown if place.startswith("source/") else relinked(markdown, f"docs/{place}", place)


def relinked(markdown: str, file: str, place: str) -> str:
    """The text of a file of the repository as it stands at `place` of the site: links between pages of the site."""

    def lead(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(file), link[2]))
        inside = target.startswith("docs/")
        if not inside and not (ROOT / target).is_file():
            return link[0]
        at = target.removeprefix("docs/") if inside else source_page(target)
        return link[1] + posixpath.relpath(at, posixpath.dirname(place) or ".") + link[3]

    return LINK.sub(lead, markdown)


def linked_files() -> set[str]:
    """Files outside docs/ that pages link to, directly or through one another."""
    found: set[str] = set()
    waiting = [f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")] + [*IN_NAV]
    while waiting:
        file = waiting.pop()
        if not file.endswith(".md"):
            continue
        for link in LINK.finditer((ROOT / file).read_text(encoding="utf-8")):
            target = posixpath.normpath(posixpath.join(posixpath.dirname(file), link[2]))
            if not target.startswith("docs/") and target not in found and (ROOT / target).is_file():
                found.add(target)
                waiting.append(target)
    return found | {*IN_NAV}


def source_page(file: str) -> str:
    """Where the page of a file of the repository is."""
    return f"source/{file}" if file.endswith(".md") else f"source/{file}.md"


def shown_file(file: str) -> str:
    """The page of a file: its text as it stands, or as a page where it is one."""
    text = (ROOT / file).read_text(encoding="utf-8")
    if file.endswith(".md"):
        return relinked(text, file, source_page(file))
    return f"# {file}\n\n````{Path(file).suffix[1:] or 'text'}\n{text.rstrip()}\n````\n"


def api_page() -> str:
    """Every public name, for mkdocstrings to fill in."""
    lines = ["# Python interface", "", "The names below are a promise; what is not here may change.", ""]
    for module in PUBLIC:
        names = [name for name in listed_names(module) if not name.startswith("__") and name not in MODULES]
        lines += [f"## {module}", "", *(line for name in names for line in (f"::: {module}.{name}", ""))]
    return "\n".join(lines)


def listed_names(module: str) -> list[str]:
    """`__all__` of a package, read without importing it."""
    text = (ROOT / module.replace(".", "/") / "__init__.py").read_text(encoding="utf-8")
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == "__all__":
            return list(ast.literal_eval(node.value))
    raise ValueError(f"{module} has no __all__")


def recipes_page() -> str:
    """Every value of a recipe, from the schema, and the bundled recipes."""
    from synth.recipe import Recipe, bundled_recipes

    schema = Recipe.model_json_schema()
    schemas = schema["$defs"]
    top = {key: value for key, value in schema["properties"].items() if key in ("name", "seed")}
    lines = [
        "# Recipes, value by value",
        "",
        HEAD,
        "",
        *table(top, schemas),
    ]
    for block, value in schema["properties"].items():
        if block in top:
            continue
        lines += ["", f"## `{block}:`", "", cell(value["description"])]
        for one in value.get("oneOf", [value]):
            model = schemas[reference(one)]
            if "oneOf" in value:
                kind = model["properties"]["kind"]["const"]
                lines += ["", f"### `{block}: {{kind: {kind}}}`", "", cell(model.get("description", ""))]
            lines += ["", *table(model["properties"], schemas)]
    lines += ["", "## Recipes that come along", ""]
    for name, file in bundled_recipes().items():
        lines += [f"### `{name}`", "", "```yaml", file.read_text(encoding="utf-8").rstrip(), "```", ""]
    return "\n".join(lines) + "\n"


def reference(value: dict[str, Any]) -> str:
    """The name of the schema that a value follows."""
    return (value["$ref"] if "$ref" in value else value["allOf"][0]["$ref"]).rpartition("/")[2]


def table(properties: dict[str, Any], schemas: dict[str, Any]) -> list[str]:
    """A table of values."""
    return ["| key | value | default | meaning |", "|---|---|---|---|", *rows(properties, schemas)]


def rows(properties: dict[str, Any], schemas: dict[str, Any], above: str = "") -> Iterator[str]:
    """A row a value, after a block the rows of what is in it."""
    for key, value in properties.items():
        unit = f" [{value['unit']}]" if "unit" in value else ""
        given = f"`{cell(json.dumps(value.get('default'), ensure_ascii=False))}`"
        default = given if "default" in value else "must be given"
        kind = cell(" or ".join(dict.fromkeys(kinds_of(value))))
        yield f"| `{above}{key}` | {kind} | {default} | {cell(value.get('description', '')) + unit} |"
        for one in value.get("anyOf", ()):
            if "$ref" in one:
                yield from rows(schemas[reference(one)]["properties"], schemas, f"{above}{key}.")


def kinds_of(value: dict[str, Any]) -> Iterator[str]:
    """What a value may be, in words."""
    for one in value.get("anyOf", ()):
        yield from kinds_of(one)
    if "anyOf" in value:
        return
    known = value.get("enum", [value["const"]] if "const" in value else [])
    if known:
        yield ", ".join(f"`{each}`" for each in known)
    elif "$ref" in value:
        yield "a block, with the keys below"
    elif value.get("type") == "array":
        kinds = dict.fromkeys(kind for one in listed(value) for kind in kinds_of(one))
        count = f"{value['maxItems']} of: " if "maxItems" in value else "a list of: "
        yield count + " or ".join(kinds)
    elif value.get("type") == "object":
        inner = value.get("additionalProperties")
        yield "by name: " + (" or ".join(kinds_of(inner)) if isinstance(inner, dict) else "any value")
    else:
        names = {"string": "text", "null": "nothing (`null`)", "boolean": "`true`, `false`"}
        name = "a path" if value.get("format") == "path" else names.get(value["type"], value["type"])
        yield name + bounds(value)


def listed(value: dict[str, Any]) -> list[dict[str, Any]]:
    return value.get("prefixItems") or [value["items"]]


def bounds(value: dict[str, Any]) -> str:
    words = {"minimum": "from {}", "exclusiveMinimum": "above {}", "maximum": "to {}", "exclusiveMaximum": "below {}"}
    return "".join(" " + words[key].format(value[key]) for key in words if key in value)


def cell(text: str) -> str:
    """Text for a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
