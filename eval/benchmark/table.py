"""What a benchmark found: rows of figures by detector, features and category, and their means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eval.calibration import RankAgreement

FIGURES = {
    "image_auroc": "image AUROC",
    "image_ap": "image AP",
    "image_f1_max": "image F1-max",
    "pixel_auroc": "pixel AUROC",
    "pixel_ap": "pixel AP",
    "pixel_f1_max": "pixel F1-max",
    "aupro_30": "AUPRO@30",
    "aupro_5": "AUPRO@5",
}
"""The figures of the tables; JSON and CSV have all."""
WITH_INTERVAL = ("image_auroc", "pixel_auroc")
COSTS = (
    "What it took. Features: all images of a measurement; an image: with its features; operations: multiplications "
    "that compare one image with what was learnt; peak: memory of the whole process."
)
LEGEND = (
    "Figures in hundredths, 95 % intervals over test samples in brackets, synthetic ones on the same good image "
    "resampled together. F1-max is an oracle's: its threshold is "
    "chosen on the test samples. Pixels are compared at a longer side of 256."
)
MARKS = {
    "transductive": (
        "†",
        "transductive: the test samples were scored by each other, and none learnt from",
    ),
    "learns_from_defects": (
        "‡",
        "trained on synthetic defects with their masks, which the others have not seen",
    ),
    "reconstructed": (
        "◊",
        "reconstructed from summaries of its paper, whose code and numbers cannot be read",
    ),
}
"""What a detector's name is marked with, and why."""


@dataclass(frozen=True)
class Row:
    """One line of a table: a measurement on a category, or the mean over categories (`category` None)."""

    detector: str
    features: str
    shots: int | None
    draw: int
    category: str | None
    figures: dict[str, float]
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Benchmark:
    """measured: what `eval.benchmark.measurement.measure` returned; notes: what was inferred about the data."""

    measured: Sequence[dict[str, Any]]
    notes: tuple[str, ...] = ()
    agreement: RankAgreement | None = None

    def rows(self, kind: str = "all") -> list[Row]:
        """One row a measurement and category, of all defects or of one type."""
        return [
            Row(
                one["detector"],
                one["features"],
                one["shots"],
                one["draw"],
                name,
                _known(found[kind]),
                tuple(mark for mark in MARKS if one[mark]),
            )
            for one in self.measured
            for name, found in one["categories"].items()
            if kind in found
        ]

    def means(self) -> list[Row]:
        """Of every detector with its features and shots, the mean over categories with equal weight, and over draws."""
        groups: dict[tuple[str, str, int | None], list[Row]] = {}
        for row in self.rows():
            groups.setdefault((row.detector, row.features, row.shots), []).append(row)
        return [
            Row(
                *key,
                0,
                None,
                {name: _mean([row.figures[name] for row in rows]) for name in FIGURES},
                rows[0].marks,
            )
            for key, rows in groups.items()
            if len({row.category for row in rows}) > 1
        ]

    @property
    def kinds(self) -> list[str]:
        """The defect types that occur."""
        named = {kind for one in self.measured for found in one["categories"].values() for kind in found}
        return sorted(kind for kind in named - {"all", "scores", "seconds_an_image"})

    def lines(self) -> list[str]:
        """One line a detector and category."""
        rows = [*self.rows(), *self.means()]
        told = [
            f"{_named(row)}: {_shown(row, 'image_auroc')} image AUROC, {_shown(row, 'pixel_auroc')} pixel AUROC, "
            f"{_shown(row, 'aupro_30')} AUPRO@30"
            for row in rows
        ]
        agreed = [] if self.agreement is None else self.agreement.lines()
        return [*self.notes, *told, *self.marked, *agreed]

    @property
    def marked(self) -> list[str]:
        """What the marks of these detectors mean."""
        return [f"{sign} {told}." for mark, (sign, told) in MARKS.items() if any(one[mark] for one in self.measured)]

    def to_json(self) -> dict[str, Any]:
        """All that was measured, without the scores of single samples."""
        left = [
            {**one, "categories": {name: _without_scores(found) for name, found in one["categories"].items()}}
            for one in self.measured
        ]
        agreement = None if self.agreement is None else self.agreement.to_json()
        return {"measured": left, "notes": list(self.notes), "rank_agreement": agreement}


def markdown(judged: Benchmark) -> str:
    """The tables: by category with means, by defect type, and what it took."""
    lines = [LEGEND, "", *judged.notes, "", *_grid(*table(judged))]
    for marked in judged.marked:
        lines += ["", marked]
    lines += ["", "Image AUROC by defect type, against all good samples:", "", *_by_type(judged)]
    if judged.agreement is not None:
        lines += ["", *judged.agreement.lines()]
    lines += ["", COSTS, "", *_costs(judged)]
    return "\n".join(lines) + "\n"


def table(judged: Benchmark) -> tuple[list[str], list[list[str]]]:
    """Head and body of the main table: one row a measurement and category, then the means."""
    rows = [*judged.rows(), *judged.means()]
    head = ["detector", "features", "data", *FIGURES.values()]
    return head, [[_detector(r), r.features, r.category or "mean", *(_shown(r, n) for n in FIGURES)] for r in rows]


def _by_type(judged: Benchmark) -> list[str]:
    found: dict[tuple[str, str, str], dict[str, Row]] = {}
    for kind in judged.kinds:
        for row in judged.rows(kind):
            found.setdefault((_detector(row), row.features, str(row.category)), {})[kind] = row
    body = [
        [*key, *(_number(by[kind].figures["image_auroc"]) if kind in by else "" for kind in judged.kinds)]
        for key, by in found.items()
    ]
    return _grid(["detector", "features", "data", *judged.kinds], body)


def _costs(judged: Benchmark) -> list[str]:
    head = [
        "detector",
        "features",
        "data",
        "good",
        "fit, s",
        "features, s",
        "ms an image",
        "G operations",
        "bank, MB",
        "peak, MB",
    ]
    body = []
    for one in judged.measured:
        for name, found in one["categories"].items():
            row = [one["detector"], one["features"], name, one["learnt_from"], f"{one['fit_seconds']:.1f}"]
            row += [f"{one['feature_seconds']:.1f}", f"{1000 * found['seconds_an_image']:.0f}"]
            row += [f"{one['operations'] / 1e9:.2f}", f"{one['bank_bytes'] / 1e6:.1f}"]
            body.append([*map(str, row), f"{one['peak_bytes'] / 1e6:.0f}"])
    return _grid(head, body)


def _grid(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    rule = "|" + "---|" * len(head)
    return ["| " + " | ".join(head) + " |", rule, *("| " + " | ".join(row) + " |" for row in body)]


def _detector(row: Row) -> str:
    shots = "" if row.shots is None else f", {row.shots} good"
    return f"{row.detector}{''.join(MARKS[mark][0] for mark in row.marks)}{shots}"


def _named(row: Row) -> str:
    return f"{_detector(row)} ({row.features}) on {row.category or 'average'}"


def _shown(row: Row, figure: str) -> str:
    value = _number(row.figures.get(figure, math.nan))
    low, high = (row.figures.get(f"{figure}_{end}", math.nan) for end in ("low", "high"))
    return value if math.isnan(low) else f"{value} [{_number(low)}, {_number(high)}]"


def _number(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{100 * value:.1f}"


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if value is not None and not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


def _known(figures: dict[str, float | None]) -> dict[str, float]:
    """Figures as numbers: JSON has null for NaN."""
    return {name: math.nan if value is None else value for name, value in figures.items()}


def _without_scores(found: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if key != "scores"}
