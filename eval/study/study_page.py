"""A study over several data sets to read: lines, Markdown tables, and a plot of the gains."""

from __future__ import annotations

from pathlib import Path

from eval.study.answer import PooledStudy, by_pair, pair_name, repeats, same_gain
from eval.study.judging import LABELS, QUICK
from eval.study.plot import Panel, plot_gains
from eval.study.pooling import FIGURES, by_segmenter
from eval.study.verdict_page import UNSEEN, write_texts
from synth.io.json_text import json_text
from synth.printable import in_markdown

COLUMNS = ("iou", "best_iou", *FIGURES)


def as_markdown(judged: PooledStudy) -> str:
    """Tables of the gains in IoU and pixel AP by condition, pooled first, of gains on unseen types, and of the levels;
    all in hundredths."""
    head = f"**{QUICK}**\n\n" if judged.quick else ""
    intervals = "" if judged.quick else " 95 % intervals count test images, draws of the shots and trainings."
    lines = [f"{head}{repeats(judged)}. Gains in hundredths.{intervals}", ""]
    lines += ["| condition | draws | test images | good |", "|---|---|---|---|"]
    for one in judged.conditions:
        images = ", ".join(f"{count} {in_markdown(kind)}" for kind, count in one.images_by_type.items())
        lines.append(f"| {in_markdown(one.name)} | {len(one.draws)} | {images} | {one.draws[0].good_images} |")
    for segmenter in by_segmenter(list(judged.study.segmenters)):
        lines += ["", f"### {in_markdown(segmenter)}"]
        if segmenter in judged.study.segmenters:
            settings = judged.study.segmenters[segmenter].items()
            lines[-1] += f" ({', '.join(in_markdown(f'{key} {value}') for key, value in settings) or 'defaults'})"
        for pair, found in by_pair(judged.gains, segmenter):
            lines += ["", f"{pair_name(*pair)}:", "", "| on | IoU | verdict | pixel AP |", "|---|---|---|---|"]
            rows = [(gain, same_gain(judged.ap_gains, gain).points) for gain in found]
            lines += [f"| {in_markdown(g.what)} | {g.points} | {g.verdict} | {precision} |" for g, precision in rows]
        lines += ["", *_levels(judged, segmenter)]
    if judged.unseen:
        lines += ["", f"### Unseen defect types\n\n{UNSEEN}", "", "| on | segmenter | gain of | IoU | verdict |"]
        lines += ["|---" * 5 + "|"]
        for g in judged.unseen:
            cells = [
                in_markdown(g.what),
                in_markdown(g.segmenter),
                pair_name(g.training_set, g.over),
                g.points,
                g.verdict,
            ]
            lines.append(f"| {' | '.join(cells)} |")
    lines += [f"\n{in_markdown(note)}." for note in judged.notes]
    return "\n".join(lines) + "\n"


def as_plot(judged: PooledStudy) -> str:
    """The gains of ours + real over real shots and over each baseline, and of each baseline over real shots, by
    condition, as SVG."""
    ending = f" ({QUICK})" if judged.quick else ""
    panels: list[Panel] = []
    for segmenter in by_segmenter(list(judged.study.segmenters)):
        for pair, found in by_pair(judged.gains, segmenter):
            title = f"{segmenter}: {pair_name(*pair)}, IoU points{ending}"
            panels.append((title, [(gain.what, gain) for gain in found]))
    return plot_gains(panels)


def write_study_pages(judged: PooledStudy, folder: Path) -> None:
    """study.json, study.md and study.svg."""
    pages = {"study.json": json_text(judged.to_json(), indent=1)}
    write_texts(folder, pages | {"study.md": as_markdown(judged), "study.svg": as_plot(judged)})


def _levels(judged: PooledStudy, segmenter: str) -> list[str]:
    names = " | ".join(key.replace("_", " ") for key in COLUMNS)
    lines = [f"| on | training set | {names} |", "|---" * (len(COLUMNS) + 2) + "|"]
    own = [level for level in judged.levels if level.segmenter == segmenter]
    for condition in dict.fromkeys(level.condition for level in own):
        for level in (one for one in own if one.condition == condition):
            figures = " | ".join(f"{100 * level.figures[key]:.1f}" for key in COLUMNS)
            lines.append(f"| {in_markdown(condition)} | {LABELS[level.training_set]} | {figures} |")
    return lines
