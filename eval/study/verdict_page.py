"""A verdict to read: Markdown tables, and a plot of the gains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from eval.study.judging import ALL_TYPES, LABELS, NO_VALIDATION, QUICK, Gain, Verdict
from eval.study.plot import plot_gains
from synth.io.atomic import replacing
from synth.io.json_text import json_text
from synth.printable import in_markdown

UNSEEN = (
    "Gain over real shots alone on the defect types that were left out of the training, one at a time, with what was "
    "synthesised of them:"
)


def as_markdown(judged: Verdict) -> str:
    """Tables of the standings, of the gains over real shots by type and size, and of ours over each baseline; all in
    hundredths."""
    images = ", ".join(f"{count} {in_markdown(kind)}" for kind, count in judged.images.items())
    trainings = f"{judged.study.seeds} training{'s' * (not judged.quick)} of each training set"
    intervals = "" if judged.quick else ", 95 % intervals"
    kept = ", ".join(f"{count} {in_markdown(kind)}" for kind, count in judged.validation.items() if count)
    lines = [f"Test images: {images}; {judged.good_images} good. {trainings}. IoU in hundredths{intervals}."]
    if judged.quick:
        lines.insert(0, f"**{QUICK}**\n")
    lines.append(f"\nThresholds were chosen on validation shots, from which nothing was learnt: {kept}.")
    if judged.without_validation:
        lines.append("\n" + NO_VALIDATION.format(", ".join(map(in_markdown, judged.without_validation))))
    if judged.blank:
        lines.append(f"\nLeft out, since their masks are blank: {', '.join(map(in_markdown, judged.blank))}.")
    for name, settings in judged.study.segmenters.items():
        chosen = ", ".join(in_markdown(f"{key} {value}") for key, value in settings.items()) or "defaults"
        lines += ["", f"### {in_markdown(name)} ({chosen})", ""]
        lines += _standings(judged, name)
        lines += ["", "Gain over real shots alone:", "", *gain_table(judged.gains, name)]
        lines += rival_table([g for g in judged.gains if g.segmenter == name and g.what == ALL_TYPES])
        if judged.unseen:
            lines += ["", UNSEEN, "", *gain_table(judged.unseen, name)]
    return "\n".join(lines) + "\n"


def as_plot(judged: Verdict) -> str:
    """The gain of every training set over real shots alone, all types, as SVG; one panel a segmenter."""
    ending = f" ({QUICK})" if judged.quick else ""
    panels = []
    for name in judged.study.segmenters:
        own = [g for g in judged.gains if (g.segmenter, g.over, g.what) == (name, "real", ALL_TYPES)]
        title = f"{name}: gain over real shots, IoU points{ending}"
        panels.append((title, [(LABELS[gain.training_set], gain) for gain in own]))
    return plot_gains(panels)


def write_pages(judged: Verdict, folder: Path) -> None:
    """verdict.json, verdict.md and verdict.svg."""
    write_texts(
        folder,
        {
            "verdict.json": json_text(judged.to_json(), indent=1),
            "verdict.md": as_markdown(judged),
            "verdict.svg": as_plot(judged),
        },
    )


def write_texts(folder: Path, pages: Mapping[str, str]) -> None:
    """Files by name, each whole or not at all."""
    for name, text in pages.items():
        with replacing(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _standings(judged: Verdict, segmenter: str) -> list[str]:
    own = [standing for standing in judged.standings if standing.segmenter == segmenter]
    keys = list(own[0].figures)
    lines = [
        f"| training set | mean IoU | {' | '.join(key.replace('_', ' ') for key in keys)} |",
        "|---" * (len(keys) + 2) + "|",
    ]
    for standing in own:
        ends = standing.iou and f" [{100 * standing.iou.low:.1f}, {100 * standing.iou.high:.1f}]"
        cells = [f"{100 * standing.value:.1f}{ends or ''}"]
        cells += [f"{100 * standing.figures[key]:.1f}" for key in keys]
        lines.append(f"| {LABELS[standing.training_set]} | {' | '.join(cells)} |")
    return lines


def gain_table(gains: Sequence[Gain], segmenter: str) -> list[str]:
    """The gains over real shots of one segmenter: a row for what they are measured on, a column a training set."""
    own = [gain for gain in gains if gain.segmenter == segmenter and gain.over == "real"]
    training_sets = list(dict.fromkeys(gain.training_set for gain in own))
    lines = [
        f"| on | images | {' | '.join(LABELS[training_set] for training_set in training_sets)} |",
        "|---" * (len(training_sets) + 2) + "|",
    ]
    for what in dict.fromkeys(gain.what for gain in own):
        row = [gain for gain in own if gain.what == what]
        cells = [in_markdown(what), str(row[0].images), *(f"{gain.points} {gain.verdict}" for gain in row)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def rival_table(gains: Sequence[Gain]) -> list[str]:
    """The gains of ours over each baseline among these, with a heading; nothing where there are none."""
    rivals = [gain for gain in gains if gain.over != "real"]
    if not rivals:
        return []
    head = ["", "Ours + real over the baselines:", "", "| over | on | gain | verdict |", "|---|---|---|---|"]
    return head + [f"| {LABELS[g.over]} | {in_markdown(g.what)} | {g.points} | {g.verdict} |" for g in rivals]
