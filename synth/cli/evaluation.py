"""`flawsmith eval`: measure what a finished run is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from synth.cli.arguments import AsJson, beside
from synth.cli.terminal import Bars, print_report, say

app = typer.Typer(no_args_is_help=True, help="Measure what a finished run is worth.", rich_markup_mode=None)

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run, such as outputs/demo.")]
Names = Annotated[list[str], typer.Option("--segmenter", metavar="NAME", help="bisenetv2, lfd, upernet, segformer.")]
TrainingSets = Annotated[
    list[str], typer.Option("--training-set", metavar="NAME", help="What to train on; may be repeated.")
]
Settings = Annotated[
    list[str],
    typer.Option("--set", metavar="KEY=VALUE", help="Parameter of all segmenters, or of one: bisenetv2.width=0.5."),
]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="Trainings at once, which share the cores; as many as there are cores by default."),
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
    print_report(found, as_json)


@app.command()
def segmenters(
    path: RunPath,
    names: Names = ["bisenetv2"],  # noqa: B006  typer copies it
    training_sets: TrainingSets = ["ours_real"],  # noqa: B006
    settings: Settings = [],  # noqa: B006
    seeds: Annotated[int, typer.Option(help="Trainings of each.", min=1)] = 1,
    workers: Workers = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Train segmenters on a run and measure them on its test images, next to real shots alone."""
    from eval.study.segmenter_report import SegmenterReport
    from eval.study.study import Study, run_study
    from eval.study.training_sets import check_training_sets
    from eval.study.trainings import most_workers

    study = Study(parse_settings(names, settings), check_training_sets(training_sets), seeds)
    with Bars() as bars:
        folder = out or beside(path, "-segmenters")
        measured = run_study(path, study, folder, bars, workers or most_workers())
    print_report(SegmenterReport(study, measured), as_json)


@app.command()
def verdict(
    path: RunPath,
    names: Names = ["bisenetv2", "lfd"],  # noqa: B006
    training_sets: TrainingSets = [],  # noqa: B006
    settings: Settings = [],  # noqa: B006
    seeds: Annotated[int, typer.Option(help="Trainings of each training set, at least 3.")] = 3,
    workers: Workers = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Does it help? Segmenters trained with and without the synthetic data, and the gain with its interval."""
    from eval.study.study import Study
    from eval.study.training_sets import TRAINING_SETS
    from eval.study.trainings import most_workers
    from eval.study.verdict import verdict as reach

    study = Study(parse_settings(names, settings), tuple(training_sets or TRAINING_SETS), seeds)
    folder = out or beside(path, "-verdict")
    with Bars() as bars:
        judged = reach(path, study, folder, bars, workers or most_workers())
    print_report(judged, as_json)
    if not as_json:
        say(f"by defect type and size, with a plot: {folder / 'verdict.md'}")


def parse_settings(names: list[str], settings: list[str]) -> dict[str, dict[str, Any]]:
    """Segmenter -> its parameters, from KEY=VALUE for all and NAME.KEY=VALUE for one. EvalError for anything else."""
    from synth.errors import EvalError
    from synth.recipe.safe_yaml import BadYaml, parse

    parsed: dict[str, dict[str, Any]] = {name: {} for name in names}
    for setting in settings:
        key, equals, text = setting.partition("=")
        name, dot, own = key.partition(".")
        if not equals or not key or (dot and name not in parsed):
            raise EvalError(f"--set {setting}: wanted KEY=VALUE or NAME.KEY=VALUE with NAME among {', '.join(parsed)}")
        for chosen in [name] if dot else parsed:
            try:
                _, parsed[chosen][own if dot else key] = parse(text)
            except BadYaml as problem:
                raise EvalError(f"--set {key}=...: {problem}") from problem
    return parsed
