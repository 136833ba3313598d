"""Bar and line charts as inline SVG: no script, no style sheet, no font from elsewhere."""

from collections.abc import Sequence
from html import escape

_WIDTH = 640
_LEFT = 150
_ROW = 26
_COLOURS = ("#1f4fa8", "#a8421a", "#1e6b3a", "#5b3f9e", "#7a5200", "#a81e2c")


def bar_chart(title: str, rows: Sequence[tuple[str, float]], unit: str) -> str:
    """Horizontal bars from zero, each with its value; empty when there is nothing to draw."""
    if not rows:
        return ""
    top = max((value for _, value in rows), default=0.0) or 1.0
    height = 34 + _ROW * len(rows)
    parts = [_open(title, height)]
    for number, (label, value) in enumerate(rows):
        y = 30 + _ROW * number
        width = max(1.0, (_WIDTH - _LEFT - 110) * max(value, 0.0) / top)
        parts.append(_text(_LEFT - 8, y + 14, label, anchor="end"))
        parts.append(
            f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="18" fill="{_COLOURS[0]}"/>'
        )
        parts.append(_text(_LEFT + width + 6, y + 14, f"{number_text(value)} {unit}"))
    return "".join([*parts, "</svg>"])


def line_chart(
    title: str, lines: Sequence[tuple[str, Sequence[tuple[float, float]]]], x_unit: str, unit: str
) -> str:
    """One line a name over a common x axis, both axes from zero; empty when there is nothing to draw."""
    points = [point for _, line in lines for point in line]
    if not points:
        return ""
    right = max(x for x, _ in points) or 1.0
    top = max(y for _, y in points) or 1.0
    left, plot_width, plot_height = 70, _WIDTH - 100, 160
    height = 70 + plot_height + 18 * len(lines)
    parts = [_open(title, height)]
    base = 30 + plot_height
    for share in (0.0, 0.5, 1.0):
        y = base - plot_height * share
        parts.append(
            f'<line x1="{left}" y1="{y:.1f}" x2="{left + plot_width}" y2="{y:.1f}" stroke="#c9c5bb"/>'
        )
        parts.append(_text(left - 6, y + 4, number_text(top * share), anchor="end"))
    for x in sorted({x for x, _ in points}):
        at = left + plot_width * x / right
        parts.append(_text(at, base + 16, number_text(x), anchor="middle"))
    parts.append(_text(left + plot_width, base + 32, f"{x_unit} → {unit}", anchor="end"))
    for number, (name, line) in enumerate(lines):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join(
            f"{left + plot_width * x / right:.1f},{base - plot_height * y / top:.1f}"
            for x, y in sorted(line)
        )
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.extend(
            f'<circle cx="{spot.split(",")[0]}" cy="{spot.split(",")[1]}" r="3" fill="{colour}"/>'
            for spot in path.split()
        )
        y = base + 50 + 18 * number
        parts.append(f'<rect x="{left}" y="{y - 10}" width="12" height="12" fill="{colour}"/>')
        parts.append(_text(left + 18, y, name))
    return "".join([*parts, "</svg>"])


def number_text(value: float) -> str:
    """A number with three significant digits, without exponent."""
    if value and abs(value) < 0.001:
        return f"{value:.2g}"
    if abs(value) >= 100 or value == int(value):
        return f"{value:.0f}"
    return f"{value:.3g}"


def _open(title: str, height: float) -> str:
    label = escape(title)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{label}" width="{_WIDTH}" '
        f'height="{height:.0f}" viewBox="0 0 {_WIDTH} {height:.0f}" font-family="sans-serif" font-size="12">'
        f'<title>{label}</title><text x="0" y="16" font-weight="bold">{label}</text>'
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
