"""Arguments and options that several verbs take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synth.io.names import beside as beside


def _bundled(incomplete: str) -> list[str]:
    from synth.recipe import bundled_recipes

    return [name for name in bundled_recipes() if name.startswith(incomplete)]


RecipeName = Annotated[
    str,
    typer.Argument(metavar="RECIPE", help="A YAML file, or a bundled recipe such as demo.", autocompletion=_bundled),
]
Overrides = Annotated[list[str], typer.Option("--set", metavar="A.B=VALUE", help="Change a value; may be repeated.")]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, such as outputs/demo.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="The run's folder; outputs/NAME by default.")]
Trackers = Annotated[
    list[str],
    typer.Option(
        "--tracker", metavar="NAME", help="Losses go to tensorboard, wandb or trackio as well; may be repeated."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]
