"""Gains as a plot: SVG, no library needed."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from eval.study.judging import Gain
from synth.printable import printable

_COLOURS = {"helps": "#1a7f37", "hurts": "#b42318"}
_GREY = "#57606a"
_ROW, _LEFT, _PLOT, _RIGHT, _TOP = 24, 210, 360, 190, 34

Panel = tuple[str, Sequence[tuple[str, Gain]]]
"""A title, and the gains with their labels."""


def plot_gains(panels: Sequence[Panel]) -> str:
    """One panel below the other, each with the line of no gain and a row a gain: label, interval, figures. Gains from
    too few images are left out."""
    shown = [(title, [(label, gain) for label, gain in rows if gain.value is not None]) for title, rows in panels]
    ends = [abs(end) for _, rows in shown for _, gain in rows for end in _ends(gain)]
    reach = max([0.05, *ends])
    parts, top = [], 0
    for title, rows in shown:
        parts.append(_panel(title, rows, reach, top))
        top += _TOP + _ROW * (len(rows) + 1)
    width = _LEFT + _PLOT + _RIGHT
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{top}" viewBox="0 0 {width} {top}"'
    return f'{head} font-family="sans-serif" font-size="13">\n<rect width="100%" height="100%" fill="white"/>\n' + (
        "\n".join(parts) + "\n</svg>\n"
    )


def in_svg(text: str) -> str:
    """Text in an element of SVG, in which even escaped control characters would be no XML."""
    return escape(printable(text))


def _ends(gain: Gain) -> tuple[float, float]:
    assert gain.value is not None
    return (gain.value, gain.value) if gain.interval is None else (gain.interval.low, gain.interval.high)


def _panel(title: str, rows: Sequence[tuple[str, Gain]], reach: float, top: int) -> str:
    def x(value: float) -> float:
        return _LEFT + _PLOT / 2 * (1 + value / reach)

    bottom = top + _TOP + _ROW * len(rows)
    parts = [
        f'<text x="8" y="{top + 20}" font-weight="bold">{in_svg(title)}</text>',
        f'<line x1="{x(0):.1f}" y1="{top + _TOP - 4}" x2="{x(0):.1f}" y2="{bottom}" stroke="#8c959f"/>',
    ]
    for row, (label, gain) in enumerate(rows):
        assert gain.value is not None
        y, colour = top + _TOP + _ROW * row + _ROW // 2, _COLOURS.get(gain.verdict, _GREY)
        low, high = (x(end) for end in _ends(gain))
        parts += [
            f'<text x="8" y="{y + 4}">{in_svg(label)}</text>',
            f'<line x1="{low:.1f}" y1="{y}" x2="{high:.1f}" y2="{y}" stroke="{colour}" stroke-width="2"/>',
            f'<circle cx="{x(gain.value):.1f}" cy="{y}" r="4" fill="{colour}"/>',
            f'<text x="{_LEFT + _PLOT + 8}" y="{y + 4}" fill="{colour}">{gain.points}</text>',
        ]
    return "\n".join(parts)
