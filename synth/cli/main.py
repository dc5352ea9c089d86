"""The `flawsmith` command: each verb reads its arguments, calls one function and shows what came of it.

Whatever is heavy loads inside the verb that needs it, so `--help` answers at once.
"""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synth.cli.evaluation import app as evaluation
from synth.cli.terminal import Bars, Verbs, beside, tell

if TYPE_CHECKING:
    from synth.cli.summary import Summary

app = typer.Typer(
    cls=Verbs, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)
recipes = typer.Typer(no_args_is_help=True, help="Write, check and look up recipes.", rich_markup_mode=None)
app.add_typer(recipes, name="recipe")
app.add_typer(evaluation, name="eval")

RecipeName = Annotated[str, typer.Argument(metavar="RECIPE", help="A YAML file, or a bundled recipe such as demo.")]
Overrides = Annotated[list[str], typer.Option("--set", metavar="A.B=VALUE", help="Change a value; may be repeated.")]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, such as outputs/demo.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="The run's folder; outputs/NAME by default.")]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]


@app.callback()
def flawsmith(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error; fits anywhere.")] = False,
) -> None:
    """Few real defects in, a trustworthy labelled defect dataset out."""


@app.command()
def demo(out: Out = None, as_json: AsJson = False) -> None:
    """The main job on built-in products: pasted defects within a minute, then drawn ones, then RGB-D pairs, each with a
    page to look at."""
    summaries = {}
    for answer, suffix in (("pasted", "_pasted"), ("drawn", ""), ("with_depth", "_3d")):
        place = out if out is None or not suffix else beside(out, suffix)
        summaries[answer] = _run(f"demo{suffix}", [], place)
        if not as_json:
            print(summaries[answer], end="\n\n")
    if as_json:
        print(json.dumps({answer: summary.to_json() for answer, summary in summaries.items()}, indent=2))


@app.command()
def run(
    recipe: RecipeName,
    overrides: Overrides = [],  # noqa: B006  typer copies it
    out: Out = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be made.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a labelled dataset from a recipe. After an interruption the same command resumes where it stopped."""
    if not dry_run:
        tell(_run(recipe, overrides, out), as_json)
        return
    from synth.pipeline.preview import preview
    from synth.recipe import load_recipe

    with Bars() as bars:
        seen = preview(load_recipe(recipe, overrides), bars)
    tell(seen, as_json)


@app.command()
def inspect(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Folder of images, or of an MVTec AD tree.")],
    overlay: Annotated[
        Path | None,
        typer.Option("--overlay", metavar="FILE.png", help="Draw where the product and the defects are into a file."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What is in a folder, what is wrong with it and how to mend it. Changes nothing there; exit code 2 if unusable."""
    from synth.sources.inspect import inspect as look

    with Bars() as bars:
        report = look(path, progress=bars, overlay=overlay)
    tell(report, as_json)
    if not report.usable:
        raise typer.Exit(2)


@app.command()
def show(path: RunPath) -> None:
    """Build the gallery page of a run again, finished or not."""
    from synth.pipeline.runs import show as build

    with Bars() as bars:
        print(build(path, bars))


@app.command()
def export(
    path: RunPath,
    form: Annotated[str, typer.Option("--format", metavar="FORMAT", help="As output.format, such as mvtec_3d.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="A new folder; RUN-FORMAT by default.")
    ] = None,
) -> None:
    """Write a finished run's samples in another format."""
    from synth.pipeline.runs import export as write

    target = out or beside(path, f"-{form}")
    write(path, form, target)
    print(target)


@app.command()
def regenerate(
    path: RunPath,
    sample_id: Annotated[str, typer.Argument(metavar="SAMPLE_ID", help="The id of a sample of the run.")],
    as_json: AsJson = False,
) -> None:
    """Draw one sample again and compare it with the stored one, bit for bit; exit code 1 if they differ."""
    from synth.pipeline.regenerate import regenerate as draw_again

    with Bars() as bars:
        found = draw_again(path, sample_id, bars)
    tell(found, as_json)
    if not found.equal:
        raise typer.Exit(1)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Check this machine: Python, torch, torchvision, open3d, disk, memory, GPU and the bundled base model."""
    from synth.cli.doctor import examine

    findings = examine()
    print(json.dumps([f.to_json() for f in findings], indent=2) if as_json else "\n".join(map(str, findings)))
    if any(finding.state == "broken" for finding in findings):
        raise typer.Exit(1)


@recipes.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Your folder of images.")],
    to: Annotated[Path | None, typer.Option("--to", metavar="FILE", help="Where to; FOLDER's name + .yaml.")] = None,
) -> None:
    """Write a commented starter recipe for a folder of yours."""
    from synth.recipe.starter import write_starter

    written = write_starter(folder, to or Path(f"{folder.resolve().name}.yaml"))
    print(f"{written}: look through it, then: flawsmith run {shlex.quote(str(written))}")


@recipes.command()
def validate(recipe: RecipeName, overrides: Overrides = []) -> None:  # noqa: B006
    """Check a recipe; every mistake is told with its line."""
    from synth.recipe import load_recipe

    print(f"{recipe}: good, sha256 {load_recipe(recipe, overrides).sha256}")


@recipes.command("show")
def show_recipe(recipe: RecipeName, overrides: Overrides = []) -> None:  # noqa: B006
    """The recipe with every default filled in."""
    from synth.recipe import load_recipe

    print(load_recipe(recipe, overrides).to_yaml(), end="")


@recipes.command()
def schema() -> None:
    """The JSON schema of recipes, with the meaning and unit of every value; editors complete from it."""
    from synth.recipe import Recipe

    print(json.dumps(Recipe.model_json_schema(), indent=2))


def _run(name: str, overrides: list[str], out: Path | None) -> Summary:
    from synth.cli.summary import Summary
    from synth.pipeline.runs import run as make
    from synth.recipe import load_recipe

    started = time.monotonic()
    with Bars() as bars:
        finished = make(load_recipe(name, overrides), out, bars)
    return Summary(finished, (time.monotonic() - started) / 60)
