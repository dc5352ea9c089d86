"""The files of a benchmark: JSON, CSV, Markdown, and a page with examples."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from eval.benchmark.table import LEGEND, MARKS, Benchmark, markdown, table
from synth.io.atomic import write_whole
from synth.io.json_text import json_text
from synth.io.names import file_name


def write_benchmark(judged: Benchmark, folder: Path) -> None:
    """detectors.json, detectors.csv, detectors.md and index.html."""
    write_whole(folder / "detectors.json", (json_text(judged.to_json(), indent=1) + "\n").encode())
    write_whole(folder / "detectors.csv", as_csv(judged).encode())
    write_whole(folder / "detectors.md", markdown(judged).encode())
    write_whole(folder / "index.html", as_page(judged, folder).encode())


def as_csv(judged: Benchmark) -> str:
    """One row a measurement, category and defect type."""
    text = io.StringIO()
    rows = [(kind, row) for kind in ["all", *judged.kinds] for row in judged.rows(kind)]
    names = list(rows[0][1].figures)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["detector", "features", "good_samples", "draw", *MARKS, "data", "defects", *names])
    for kind, row in rows:
        shots = "all" if row.shots is None else row.shots
        told = [row.detector, row.features, shots, row.draw, *(mark in row.marks for mark in MARKS), row.category, kind]
        writer.writerow([*told, *(row.figures.get(name, "") for name in names)])
    return text.getvalue()


def as_page(judged: Benchmark, folder: Path) -> str:
    """The tables, and examples of every measurement: image, outline of the mask, heat map."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(loader=PackageLoader("eval.benchmark"), autoescape=True, undefined=StrictUndefined)
    shown = [
        {"title": f"{one['detector']} ({one['features']})", "examples": _examples(one, folder)}
        for one in judged.measured
    ]
    head, body = table(judged)
    return templates.get_template("detectors.html.j2").render(
        measured=shown, head=head, rows=body, judged=judged, legend=LEGEND
    )


def _examples(one: dict[str, Any], folder: Path) -> dict[str, list[tuple[str, str]]]:
    """By category, the places of the examples below the page, with what each shows."""
    root = folder / "examples" / one["key"]
    return {
        name: [
            (path.relative_to(folder).as_posix(), path.stem.rsplit("-", 1)[0])
            for path in sorted((root / file_name(name)).glob("*.png"))
        ]
        for name in one["categories"]
    }
