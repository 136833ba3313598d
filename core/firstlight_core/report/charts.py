"""Bar and line charts as inline SVG: no script, no style sheet, no font from elsewhere."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from firstlight_core.measure.drift_words import KL_ZERO

_WIDTH = 520
_LEFT = 120
_ROW = 26
_COLOURS = ("#1f4fa8", "#a8421a", "#1e6b3a", "#5b3f9e", "#7a5200", "#a81e2c")
_BAR_FILL = {
    False: f'fill="{_COLOURS[0]}"',
    True: f'fill="none" stroke="{_COLOURS[0]}" stroke-dasharray="4 3"',
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One row of a bar chart."""

    label: str
    value: float
    ends: tuple[float, float] | None = None
    """Least and most of the repetitions: the whisker."""
    note: str = ""
    """`estimate` or `void`, behind the value; such a bar is hollow."""


def bar_chart(title: str, rows: Sequence[Bar], unit: str) -> str:
    """Horizontal bars from zero, each with its value and its whisker; empty for fewer than two, which compare nothing."""
    if len(rows) < 2:
        return ""
    top = max(max(row.value, row.ends[1] if row.ends else 0.0) for row in rows) or 1.0
    scale = (_WIDTH - _LEFT - 140) / top
    texts = [_value_text(row, unit) for row in rows]
    parts = [
        _open(
            title,
            34 + _ROW * len(rows),
            [f"{r.label} {t}" for r, t in zip(rows, texts, strict=True)],
        )
    ]
    for number, (row, text) in enumerate(zip(rows, texts, strict=True)):
        y = 30 + _ROW * number
        width = max(1.0, scale * max(row.value, 0.0))
        parts.append(_text(_LEFT - 8, y + 14, row.label, anchor="end"))
        kind = "bar hollow" if row.note else "bar"
        parts.append(
            f'<rect class="{kind}" x="{_LEFT}" y="{y}" width="{width:.1f}" height="18" {_BAR_FILL[bool(row.note)]}/>'
        )
        end = width
        if row.ends is not None and row.ends[0] != row.ends[1]:
            low, high = (_LEFT + scale * max(each, 0.0) for each in row.ends)
            end = max(width, high - _LEFT)
            parts.append(_line(low, y + 9, high, y + 9, "whisker"))
            parts.extend(_line(x, y + 4, x, y + 14, "whisker") for x in (low, high))
        parts.append(_text(_LEFT + end + 8, y + 14, text))
    return "".join([*parts, "</svg>"])


