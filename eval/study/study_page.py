"""A study over several data sets to read: lines, Markdown tables, and a plot of the gains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from eval.study.judging import LABELS, QUICK, Gain
from eval.study.plot import Panel, plot_gains
from eval.study.pooled_study import PooledStudy
from eval.study.pooling import FIGURES, by_segmenter
from eval.study.verdict_page import UNSEEN, in_markdown, write_texts
from synth.io.json_text import json_text
from synth.printable import printable

COLUMNS = ("iou", "best_iou", *FIGURES)


def as_lines(judged: PooledStudy) -> list[str]:
    """The gains of every segmenter and pair, pooled first, one line each."""
    lines = [f"{judged.name}: {QUICK}" if judged.quick else f"{judged.name}: {_repeats(judged)}"]
    for segmenter in by_segmenter(list(judged.study.segmenters)):
        for pair, found in _by_pair(judged.gains, segmenter):
            lines.append(f"{segmenter}, {_name(*pair)}: IoU points, pixel AP")
            for gain in found:
                precision = _same(judged.ap_gains, gain)
                lines.append(f"  {printable(gain.what):<28} {gain.points} {gain.verdict}, AP {precision.points}")
    for gain in judged.unseen:
        lines.append(
            f"unseen types: {gain.segmenter}, {_name(gain.training_set, gain.over)}, {printable(gain.what)}: "
            f"{gain.points} {gain.verdict}"
        )
    return lines + judged.notes


def as_markdown(judged: PooledStudy) -> str:
    """Tables of the gains in IoU and pixel AP by condition, pooled first, of gains on unseen types, and of the levels;
    all in hundredths."""
    head = f"**{QUICK}**\n\n" if judged.quick else ""
    intervals = "" if judged.quick else " 95 % intervals count test images, draws of the shots and trainings."
    lines = [f"{head}{_repeats(judged)}. Gains in hundredths.{intervals}", ""]
    lines += ["| condition | draws | test images | good |", "|---|---|---|---|"]
    for one in judged.conditions:
        images = ", ".join(f"{count} {in_markdown(kind)}" for kind, count in one.images_by_type.items())
        lines.append(f"| {in_markdown(one.name)} | {len(one.draws)} | {images} | {one.draws[0].good_images} |")
    for segmenter in by_segmenter(list(judged.study.segmenters)):
        lines += ["", f"### {in_markdown(segmenter)}"]
        if segmenter in judged.study.segmenters:
            settings = judged.study.segmenters[segmenter].items()
            lines[-1] += f" ({', '.join(in_markdown(f'{key} {value}') for key, value in settings) or 'defaults'})"
        for pair, found in _by_pair(judged.gains, segmenter):
            lines += ["", f"{_name(*pair)}:", "", "| on | IoU | verdict | pixel AP |", "|---|---|---|---|"]
            rows = [(gain, _same(judged.ap_gains, gain).points) for gain in found]
            lines += [f"| {in_markdown(g.what)} | {g.points} | {g.verdict} | {precision} |" for g, precision in rows]
        lines += ["", *_levels(judged, segmenter)]
    if judged.unseen:
        lines += ["", f"### Unseen defect types\n\n{UNSEEN}", "", "| on | segmenter | gain of | IoU | verdict |"]
        lines += ["|---" * 5 + "|"]
        for g in judged.unseen:
            cells = [in_markdown(g.what), in_markdown(g.segmenter), _name(g.training_set, g.over), g.points, g.verdict]
            lines.append(f"| {' | '.join(cells)} |")
    lines += [f"\n{in_markdown(note)}." for note in judged.notes]
    return "\n".join(lines) + "\n"


def as_plot(judged: PooledStudy) -> str:
    """The gains of ours + real over real shots and over each baseline, and of each baseline over real shots, by
    condition, as SVG."""
    ending = f" ({QUICK})" if judged.quick else ""
    panels: list[Panel] = []
    for segmenter in by_segmenter(list(judged.study.segmenters)):
        for pair, found in _by_pair(judged.gains, segmenter):
            title = f"{segmenter}: {_name(*pair)}, IoU points{ending}"
            panels.append((title, [(gain.what, gain) for gain in found]))
    return plot_gains(panels)


def write_study_pages(judged: PooledStudy, folder: Path) -> None:
    """study.json, study.md and study.svg."""
    pages = {"study.json": json_text(judged.to_json(), indent=1)}
    write_texts(folder, pages | {"study.md": as_markdown(judged), "study.svg": as_plot(judged)})


def _repeats(judged: PooledStudy) -> str:
    draws = sorted({len(one.draws) for one in judged.conditions})
    counts = f"{draws[0]}" if len(draws) == 1 else f"{draws[0]} to {draws[-1]}"
    seeds = judged.study.seeds
    return f"{counts} draw{'s' * (draws != [1])} of the shots, {seeds} training{'s' * (seeds != 1)} of each on each"


def _name(training_set: str, over: str) -> str:
    return f"{LABELS[training_set]} over {LABELS[over]}"


def _by_pair(gains: Sequence[Gain], segmenter: str) -> Iterator[tuple[tuple[str, str], list[Gain]]]:
    own = [gain for gain in gains if gain.segmenter == segmenter]
    order = dict.fromkeys((gain.training_set, gain.over) for gain in own)
    for pair in sorted(order, key=lambda pair: pair[0] != "ours_real"):
        yield pair, [gain for gain in own if (gain.training_set, gain.over) == pair]


def _same(gains: Sequence[Gain], wanted: Gain) -> Gain:
    key = (wanted.segmenter, wanted.training_set, wanted.over, wanted.what)
    return next(gain for gain in gains if (gain.segmenter, gain.training_set, gain.over, gain.what) == key)


def _levels(judged: PooledStudy, segmenter: str) -> list[str]:
    names = " | ".join(key.replace("_", " ") for key in COLUMNS)
    lines = [f"| on | training set | {names} |", "|---" * (len(COLUMNS) + 2) + "|"]
    own = [level for level in judged.levels if level.segmenter == segmenter]
    for condition in dict.fromkeys(level.condition for level in own):
        for level in (one for one in own if one.condition == condition):
            figures = " | ".join(f"{100 * level.figures[key]:.1f}" for key in COLUMNS)
            lines.append(f"| {in_markdown(condition)} | {LABELS[level.training_set]} | {figures} |")
    return lines
