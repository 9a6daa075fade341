"""The page's chart: every goal on one axis, how far its ratio is past the one required."""

import math
from collections.abc import Mapping
from html import escape

from bench.arithmetic import Ratio
from bench.goals import Goal, Suite
from bench.report import TITLES, figure, rows
from bench.results import Findings

ROW, HEAD, LABELS, PLOT, RIGHT = 22, 30, 450, 380, 80
TICKS = (0.25, 0.5, 1, 2, 4, 8)
REACHED, MISSED, INK, FAINT, PAPER = "#1a7f5a", "#c2410c", "#1f2933", "#c3cad2", "#ffffff"


def chart(results: Mapping[Suite, Findings]) -> str:
    """Draw the kept runs as an SVG.

    The axis is logarithmic, so that twice too slow is as far from the line as twice as fast.
    """
    parts: list[str] = []
    y = HEAD + 10
    for suite, title in TITLES.items():
        if suite not in results:
            continue
        parts.append(_text(8, y + 15, title, weight="600"))
        y += ROW
        for goal, ratio in rows(suite, results[suite].ratios):
            parts.append(_row(goal, ratio, y))
            y += ROW
        y += 8
    width = LABELS + PLOT + RIGHT
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y + 6}" '
            f'width="{width}" height="{y + 6}" font-family="system-ui, sans-serif" '
            'font-size="12" role="img">',
            "<title>Measured ratios against the ratios required</title>",
            f'<rect width="{width}" height="{y + 6}" fill="{PAPER}"/>',
            *_axis(bottom=y),
            *parts,
            "</svg>",
            "",
        ]
    )


def _x(margin: float) -> float:
    low, high = math.log(TICKS[0]), math.log(TICKS[-1])
    place = (math.log(min(max(margin, TICKS[0]), TICKS[-1])) - low) / (high - low)
    return round(LABELS + place * PLOT, 1)


def _axis(*, bottom: int) -> list[str]:
    lines = []
    for tick in TICKS:
        x = _x(tick)
        style = f'stroke="{INK}" stroke-width="1.5"' if tick == 1 else f'stroke="{FAINT}"'
        lines.append(f'<line x1="{x}" y1="{HEAD}" x2="{x}" y2="{bottom}" {style}/>')
        lines.append(_text(x, HEAD - 8, f"{tick:g}", anchor="middle"))
    lines.append(_text(LABELS - 26, HEAD - 8, "times as good as required:", anchor="end"))
    lines.append(_text(LABELS + PLOT + 14, HEAD - 8, "measured"))
    return lines


def _row(goal: Goal, ratio: Ratio, y: int) -> str:
    middle = y + ROW / 2
    colour = REACHED if goal.is_reached(ratio) else MISSED
    fill = colour if goal.is_reached(ratio) else PAPER
    ends = sorted((_x(goal.margin(ratio.low)), _x(goal.margin(ratio.high))))
    measured = f"{figure(ratio.median)} ({goal.sense} {goal.bound:g})"
    return "\n".join(
        [
            _text(18, middle + 4, f"{goal.what} ÷ {goal.against}"),
            f'<line x1="{ends[0]}" y1="{middle}" x2="{ends[1]}" y2="{middle}" '
            f'stroke="{colour}" stroke-width="2"/>',
            # Hollow where missed, so that the chart can be read without colours.
            f'<circle cx="{_x(goal.margin(ratio.median))}" cy="{middle}" r="5" '
            f'stroke="{colour}" stroke-width="2" fill="{fill}">'
            f"<title>{escape(measured)}</title></circle>",
            _text(LABELS + PLOT + 14, middle + 4, figure(ratio.median), colour=colour),
        ]
    )


def _text(
    x: float,
    y: float,
    content: str,
    *,
    colour: str = INK,
    anchor: str = "start",
    weight: str = "400",
) -> str:
    return (
        f'<text x="{x}" y="{y}" fill="{colour}" text-anchor="{anchor}" '
        f'font-weight="{weight}">{escape(content)}</text>'
    )
