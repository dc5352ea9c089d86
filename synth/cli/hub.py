"""The verbs of the Hugging Face Hub: publish a run, or write its card alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synth.cli.arguments import AsJson, RunPath
from synth.cli.terminal import Bars, print_report, say


def push(
    path: RunPath,
    repo: Annotated[str, typer.Argument(metavar="REPO_ID", help="The dataset on the Hub, as owner/name.")],
    private: Annotated[bool, typer.Option("--private", help="Create it as a private dataset.")] = False,
    create_pr: Annotated[bool, typer.Option("--create-pr", help="Open a pull request instead of a commit.")] = False,
    revision: Annotated[
        str | None, typer.Option("--revision", metavar="R", help="A branch, which is made where there is none.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Prepare the folder RUN-hub and send nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Publish a finished run on the Hugging Face Hub, with a card that carries the evidence. A second push sends what
    has changed and keeps what was written in the card. The token is that of `hf auth login` or HF_TOKEN."""
    from synth.hub import push as publish

    with Bars() as bars:
        pushed = publish(path, repo, private, create_pr, revision, dry_run, bars)
    print_report(pushed, as_json)


def card(
    path: RunPath,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write the card here too, with its image beside it."),
    ] = None,
) -> None:
    """Write the card that a push would have, and the dataset it describes, into the folder RUN-hub."""
    from synth.hub import card as write

    with Bars() as bars:
        written = write(path, out, bars)
    say(str(written))
