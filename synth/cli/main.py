"""The `flawsmith` command: each verb reads its arguments, calls one function and shows what came of it.

Whatever is heavy loads inside the verb that needs it, so `--help` answers at once.
"""

from __future__ import annotations

from typing import Annotated

import typer

from synth.cli.diagnosis import doctor, inspect
from synth.cli.evaluation import app as evaluation
from synth.cli.hub import card, push
from synth.cli.recipes import app as recipes
from synth.cli.review import review
from synth.cli.runs import demo, drop, export, regenerate, run, show, verify
from synth.cli.terminal import say
from synth.cli.verbs import Verbs

HELP = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(
    cls=Verbs, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, context_settings=HELP
)
for verb in (demo, run, inspect, show, review, drop, export, push, card, verify, regenerate, doctor):
    app.command()(verb)
app.add_typer(recipes, name="recipe")
app.add_typer(evaluation, name="eval")


def _version(asked: bool) -> None:
    if asked:
        from synth import __version__

        say(f"flawsmith {__version__}")
        raise typer.Exit


@app.callback()
def flawsmith(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and end.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error; fits anywhere.")] = False,
) -> None:
    """Few real defects in, a trustworthy labelled defect dataset out."""
