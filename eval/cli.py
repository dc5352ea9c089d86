"""`flawsmith eval`: measure what a finished run is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from synth.cli_terminal import Bars, beside, tell

app = typer.Typer(no_args_is_help=True, help="Measure what a finished run is worth.", rich_markup_mode=None)

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run, such as outputs/demo.")]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]
Names = Annotated[list[str], typer.Option("--segmenter", metavar="NAME", help="bisenetv2, lfd, upernet, segformer.")]
Arms = Annotated[list[str], typer.Option("--arm", metavar="NAME", help="What to train on; may be repeated.")]
Settings = Annotated[
    list[str],
    typer.Option("--set", metavar="KEY=VALUE", help="Parameter of all segmenters, or of one: bisenetv2.width=0.5."),
]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="Trainings at once, which share the cores; as many as there are cores unless told."),
]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Folder of the measurement.")]


@app.command()
def quality(
    path: RunPath,
    features: Annotated[
        str, typer.Option(metavar="NAME", help="Feature network: tiny_base, a folder, a Hub id, or a SqueezeNet .onnx.")
    ] = "tiny_base",
    as_json: AsJson = False,
) -> None:
    """Distance to the shots, diversity, faithfulness to the good images, copies and near-duplicates."""
    from eval.quality.report import measure_quality

    with Bars() as bars:
        found = measure_quality(path, features, bars)
    tell(found, as_json)


@app.command()
def segmenters(
    path: RunPath,
    names: Names = ["bisenetv2"],  # noqa: B006  typer copies it
    arms: Arms = ["ours_real"],  # noqa: B006
    settings: Settings = [],  # noqa: B006
    seeds: Annotated[int, typer.Option(help="Trainings of each.", min=1)] = 1,
    workers: Workers = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Train segmenters on a run and measure them on its test pictures, next to real shots alone."""
    from eval.arms import check_arms
    from eval.campaign import Campaign, carry_out
    from eval.segmenter_report import SegmenterReport
    from eval.trainings import most_workers

    campaign = Campaign(parse_settings(names, settings), check_arms(arms), seeds)
    with Bars() as bars:
        folder = out or beside(path, "-segmenters")
        measured = carry_out(path, campaign, folder, bars, workers or most_workers())
    tell(SegmenterReport(campaign, measured), as_json)


@app.command()
def verdict(
    path: RunPath,
    names: Names = ["bisenetv2", "lfd"],  # noqa: B006
    arms: Arms = [],  # noqa: B006
    settings: Settings = [],  # noqa: B006
    seeds: Annotated[int, typer.Option(help="Trainings of each arm, at least 3.")] = 3,
    workers: Workers = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Does it help? Segmenters trained with and without the synthetic data, and the gain with its interval."""
    from eval.arms import ARMS
    from eval.campaign import Campaign
    from eval.trainings import most_workers
    from eval.verdict import verdict as reach

    campaign = Campaign(parse_settings(names, settings), tuple(arms or ARMS), seeds)
    folder = out or beside(path, "-verdict")
    with Bars() as bars:
        judged = reach(path, campaign, folder, bars, workers or most_workers())
    tell(judged, as_json)
    if not as_json:
        tell(f"by defect type and size, with a plot: {folder / 'verdict.md'}", as_json)


def parse_settings(names: list[str], settings: list[str]) -> dict[str, dict[str, Any]]:
    """Segmenter -> its parameters, from KEY=VALUE for all and NAME.KEY=VALUE for one. EvalError for anything else."""
    import yaml

    from synth.errors import EvalError

    parsed: dict[str, dict[str, Any]] = {name: {} for name in names}
    for setting in settings:
        key, equals, text = setting.partition("=")
        name, dot, own = key.partition(".")
        if not equals or not key or (dot and name not in parsed):
            raise EvalError(f"--set {setting}: wanted KEY=VALUE or NAME.KEY=VALUE with NAME among {', '.join(parsed)}")
        for chosen in [name] if dot else parsed:
            parsed[chosen][own if dot else key] = yaml.safe_load(text)
    return parsed
