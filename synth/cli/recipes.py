"""`flawsmith recipe`: write, check and look up recipes."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from synth.cli.arguments import AsJson, Overrides, RecipeName
from synth.cli.terminal import knows, print_report, put, say
from synth.io.json_text import json_text
from synth.io.names import own_name

app = typer.Typer(no_args_is_help=True, help="Write, check and look up recipes.", rich_markup_mode=None)


def _started(incomplete: str) -> list[str]:
    from synth.recipe.starter import STARTED

    return [name for name in STARTED if name.startswith(incomplete)]


@app.command("list")
def list_bundled(as_json: AsJson = False) -> None:
    """The bundled recipes: what each makes and needs."""
    from synth.recipe.catalogue import catalogue

    print_report(catalogue(), as_json)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Your folder of images.")],
    to: Annotated[Path | None, typer.Option("--to", metavar="FILE", help="Where to; FOLDER's name + .yaml.")] = None,
    generator: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="copy_paste (quick), seas (draws anew, learns for minutes) or dual (scans, clouds); by the data.",
            autocompletion=_started,
        ),
    ] = None,
) -> None:
    """Write a commented starter recipe for a folder of yours."""
    from synth.recipe.starter import write_starter

    written = write_starter(folder, to or Path(f"{own_name(folder)}.yaml"), generator)
    say(f"{written}: look through it, then: flawsmith run {shlex.quote(str(written))}")


@app.command()
def validate(recipe: RecipeName, overrides: Overrides = []) -> None:  # noqa: B006
    """Check a recipe; every mistake is shown with its line."""
    from synth.recipe import load_recipe

    say(f"{recipe}: good, sha256 {load_recipe(recipe, overrides).sha256}")


@app.command()
def show(recipe: RecipeName, overrides: Overrides = []) -> None:  # noqa: B006
    """The recipe with every default filled in."""
    from synth.recipe import load_recipe

    loaded = load_recipe(recipe, overrides)
    text = loaded.to_yaml()
    put(text if knows(text) else loaded.to_yaml(plain=True))


@app.command()
def schema() -> None:
    """The JSON schema of recipes, with the meaning and unit of every value; editors complete from it."""
    from synth.recipe import Recipe

    put(json_text(Recipe.model_json_schema(), indent=2) + "\n")
