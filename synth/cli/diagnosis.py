"""The verbs that look and change nothing: at a folder of images, and at this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synth.cli.arguments import AsJson, Overrides
from synth.cli.terminal import Bars, print_report, put, say
from synth.io.json_text import json_text


def inspect(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Folder of images, scans or clouds, or a recipe file.")],
    overrides: Overrides = [],  # noqa: B006  typer copies it
    layout: Annotated[
        str, typer.Option("--layout", metavar="KIND", help="Kind of source, such as mvtec_ad; found by default.")
    ] = "auto",
    overlay: Annotated[
        Path | None,
        typer.Option("--overlay", metavar="FILE.png", help="Draw where the product and the defects are into a file."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What is in a folder, what is wrong with it and how to mend it. Changes nothing there; exit code 2 if unusable.
    --set source.KEY=VALUE decides what is inferred, as in a recipe."""
    from synth.pipeline.inspect import inspect as look

    with Bars() as bars:
        report = look(path, layout, overrides, bars, overlay)
    print_report(report, as_json)
    if not report.usable:
        raise typer.Exit(2)


def doctor(
    speed: Annotated[
        bool, typer.Option("--speed", help="Measure how fast it is, too, in some two minutes; dry runs then use that.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check this machine: Python, torch, torchvision, open3d, disk, memory, GPU and the bundled base model."""
    from synth.cli.doctor import examine

    with Bars() as bars:
        findings = examine(bars, speed)
    if as_json:
        put(json_text([finding.to_json() for finding in findings], indent=2) + "\n")
    else:
        say(*(line for finding in findings for line in finding.lines()))
    if any(finding.state == "broken" for finding in findings):
        raise typer.Exit(1)
