"""A detector's threshold from good images and synthetic defects, and what it does on test images beside other rules.

Every rule calls `score >= threshold` a defect:

- `synthetic`: the largest F1 over the calibration scores of good images and synthetic defects, good and defective ones
  counted as equally many, whatever their numbers; in the middle of the gap to the next score below, and the highest
  where several thresholds are as good. It abstains where `eval.calibration.domain` finds that synthetic scores do not
  look like real ones; the `good` rule then takes its place.
- `perlin`: the same of simple, Perlin-made defects.
- `good`: no defects at all; the lowest threshold that lets 99.5 % of the good calibration images pass.
- `oracle`: the largest F1 on the test images themselves, which no rule can beat and no user can choose.

Beside them stands the F1 of calling everything a defect. No rule but the oracle sees a test label.
"""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from eval.calibration.domain import CONTROLS, Domain, check_domain, shuffled_control
from eval.metrics import Decisions, Interval, best_f1_threshold, decide, image_intervals, threshold_of_good
from eval.metrics.thresholds import SHARE
from synth.errors import EvalError
from synth.printable import printable

FIGURES = ("precision", "recall", "f1", "specificity")
REPEATS = 2000
LABELS = {
    "synthetic": "good + synthetic",
    "perlin": "good + Perlin",
    "good": f"{100 * SHARE:g} % of good",
    "oracle": "oracle (test labels)",
}


@dataclass(frozen=True)
class Scores:
    """Scores of a detector, one an image: to calibrate on, of good images that it has not learnt from (n,), of
    synthetic defects (m,), of Perlin-made ones and of real shots where there are any; and of test images (t,) with
    labels (t,) bool. EvalError where a set is empty or a score is no number."""

    good: np.ndarray
    synthetic: np.ndarray
    test: np.ndarray
    labels: np.ndarray
    perlin: np.ndarray | None = None
    shots: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name in (one.name for one in fields(self)):
            found = getattr(self, name)
            if found is None:
                continue
            if found.ndim != 1 or not found.size:
                raise EvalError(f"{name} scores have shape {found.shape}, wanted one score an image, of 1 or more")
            if not np.isfinite(found).all():
                raise EvalError(f"{int((~np.isfinite(found)).sum())} of {found.size} {name} scores are no numbers")
        if self.labels.dtype != np.bool_ or self.labels.shape != self.test.shape:
            raise EvalError(
                f"labels are {self.labels.dtype} {self.labels.shape}, wanted bool, one of {self.test.size} test scores"
            )


@dataclass(frozen=True)
class Rule:
    """A threshold and what it does on the test images: `figures` by FIGURES, NaN where undefined, and the
    interval of F1, None without defects. `reasons`: why the rule abstains; the threshold is then
    what it would have been."""

    name: str
    threshold: float
    decisions: Decisions
    figures: dict[str, float]
    f1_interval: Interval | None
    reasons: list[str]


@dataclass(frozen=True)
class Calibration:
    """The rules by name, and which of them to use; `image_auroc` on test; `control`: in how many of CONTROLS shuffles
    of the calibration scores the synthetic rule abstained. `counts`: images of each set of scores."""

    detector: str
    data: str
    rules: dict[str, Rule]
    domain: Domain
    perlin_domain: Domain | None
    control: int
    all_positive_f1: float
    image_auroc: Interval
    counts: dict[str, int]
    notes: list[str]

    @property
    def chosen(self) -> Rule:
        """The rule to use: the synthetic one, or that of good images alone where it abstains."""
        return self.rules["good" if self.domain.reasons else "synthetic"]

    def oracle_gap(self, name: str) -> float:
        """How much F1 a rule loses to the best threshold of the test images."""
        return self.rules["oracle"].figures["f1"] - self.rules[name].figures["f1"]

    def to_json(self) -> dict[str, Any]:
        rules = {name: {**asdict(rule), "oracle_gap": self.oracle_gap(name)} for name, rule in self.rules.items()}
        return {**asdict(self), "rules": rules, "chosen": self.chosen.name, "controls": CONTROLS}

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """For people: what is advised, and a line a rule."""
        chosen = self.chosen
        head = f"{printable(self.detector)} on {printable(self.data)}: threshold {chosen.threshold:.6g}"
        lines = [f"{head} ({LABELS[chosen.name]}); image AUROC {self.image_auroc}"]
        for name, rule in self.rules.items():
            shown = "  ".join(f"{key} {rule.figures[key]:.3f}" for key in FIGURES)
            abstains = "  abstains" if rule.reasons else ""
            lines.append(f"  {LABELS[name]:<20} {shown}  to oracle {self.oracle_gap(name):.3f}{abstains}")
        lines.append(f"  {'everything a defect':<20} f1 {self.all_positive_f1:.3f}  specificity 0.000")
        lines.append(f"  control: abstains in {self.control} of {CONTROLS} shuffles")
        return lines + [f"  note: {note}" for note in self.notes]


