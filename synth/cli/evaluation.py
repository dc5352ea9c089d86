"""`flawsmith eval`: measure what a finished run is worth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from synth.cli.arguments import AsJson, Trackers, beside
from synth.cli.terminal import Bars, print_report, say

app = typer.Typer(no_args_is_help=True, help="Measure what a finished run is worth.", rich_markup_mode=None)

RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run, such as outputs/demo.")]
Names = Annotated[
    list[str], typer.Option("--segmenter", metavar="NAME", help="A segmenter, such as lfd; may be repeated.")
]
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
Detectors = Annotated[
    str,
    typer.Option(
        "--detectors",
        metavar="A,B",
        help="patchcore, rad, musc, cif, g2sf, glfm, vote3deep; reconstructed from summaries of their papers: "
        "mentor3ad_style, radar_style, das3d_style; presets, such as rad/mvtec; or all that the data can feed.",
    ),
]
Networks = Annotated[
    str,
    typer.Option("--features", metavar="A,B", help="Feature networks; auto: EfficientNet-Lite0 where it is installed."),
]
DetectorSettings = Annotated[
    list[str], typer.Option("--set", metavar="KEY=VALUE", help="Parameter of all detectors, or of one: rad.rho=2.")
]
Quick = Annotated[bool, typer.Option("--quick", help="A quick look: one training each, few steps, no intervals.")]
QUICK_SETS = ("real", "copy_paste", "ours_real")
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Folder of the measurement.")]


@app.command()
def quality(
    path: RunPath,
    features: Annotated[
        str, typer.Option(metavar="NAME", help="Feature network: tiny_base, a folder, a Hub id, or a SqueezeNet .onnx.")
    ] = "tiny_base",
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Distance to the shots, diversity, faithfulness to the good images, copies and near-duplicates. Kept in
    RUN-quality/quality.json."""
    from eval.quality.report import measure_quality, write_quality

    with Bars() as bars:
        found = measure_quality(path, features, bars)
    write_quality(found, out or beside(path, "-quality"))
    print_report(found, as_json)


