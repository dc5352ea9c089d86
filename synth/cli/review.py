"""The verb of reviewing: a run's page served on loopback, or decisions that were saved elsewhere taken over."""

from __future__ import annotations

import signal
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from synth.cli.arguments import AsJson, RunPath
from synth.cli.stopping import Stopped
from synth.cli.terminal import Bars, print_report, say


def review(
    path: RunPath,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port on loopback; any free one by default.")
    ] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only say the address.")] = False,
    saved: Annotated[
        Path | None, typer.Option("--apply", metavar="FILE", help="Take over decisions saved on the page, and end.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Accept, reject and correct samples on the run's page. Rejected ones leave the dataset, and the next run of the
    recipe makes others."""
    from synth.pipeline.runs import Curation, Run
    from synth.review.desk import open_desk
    from synth.review.handed import read_handed
    from synth.review.server import serving

    def left() -> Curation:
        return Curation.of(Run(path))

    if saved is not None:
        with Bars() as bars, open_desk(path, bars) as desk:
            desk.apply(read_handed(saved, desk.key))
            desk.finish(bars)
        print_report(left(), as_json)
        return
    with Bars() as bars, open_desk(path, bars) as desk:

        def at_end() -> list[str]:
            desk.finish(bars)
            return left().lines()

        with serving(desk, port, at_end) as server:
            say(
                f"review {server.address}", "each decision is kept at once; end with Ctrl-C, or with finish on the page"
            )
            if not no_browser:
                webbrowser.open(server.address)
            try:
                server.finished.wait()
            except Stopped as stop:
                if stop.exit_code != 128 + signal.SIGINT:
                    raise
    if server.finished.is_set():
        print_report(left(), as_json)
    else:
        say("decisions are kept; the next command on this run takes them into its dataset")
