"""What was measured of a run, read from the files that `flawsmith eval` left beside it.

RUN-quality/quality.json, RUN-verdict/verdict.json (or RUN-quick/), RUN-study/study.json, RUN-detectors/detectors.json
and RUN-calibration/calibration.json. A file that is not there is a measurement that was not made; so is one that holds
for an earlier state of the run, as far as it says so.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from synth.errors import RunError
from synth.io.names import beside
from synth.io.sealed import read_sealed
from synth.pipeline.runs import Run
from synth.printable import printable

ALL = ("all types", "all conditions")
"""What a gain is measured on that sums up all others."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Interval(_Part):
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


class Tightness(_Part):
    """Median width, area and length of a type's masks over the shots'."""

    product: str
    defect: str
    drawn: int
    shots: int
    width: float | None
    area: float | None
    length: float | None


class Copies(_Part):
    """How many samples place the shots' own pixels, as asked, how many are drawn, and the share of copies in these."""

    pasted: int
    drawn: int
    rate: float | None
    interval: tuple[float, float] | None
    flags: tuple[dict[str, Any], ...]


class Quality(_Part):
    """`flawsmith eval quality`."""

    generated: int
    shots: int
    figures: dict[str, float | Interval]
    masks: tuple[Tightness, ...]
    on_foreground: float | None
    copies: Copies
    near_duplicates: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    made_from: dict[str, str]


class Gain(_Part):
    """How far segmenters trained on one set lie above those trained on another, in IoU."""

    segmenter: str
    training_set: str
    over: str
    what: str
    value: float | None
    interval: Interval | None
    verdict: str


class Verdict(_Part):
    """`flawsmith eval verdict`, or a study over several runs, in which `test_images` is not told."""

    quick: str | None
    seeds: int
    gains: tuple[Gain, ...]
    test_images: dict[str, int] = {}

    @property
    def in_all(self) -> list[Gain]:
        """The gains over all defect types, or conditions."""
        found = [gain for gain in self.gains if gain.what == ALL[1]]
        return found or [gain for gain in self.gains if gain.what == ALL[0]]


class DetectorMeasured(_Part):
    """A detector on several categories: the figures of each, by part of the test samples."""

    detector: str
    features: str
    categories: dict[str, dict[str, Any]]

    @property
    def rows(self) -> list[tuple[str, dict[str, float]]]:
        """(category, its figures over all test samples)."""
        return [(name, found["all"]) for name, found in self.categories.items() if "all" in found]


class Detectors(_Part):
    """`flawsmith eval detectors`."""

    measured: tuple[DetectorMeasured, ...]


class Calibration(_Part):
    """A detector's threshold from synthetic defects, judged on real test images."""

    detector: str
    data: str
    chosen: str
    rules: dict[str, dict[str, Any]]

    @property
    def f1(self) -> float | None:
        """F1 at the advised threshold."""
        value = self.rules.get(self.chosen, {}).get("figures", {}).get("f1")
        return value if isinstance(value, float) else None


class Calibrations(_Part):
    """`flawsmith eval calibrate`."""

    calibrations: tuple[Calibration, ...]


class Evidence(_Part):
    """All that was measured; None where it was not. `notes`: why a file that is there does not count."""

    quality: Quality | None = None
    verdict: Verdict | None = None
    study: Verdict | None = None
    detectors: Detectors | None = None
    calibrations: Calibrations | None = None
    notes: tuple[str, ...] = ()


Part = TypeVar("Part", bound=_Part)


def evidence_of(run: Run) -> Evidence:
    """RunError for a file that cannot be read as what its name says."""
    notes: list[str] = []
    quality = _read(beside(run.path, "-quality") / "quality.json", Quality)
    if quality is not None and quality.made_from.get("images") != run.made_from["images"]:
        quality = None
        notes.append("The generation quality was measured on an earlier state of the run, and is left out.")
    places = [beside(run.path, suffix) for suffix in ("-verdict", "-quick")]
    reached = next((place for place in places if (place / "verdict.json").is_file()), places[0])
    verdict = _read(reached / "verdict.json", Verdict)
    if verdict is not None and not _holds(reached, run):
        verdict = None
        notes.append("The verdict was reached on an earlier state of the run, and is left out.")
    return Evidence(
        quality=quality,
        verdict=verdict,
        study=_read(beside(run.path, "-study") / "study.json", Verdict),
        detectors=_read(beside(run.path, "-detectors") / "detectors.json", Detectors),
        calibrations=_read(beside(run.path, "-calibration") / "calibration.json", Calibrations),
        notes=tuple(notes),
    )


def _holds(folder: Path, run: Run) -> bool:
    """Whether a verdict's folder says that it is about the run as it is now."""
    try:
        compared = read_sealed(folder / "study.json")
    except (OSError, ValueError):
        return False
    return isinstance(compared, dict) and compared.get("images") == run.made_from["images"]


def _read(path: Path, kind: type[Part]) -> Part | None:
    """What a file holds, None where there is none."""
    if not path.is_file():
        return None
    try:
        return kind.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as problem:
        what = problem.errors()[0]["msg"] if isinstance(problem, ValidationError) else str(problem)
        raise RunError(
            printable(
                f"{path} cannot be read as the measurement that it is named after ({what}); measure again, or delete it"
            )
        ) from problem
