"""Calibrations to read: one Markdown table for any number of detectors."""

from __future__ import annotations

import math
from collections.abc import Sequence

from eval.calibration.calibrate import FIGURES, LABELS, Calibration, Rule
from eval.calibration.domain import CONTROLS
from synth.printable import in_markdown

INTRO = (
    "`score >= threshold` is called a defect. *Good + synthetic* is chosen without test labels; the oracle is "
    "chosen on them. F1 in brackets: 95 % interval over test images."
)


def as_markdown(calibrations: Sequence[Calibration]) -> str:
    """A table of every rule's figures on test, rows in bold to be used, and the notes of each calibration."""
    columns = ["detector", "data", "threshold from", "threshold", *FIGURES, "to oracle", "rule"]
    lines = [INTRO, "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for one in calibrations:
        lines += [_row(one, rule) for rule in one.rules.values()]
        lines.append(_everything(one))
    for one in calibrations:
        lines += ["", f"{_title(one)}: image AUROC {one.image_auroc}, images: {_counts(one)}. {_domain(one)}"]
        lines += [f"- {in_markdown(note)}." for note in one.notes]
    return "\n".join(lines) + "\n"


def _row(one: Calibration, rule: Rule) -> str:
    figures = {key: _number(value) for key, value in rule.figures.items()}
    if rule.f1_interval:
        figures["f1"] += f" [{rule.f1_interval.low:.3f}, {rule.f1_interval.high:.3f}]"
    label = f"**{LABELS[rule.name]}**" if rule is one.chosen else LABELS[rule.name]
    state = "abstains" if rule.reasons else "use" if rule is one.chosen else ""
    cells = [*_names(one), label, f"{rule.threshold:.6g}", *figures.values(), _number(one.oracle_gap(rule.name)), state]
    return f"| {' | '.join(cells)} |"


def _everything(one: Calibration) -> str:
    gap = one.rules["oracle"].figures["f1"] - one.all_positive_f1
    decided = one.rules["oracle"].decisions
    defects, images = decided.tp + decided.fn, decided.tp + decided.fn + decided.fp + decided.tn
    figures = [_number(defects / images), _number(1.0 if defects else math.nan), _number(one.all_positive_f1)]
    figures.append(_number(0.0 if defects < images else math.nan))
    return f"| {' | '.join([*_names(one), 'everything a defect', '', *figures, _number(gap), ''])} |"


def _names(one: Calibration) -> list[str]:
    return [in_markdown(one.detector), in_markdown(one.data)]


def _title(one: Calibration) -> str:
    return " on ".join(_names(one))


def _counts(one: Calibration) -> str:
    return ", ".join(f"{count} {name}" for name, count in one.counts.items())


def _domain(one: Calibration) -> str:
    found = f"Synthetic over good AUROC {one.domain.auroc:.3f} (p = {one.domain.p_value:.2g})"
    if one.domain.over_shots is not None:
        found += f", over real shots {one.domain.over_shots:.3f} (p = {one.domain.p_shots:.2g})"
    return f"{found}; the shuffled control abstains in {one.control} of {CONTROLS}."


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
