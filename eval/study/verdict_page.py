"""A verdict to read: Markdown tables, and a plot of the gains (SVG, no library needed)."""

from __future__ import annotations

import re
from pathlib import Path
from xml.sax.saxutils import escape

from eval.study.judging import LABELS, NO_VALIDATION, Gain, Verdict
from synth.io.atomic import replacing
from synth.io.json_text import json_text
from synth.printable import printable

_COLOURS = {"helps": "#1a7f37", "hurts": "#b42318", "no evidence": "#57606a", "too few images": "#57606a"}
_ROW, _LEFT, _PLOT, _RIGHT, _TOP = 24, 190, 360, 190, 34


def as_markdown(judged: Verdict) -> str:
    """Tables of the standings, of the gains over real shots by type and size, and of ours over each baseline; all in
    hundredths."""
    images = ", ".join(f"{count} {in_markdown(kind)}" for kind, count in judged.images.items())
    trainings = f"{judged.study.seeds} trainings of each training set"
    kept = ", ".join(f"{count} {in_markdown(kind)}" for kind, count in judged.validation.items() if count)
    lines = [f"Test images: {images}; {judged.good_images} good. {trainings}. IoU in hundredths, 95 % intervals."]
    lines.append(f"\nThresholds were chosen on validation shots, from which nothing was learnt: {kept}.")
    if judged.without_validation:
        lines.append("\n" + NO_VALIDATION.format(", ".join(map(in_markdown, judged.without_validation))))
    if judged.blank:
        lines.append(f"\nLeft out, since their masks are blank: {', '.join(map(in_markdown, judged.blank))}.")
    for name, settings in judged.study.segmenters.items():
        chosen = ", ".join(in_markdown(f"{key} {value}") for key, value in settings.items()) or "defaults"
        lines += ["", f"### {in_markdown(name)} ({chosen})", ""]
        lines += _standings(judged, name)
        lines += ["", "Gain over real shots alone:", "", *_gains(judged, name)]
        rivals = [g for g in judged.gains if g.segmenter == name and g.over != "real" and g.what == "all types"]
        if rivals:
            lines += ["", "Ours + real over the baselines:", "", "| over | gain | verdict |", "|---|---|---|"]
            lines += [f"| {LABELS[g.over]} | {_points(g)} | {g.verdict} |" for g in rivals]
    return "\n".join(lines) + "\n"


def as_plot(judged: Verdict) -> str:
    """The gain of every training set over real shots alone, all types, as SVG; one panel a segmenter."""
    gains = [g for g in judged.gains if g.over == "real" and g.what == "all types" and g.interval]
    reach = max([0.05, *(max(abs(g.interval.low), abs(g.interval.high)) for g in gains if g.interval)])
    parts, top = [], 0
    for name in judged.study.segmenters:
        own = [g for g in gains if g.segmenter == name]
        parts.append(_panel(name, own, reach, top))
        top += _TOP + _ROW * (len(own) + 1)
    width = _LEFT + _PLOT + _RIGHT
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{top}" viewBox="0 0 {width} {top}"'
    return f'{head} font-family="sans-serif" font-size="13">\n<rect width="100%" height="100%" fill="white"/>\n' + (
        "\n".join(parts) + "\n</svg>\n"
    )


def write_pages(judged: Verdict, folder: Path) -> None:
    """verdict.json, verdict.md and verdict.svg."""
    pages = {
        "verdict.json": json_text(judged.to_json(), indent=1),
        "verdict.md": as_markdown(judged),
        "verdict.svg": as_plot(judged),
    }
    for name, text in pages.items():
        with replacing(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")


def in_markdown(text: str) -> str:
    """Text in a line or a table cell of Markdown that shows as it is, whatever is in it."""
    return re.sub(r"([\\`*_\[\]<>|&~#!$])", r"\\\1", printable(text))


def in_svg(text: str) -> str:
    """Text in an element of SVG, in which even escaped control characters would be no XML."""
    return escape(printable(text))


def _standings(judged: Verdict, segmenter: str) -> list[str]:
    own = [standing for standing in judged.standings if standing.segmenter == segmenter]
    keys = list(own[0].figures)
    lines = [
        f"| training set | mean IoU | {' | '.join(key.replace('_', ' ') for key in keys)} |",
        "|---" * (len(keys) + 2) + "|",
    ]
    for standing in own:
        low, high = (100 * value for value in (standing.iou.low, standing.iou.high))
        cells = [f"{100 * standing.iou.value:.1f} [{low:.1f}, {high:.1f}]"]
        cells += [f"{100 * standing.figures[key]:.1f}" for key in keys]
        lines.append(f"| {LABELS[standing.training_set]} | {' | '.join(cells)} |")
    return lines


def _gains(judged: Verdict, segmenter: str) -> list[str]:
    own = [gain for gain in judged.gains if gain.segmenter == segmenter and gain.over == "real"]
    training_sets = list(dict.fromkeys(gain.training_set for gain in own))
    lines = [
        f"| on | images | {' | '.join(LABELS[training_set] for training_set in training_sets)} |",
        "|---" * (len(training_sets) + 2) + "|",
    ]
    for what in dict.fromkeys(gain.what for gain in own):
        row = [gain for gain in own if gain.what == what]
        cells = [in_markdown(what), str(row[0].images), *(f"{_points(gain)} {gain.verdict}" for gain in row)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _points(gain: Gain) -> str:
    if gain.interval is None:
        return ""
    value, low, high = (100 * x for x in (gain.interval.value, gain.interval.low, gain.interval.high))
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"


def _panel(title: str, gains: list[Gain], reach: float, top: int) -> str:
    """A title, the line of no gain, and one row a training set: label, interval, figures."""

    def x(value: float) -> float:
        return _LEFT + _PLOT / 2 * (1 + value / reach)

    bottom = top + _TOP + _ROW * len(gains)
    parts = [
        f'<text x="8" y="{top + 20}" font-weight="bold">{in_svg(title)}: gain over real shots, IoU points</text>',
        f'<line x1="{x(0):.1f}" y1="{top + _TOP - 4}" x2="{x(0):.1f}" y2="{bottom}" stroke="#8c959f"/>',
    ]
    for row, gain in enumerate(gains):
        assert gain.interval is not None
        y, colour = top + _TOP + _ROW * row + _ROW // 2, _COLOURS[gain.verdict]
        low, middle, high = (x(v) for v in (gain.interval.low, gain.interval.value, gain.interval.high))
        parts += [
            f'<text x="8" y="{y + 4}">{in_svg(LABELS[gain.training_set])}</text>',
            f'<line x1="{low:.1f}" y1="{y}" x2="{high:.1f}" y2="{y}" stroke="{colour}" stroke-width="2"/>',
            f'<circle cx="{middle:.1f}" cy="{y}" r="4" fill="{colour}"/>',
            f'<text x="{_LEFT + _PLOT + 8}" y="{y + 4}" fill="{colour}">{_points(gain)}</text>',
        ]
    return "\n".join(parts)
