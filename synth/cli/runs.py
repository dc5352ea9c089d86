"""The verbs of runs: make one, look at it, write it in another format, draw one of its samples again."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synth.cli.arguments import AsJson, Out, Overrides, RecipeName, RunPath, Trackers, beside
from synth.cli.terminal import Bars, print_report, put, say
from synth.errors import RecipeError
from synth.io.json_text import json_text
from synth.writers import WRITERS

if TYPE_CHECKING:
    from synth.cli.summary import Summary
    from synth.recipe import Recipe

Workers = Annotated[
    int, typer.Option("--workers", min=1, help="Processes, or actors, that draw side by side; each loads the model.")
]


class Executor(str, Enum):
    """Where workers run."""

    local = "local"
    ray = "ray"


def _formats(incomplete: str) -> list[str]:
    return [name for name in WRITERS if name.startswith(incomplete)]


def demo(out: Out = None, as_json: AsJson = False) -> None:
    """The main job on built-in products: pasted defects within a minute, then drawn ones, then RGB-D pairs, each with a
    page to look at."""
    from synth.pipeline.folder import RunFolder

    suffixes = {"pasted": "_pasted", "drawn": "", "with_depth": "_3d"}
    places = {suffix: out if out is None or not suffix else beside(out, suffix) for suffix in suffixes.values()}
    for place in places.values():
        if place is not None:
            RunFolder(place).check_usable()
    summaries = {}
    for answer, suffix in suffixes.items():
        summaries[answer] = _run(f"demo{suffix}", [], places[suffix])
        if not as_json:
            say(*summaries[answer].lines(), "")
    if as_json:
        put(json_text({answer: summary.to_json() for answer, summary in summaries.items()}, indent=2) + "\n")


def run(
    recipe: RecipeName,
    overrides: Overrides = [],  # noqa: B006  typer copies it
    out: Out = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be made.")] = False,
    workers: Workers = 1,
    executor: Annotated[
        Executor, typer.Option("--executor", help="Where workers run: processes on this machine, or actors of Ray.")
    ] = Executor.local,
    shards: Annotated[
        str | None,
        typer.Option("--shards", metavar="I/N", help="Make the I-th of N shares of the work ahead, counted from 0."),
    ] = None,
    trackers: Trackers = [],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """Make a labelled dataset from a recipe. After an interruption the same command resumes where it stopped; with a
    larger quota, more formats or more defect types it continues from what is there."""
    if dry_run:
        from eval.judge import SegmenterJudge
        from synth.pipeline.preview import preview
        from synth.recipe import load_recipe

        with Bars() as bars:
            seen = preview(load_recipe(recipe, overrides), bars, SegmenterJudge())
        print_report(seen, as_json)
    elif shards is not None:
        _make_ahead(recipe, overrides, out, shards, trackers)
    else:
        print_report(_run(recipe, overrides, out, workers, executor, trackers), as_json)


def verify(path: RunPath, as_json: AsJson = False) -> None:
    """Compare every file of a finished run with what was written; exit code 1 if one is damaged, missing or new."""
    from synth.pipeline.verify import verify as compare

    with Bars() as bars:
        found = compare(path, bars)
    print_report(found, as_json)
    if not found.whole:
        raise typer.Exit(1)


def show(path: RunPath) -> None:
    """Build the gallery page of a run again, finished or not."""
    from synth.pipeline.runs import show as build

    with Bars() as bars:
        page = build(path, bars)
    say(str(page))


def drop(
    path: RunPath,
    ids: Annotated[list[str], typer.Argument(metavar="SAMPLE_ID...", help="The ids of samples of the run.")],
    restore: Annotated[bool, typer.Option("--restore", help="Take them back.")] = False,
    as_json: AsJson = False,
) -> None:
    """Leave samples out of a finished run's dataset: manifest, data, exports and evaluation are without them."""
    from synth.pipeline.runs import drop as leave_out

    with Bars() as bars:
        left = leave_out(path, ids, bars, restore)
    print_report(left, as_json)


def export(
    path: RunPath,
    form: Annotated[
        str,
        typer.Option(
            "--format", metavar="FORMAT", help=f"As output.format: {', '.join(WRITERS)}.", autocompletion=_formats
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="A new folder; RUN-FORMAT by default.")
    ] = None,
) -> None:
    """Write a finished run's samples in another format."""
    from synth.pipeline.runs import export as write

    target = out or beside(path, f"-{form}")
    write(path, form, target)
    say(str(target))


def regenerate(
    path: RunPath,
    sample_id: Annotated[str, typer.Argument(metavar="SAMPLE_ID", help="The id of a sample of the run.")],
    as_json: AsJson = False,
) -> None:
    """Draw one sample again and compare it with the stored one, bit for bit; exit code 1 if they differ."""
    from synth.pipeline.regenerate import regenerate as draw_again

    with Bars() as bars:
        found = draw_again(path, sample_id, bars)
    print_report(found, as_json)
    if not found.equal:
        raise typer.Exit(1)


def _run(
    name: str,
    overrides: list[str],
    out: Path | None,
    workers: int = 1,
    executor: Executor = Executor.local,
    trackers: Sequence[str] = (),
) -> Summary:
    from eval.judge import SegmenterJudge
    from synth.cli.summary import Summary
    from synth.pipeline.runs import run as make
    from synth.recipe import load_recipe

    started, recipe = time.monotonic(), load_recipe(name, overrides)
    with Bars() as bars, _tracking(trackers, out, recipe):
        finished = make(recipe, out, bars, workers, executor.value, SegmenterJudge())
    return Summary(finished, (time.monotonic() - started) / 60)


def _make_ahead(name: str, overrides: list[str], out: Path | None, shards: str, trackers: Sequence[str]) -> None:
    from eval.judge import SegmenterJudge
    from synth.pipeline.runs import make_ahead
    from synth.recipe import load_recipe

    given = re.fullmatch(r"(\d+)/(\d+)", shards)
    if not given or not int(given[1]) < int(given[2]):
        raise RecipeError(f"--shards {shards}: wanted I/N with I from 0 to N - 1, such as 0/8")
    recipe = load_recipe(name, overrides)
    with Bars() as bars, _tracking(trackers, out, recipe):
        folder = make_ahead(recipe, out, (int(given[1]), int(given[2])), bars, SegmenterJudge())
    say(f"{folder.shards}: when all shares are there, run the same command without --shards")


def _tracking(trackers: Sequence[str], out: Path | None, recipe: Recipe) -> AbstractContextManager[None]:
    from synth.training.trackers import tracker_names, tracking

    return tracking(tracker_names(trackers), beside(out or Path("outputs") / recipe.name, "-tracker"))