def _value_text(row: Bar, unit: str) -> str:
    return f"{number_text(row.value)} {unit}" + (f" ({row.note})" if row.note else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """One artifact on the scale of drift, in nats."""

    label: str
    kl_mean: float
    interval: tuple[float, float] | None = None


def drift_chart(title: str, spots: Sequence[Spot], zones: Sequence[tuple[str, float]]) -> str:
    """Mean KL of each artifact on a logarithmic scale, over zones in words; empty when there is nothing to draw.

    Args:
        zones: word and largest mean KL in nats of each zone, the closest first; beyond the last it is far.
    """
    if not spots:
        return ""
    right = _WIDTH - 30
    base = 54 + _ROW * len(spots)
    words = [f"{s.label} {_nats(s.kl_mean)} nats" for s in spots]
    parts = [_open(title, base + 26, words)]
    left = float(_LEFT)
    for word, most in [*zones, ("far", 10.0 ** _DECADES[1])]:
        end = _at(most, right)
        parts.append(_text((left + end) / 2, 34, word, anchor="middle"))
        parts.append(_line(end, 40, end, base, "axis"))
        left = end
    parts.append(_line(_LEFT, base, right, base, "axis"))
    for decade in range(*_DECADES):
        parts.append(
            _text(_at(10.0**decade, right), base + 16, f"{10.0**decade:g}", anchor="middle")
        )
    for number, spot in enumerate(spots):
        y, x = 56 + _ROW * number, _at(spot.kl_mean, right)
        parts.append(_text(_LEFT - 8, y + 4, spot.label, anchor="end"))
        if spot.interval is not None:
            low, high = (_at(each, right) for each in spot.interval)
            parts.append(_line(low, y, high, y, "whisker"))
            parts.extend(_line(end, y - 4, end, y + 4, "whisker") for end in (low, high))
            x_text = max(x, high)
        else:
            x_text = x
        parts.append(f'<circle class="bar" cx="{x:.1f}" cy="{y}" r="5" fill="{_COLOURS[0]}"/>')
        parts.append(_text(x_text + 9, y + 4, _nats(spot.kl_mean)))
    return "".join([*parts, "</svg>"])


_DECADES = (-6, 1)
"""Powers of ten at the ends of the scale of drift."""


def _at(nats: float, right: float) -> float:
    """Return where a mean KL stands on the scale; what lies beyond its ends stands there."""
    low, high = _DECADES
    power = math.log10(max(nats, 10.0**low))
    return _LEFT + (right - _LEFT) * (min(power, high) - low) / (high - low)


def _nats(kl: float) -> str:
    return "0" if abs(kl) < KL_ZERO else number_text(kl)


def line_chart(
    title: str, lines: Sequence[tuple[str, Sequence[tuple[float, float]]]], x_unit: str, unit: str
) -> str:
    """Return one line a name over a common x axis, both axes from zero; empty when no line has two points."""
    points = [point for _, line in lines for point in line]
    if all(len(line) < 2 for _, line in lines):
        return ""
    right = max(x for x, _ in points) or 1.0
    top = max(y for _, y in points) or 1.0
    left, plot_width, plot_height = 70, _WIDTH - 100, 160
    height = 70 + plot_height + 18 * len(lines)
    words = [
        f"{name}: {', '.join(f'{number_text(y)} {unit} at {number_text(x)}' for x, y in sorted(line))}"
        for name, line in lines
    ]
    parts = [_open(title, height, words)]
    base = 30 + plot_height
    for share in (0.0, 0.5, 1.0):
        y = base - plot_height * share
        parts.append(_line(left, y, left + plot_width, y, "axis"))
        parts.append(_text(left - 6, y + 4, number_text(top * share), anchor="end"))
    for x in sorted({x for x, _ in points}):
        at = left + plot_width * x / right
        parts.append(_text(at, base + 16, number_text(x), anchor="middle"))
    parts.append(_text(left + plot_width, base + 32, f"{x_unit} → {unit}", anchor="end"))
    for number, (name, line) in enumerate(lines):
        colour = _COLOURS[number % len(_COLOURS)]
        line_class = f"line{number % len(_COLOURS)}"
        path = " ".join(
            f"{left + plot_width * x / right:.1f},{base - plot_height * y / top:.1f}"
            for x, y in sorted(line)
        )
        parts.append(
            f'<polyline class="{line_class}" points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        parts.extend(
            f'<circle class="{line_class} spot" cx="{spot.split(",")[0]}" cy="{spot.split(",")[1]}" r="3" fill="{colour}"/>'
            for spot in path.split()
        )
        y = base + 50 + 18 * number
        parts.append(
            f'<rect class="{line_class} spot" x="{left}" y="{y - 10}" width="12" height="12" fill="{colour}"/>'
        )
        parts.append(_text(left + 18, y, name))
    return "".join([*parts, "</svg>"])


def number_text(value: float) -> str:
    """Return a number with three significant digits, without exponent."""
    if value and abs(value) < 0.001:
        return f"{value:.2g}"
    if abs(value) >= 100 or value == int(value):
        return f"{value:.0f}"
    return f"{value:.3g}"


def _open(title: str, height: float, values: Sequence[str]) -> str:
    label = escape(title)
    told = escape("; ".join([title, *values]))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{told}" width="{_WIDTH}" '
        f'height="{height:.0f}" viewBox="0 0 {_WIDTH} {height:.0f}" font-family="sans-serif" font-size="13">'
        f'<title>{told}</title><text x="0" y="16" font-weight="bold">{label}</text>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    colour = "#c9c5bb" if kind == "axis" else "#1b1e26"
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