@app.command()
def segmenters(
    path: RunPath,
    names: Names = ["bisenetv2"],  # noqa: B006  typer copies it
    training_sets: TrainingSets = ["ours_real"],  # noqa: B006
    settings: Settings = [],  # noqa: B006
    seeds: Annotated[int, typer.Option(help="Trainings of each.", min=1)] = 1,
    workers: Workers = None,
    trackers: Trackers = [],  # noqa: B006
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Train segmenters on a run and measure them on its test images, next to real shots alone."""
    from eval.study.segmenter_report import SegmenterReport
    from eval.study.settings import parse_settings
    from eval.study.study import Study, run_study
    from eval.study.training_sets import check_training_sets
    from eval.study.trainings import most_workers
    from synth.training.trackers import tracker_names, tracking

    told = tracker_names(trackers)
    study = Study(parse_settings(names, settings), check_training_sets(training_sets), seeds)
    folder = out or beside(path, "-segmenters")
    with Bars() as bars, tracking(told, beside(folder, "-tracker")):
        measured = run_study(path, study, folder, bars, workers or most_workers())
    print_report(SegmenterReport(study, measured), as_json)


@app.command()
def verdict(
    path: RunPath,
    names: Names = [],  # noqa: B006
    training_sets: TrainingSets = [],  # noqa: B006
    settings: Settings = [],  # noqa: B006
    seeds: Annotated[int | None, typer.Option(help="Trainings of each training set, at least 3; 3 by default.")] = None,
    quick: Quick = False,
    leave_one_out: Annotated[
        str | None,
        typer.Option(
            metavar="TYPE", help="Also measure the gain on a defect type left out of the training, or on all."
        ),
    ] = None,
    workers: Workers = None,
    trackers: Trackers = [],  # noqa: B006
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Does it help? Segmenters trained with and without the synthetic data, and the gain with its interval."""
    from eval.study.settings import parse_settings, quickly
    from eval.study.study import Conduct, Study
    from eval.study.training_sets import TRAINING_SETS
    from eval.study.trainings import most_workers
    from eval.study.verdict import verdict as reach
    from synth.training.trackers import tracker_names, tracking

    told = tracker_names(trackers)
    segmenters = parse_settings(names or (["lfd"] if quick else ["bisenetv2", "lfd"]), settings)
    usual = QUICK_SETS if quick else TRAINING_SETS
    compared = tuple(training_sets or usual)
    study = Study(quickly(segmenters) if quick else segmenters, compared, seeds or (1 if quick else 3))
    folder = out or beside(path, "-quick" if quick else "-verdict")
    with Bars() as bars, tracking(told, beside(folder, "-tracker")):
        conduct = Conduct(bars, workers or most_workers(), "verdict", tell=_told)
        judged = reach(path, study, folder, conduct, quick, leave_one_out)
    print_report(judged, as_json)
    if not as_json:
        say(f"by defect type and size, with a plot: {folder / 'verdict.md'}")


@app.command()
def study(
    places: Annotated[
        list[Path],
        typer.Argument(metavar="STUDY.yaml | RUN...", help="A study file, or finished runs to pool."),
    ],
    names: Names = [],  # noqa: B006
    training_sets: TrainingSets = [],  # noqa: B006
    settings: Settings = [],  # noqa: B006
    seeds: Annotated[int | None, typer.Option(min=1, help="Trainings of each on each draw; 3 by default.")] = None,
    draws: Annotated[int | None, typer.Option(min=1, help="Draws of the shots, instead of the file's.")] = None,
    leave_one_out: Annotated[
        bool, typer.Option("--leave-one-out", help="Also measure gains on defect types left out of the training.")
    ] = False,
    quick: Quick = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how many trainings there would be, and for how long.")
    ] = False,
    workers: Workers = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Does it help, over several data sets and random draws of the shots? Gains pooled, with intervals."""
    from eval.study.expected import study_forecast
    from eval.study.pooled_study import distinct_draws, run_pooled
    from eval.study.study import Conduct
    from eval.study.trainings import most_workers

    given = {
        "segmenters": tuple(names),
        "training_sets": tuple(training_sets),
        "settings": tuple(settings),
        "seeds": 1 if quick else seeds,
        "draws": 1 if quick else draws,
        "leave_one_out": leave_one_out,
    }
    plan, conditions, compared, folder = _planned(places, {k: v for k, v in given.items() if v}, quick, out)
    at_once = workers or most_workers()
    with Bars() as bars:
        if dry_run:
            settled, notes = distinct_draws(conditions, bars)
            expected = study_forecast(settled, compared, bars, at_once, plan.leave_one_out)
        else:
            conduct = Conduct(bars, at_once, tell=_told)
            judged = run_pooled(plan.name, conditions, compared, folder, conduct, plan.leave_one_out, quick)
    if dry_run:
        print_report(expected, as_json)
        say(*notes, error=True)
        return
    print_report(judged, as_json)
    if not as_json:
        say(f"with tables and a plot: {folder / 'study.md'}")


@app.command()
def detectors(
    data: Annotated[
        list[Path],
        typer.Option("--data", metavar="PATH", help="A folder of images, a recipe or a finished run; may be repeated."),
    ],
    names: Detectors = "patchcore",
    features: Networks = "auto",
    tested: Annotated[
        Literal["real", "synthetic", "both"],
        typer.Option(
            "--test",
            help="On real test samples, on a run's synthetic ones, or on both: do detectors rank alike?",
        ),
    ] = "real",
    settings: DetectorSettings = [],  # noqa: B006
    modalities: Annotated[
        str | None,
        typer.Option(
            "--modality", metavar="A,B", help="image, xyz, image+xyz; where it is left out, what --set modality says."
        ),
    ] = None,
    shots: Annotated[
        str, typer.Option("--shots", metavar="N,M", help="Good samples to learn from; all by default.")
    ] = "all",
    draws: Annotated[int, typer.Option(min=1, help="Random draws of the good samples.")] = 1,
    together: Annotated[
        bool, typer.Option("--together", help="One detector learns all products of a data set.")
    ] = False,
    layout: Annotated[
        str, typer.Option("--layout", metavar="KIND", help="Kind of source, such as mvtec_ad; found by default.")
    ] = "auto",
    overrides: Annotated[
        list[str],
        typer.Option("--source", metavar="source.KEY=VALUE", help="What is inferred of a folder, as in a recipe."),
    ] = [],  # noqa: B006
    cache: Annotated[
        Path | None, typer.Option("--cache", metavar="DIR", help="Keep features there, for detectors that share them.")
    ] = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Detectors of anomalies on real or synthetic test samples: tables with intervals, and a page of heat maps."""
    from eval.benchmark.benchmark import run_benchmark
    from eval.benchmark.data import categories
    from eval.benchmark.grid import grid

    compared = grid(names, features, settings, shots, draws, modalities, together)
    with Bars() as bars:
        found = [one for place in data for one in categories(place, tested, layout, overrides)]
        folder = out or beside(data[0], "-detectors")
        judged = run_benchmark(compared, found, folder, bars, cache, leave_out=names == "all")
    print_report(judged, as_json)
    if not as_json:
        say(f"tables: {folder / 'detectors.md'}, heat maps: {folder / 'index.html'}")


@app.command()
def calibrate(
    path: RunPath,
    names: Detectors = "patchcore",
    features: Networks = "auto",
    settings: DetectorSettings = [],  # noqa: B006
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """A detector's threshold from good images and a run's synthetic defects, judged on real test images; none where
    synthetic defects do not score like real ones."""
    from eval.benchmark.calibrated import calibrate_run
    from eval.benchmark.grid import grid

    compared = grid(names, features, settings, "all", 1)
    folder = out or beside(path, "-calibration")
    with Bars() as bars:
        found = calibrate_run(path, compared, folder, bars, leave_out=names == "all")
    print_report(found, as_json)
    if not as_json:
        say(f"table: {folder / 'calibration.md'}")


def _planned(places: list[Path], given: dict[str, Any], quick: bool, out: Path | None) -> Any:
    """The plan with what is given on the command line in place of its own, its conditions, what is compared, and the
    study's folder."""
    from eval.study.plan import StudyPlan, existing_conditions, planned_conditions, read_plan
    from eval.study.settings import parse_settings, quickly
    from eval.study.study import Study
    from synth.errors import EvalError

    files = [place for place in places if place.is_file()]
    if files and len(places) > 1:
        raise EvalError(f"{files[0]} is a study file; give it alone, or folders of finished runs")
    plan = read_plan(files[0]) if files else StudyPlan(name="runs")
    plan = plan.model_copy(update=given)
    folder = out or (Path("outputs") / f"{plan.name}-study" if files else beside(places[0], "-study"))
    folder = beside(folder, "-quick") if quick and out is None else folder
    conditions = planned_conditions(plan, files[0], folder) if files else existing_conditions(places)
    if quick:
        conditions = [replace(one, draws=one.draws[:1]) for one in conditions]
    segmenters = parse_settings(list(plan.segmenters), plan.settings)
    return plan, conditions, Study(quickly(segmenters) if quick else segmenters, plan.compared, plan.seeds), folder


def _told(line: str) -> None:
    """Tell beforehand what something will take, on stderr: stdout is for the answer."""
    say(line, error=True)