def calibrate(scores: Scores, detector: str = "detector", data: str = "test", seed: int = 0) -> Calibration:
    """All rules that the scores allow for, judged on the test images; figures that these do not define are NaN."""
    domain = check_domain(scores.good, scores.synthetic, scores.shots, seed)
    thresholds = {"synthetic": _between(scores.good, scores.synthetic)}
    reasons = {"synthetic": domain.reasons}
    perlin = None
    if scores.perlin is not None:
        perlin = check_domain(scores.good, scores.perlin, scores.shots, seed, "Perlin")
        thresholds["perlin"], reasons["perlin"] = _between(scores.good, scores.perlin), perlin.reasons
    thresholds["good"] = threshold_of_good(scores.good)
    thresholds["oracle"] = best_f1_threshold(scores.test, scores.labels) if scores.labels.any() else np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # told in the notes
        rules = {
            name: _rule(name, threshold, scores, reasons.get(name, []), seed) for name, threshold in thresholds.items()
        }
        intervals = image_intervals(scores.test, scores.labels, seed=seed)
        everything = rules["good"].decisions.all_positive_f1()
    counts = {one.name: getattr(scores, one.name) for one in fields(scores) if one.name != "labels"}
    return Calibration(
        detector=detector,
        data=data,
        rules=rules,
        domain=domain,
        perlin_domain=perlin,
        control=shuffled_control(scores.good, scores.synthetic, seed),
        all_positive_f1=everything,
        image_auroc=intervals["image_auroc"],
        counts={name: found.size for name, found in counts.items() if found is not None},
        notes=_notes(scores, domain, perlin),
    )


def _between(good: np.ndarray, defects: np.ndarray) -> float:
    labels = np.arange(good.size + defects.size) >= good.size
    return best_f1_threshold(np.concatenate([good, defects]), labels, prevalence=0.5)


def _rule(name: str, threshold: float, scores: Scores, reasons: list[str], seed: int) -> Rule:
    found = decide(scores.test, scores.labels, threshold)
    figures = {key: float(getattr(found, key)()) for key in FIGURES}
    return Rule(name, threshold, found, figures, _f1_interval(found, seed), reasons)


def _f1_interval(found: Decisions, seed: int, level: float = 0.95) -> Interval | None:
    """F1 with the ends that its test images allow for at this threshold: recall and false-alarm rate drawn from their
    posteriors, Beta(hits + 1/2, misses + 1/2) (Jeffreys), so that a class decided alike throughout leaves doubt."""
    defects, good = found.tp + found.fn, found.fp + found.tn
    if not defects:
        return None
    rng = np.random.default_rng([seed, 3])
    recall = rng.beta(found.tp + 0.5, found.fn + 0.5, REPEATS)
    alarms = rng.beta(found.fp + 0.5, found.tn + 0.5, REPEATS) if good else np.zeros(REPEATS)
    drawn = 2 * defects * recall / (defects * recall + good * alarms + defects)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    value = found.f1()
    return Interval(value, min(float(low), value), max(float(high), value), level, defects + good)


def _notes(scores: Scores, domain: Domain, perlin: Domain | None) -> list[str]:
    notes = [f"the synthetic rule abstains: {reason}" for reason in domain.reasons]
    notes += [f"the Perlin rule abstains: {reason}" for reason in (perlin.reasons if perlin else [])]
    if scores.shots is None:
        notes.append("no real shots were given, so whether synthetic defects score like real ones was not measured")
    expected = 1 / (scores.good.size + 1)
    if expected > 1 - SHARE:
        notes.append(
            f"{scores.good.size} good scores are too few for {100 * SHARE:g} %: the rule takes the highest of them, "
            f"above which up to {100 * expected:.2g} % of good images are expected"
        )
    if scores.labels.all() or not scores.labels.any():
        missing = "good ones" if scores.labels.all() else "defects"
        notes.append(f"the test images have no {missing}: figures that need them are undefined")
    return notes
