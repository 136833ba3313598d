"""Draws the block, line and Braille characters of a terminal picture as shapes that fill their cells exactly.

A font draws them with gaps, and takes those that it lacks from another font with other widths. Text stays text.
"""

import re
from collections.abc import Callable

CELL_WIDTH, CELL_HEIGHT, BASELINE = 12.2, 24.4, 18.5
"""One cell of the pictures that Textual exports, and how far its baseline lies below its top."""
LINE = 1.4
_TEXT = re.compile(r"<text ([^>]*?)>([^<]+)</text>")
_ENTITY = re.compile(r"&#?\w+;|.", re.S)
_DOTS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
_SHADES = {"░": 0.22, "▒": 0.45, "▓": 0.7}
_ARMS = {
    "─": "lr",
    "━": "LR",
    "│": "ud",
    "┌": "rd",
    "┐": "ld",
    "└": "ru",
    "┘": "lu",
    "├": "rud",
    "┤": "lud",
    "┬": "lrd",
    "┴": "lru",
    "┼": "lrud",
    "┿": "LRud",
}
_CORNERS = {"╭": (1, 1), "╮": (-1, 1), "╰": (1, -1), "╯": (-1, -1)}
"""Whither a rounded corner opens: to the right or left, down or up."""


def draw_cells(svg: str) -> str:
    """Return a picture of Textual whose block, line and Braille characters are shapes."""
    return _TEXT.sub(_redraw, svg)


def _redraw(element: re.Match[str]) -> str:
    attributes, text = element[1], element[2]
    characters = _ENTITY.findall(text)
    if not any(map(_shape_of, characters)):
        return element[0]
    x, y = (float(re.search(rf'\b{name}="([\d.]+)"', attributes)[1]) for name in "xy")  # type: ignore[index]
    style = re.search(r'class="[^"]*"', attributes)
    parts: list[str] = []
    words, begin, path = "", 0, ""
    for column, character in enumerate([*characters, ""]):
        shape = _shape_of(character)
        if words and (shape is not None or not character):
            moved = re.sub(r'\bx="[\d.]+"', f'x="{x + begin * CELL_WIDTH:.1f}"', attributes)
            parts.append(f"<text {re.sub(r' textLength=.[0-9.]+.', '', moved)}>{words}</text>")
            words = ""
        left, top = x + column * CELL_WIDTH, y - BASELINE
        if character in _SHADES:
            opacity = f'fill-opacity="{_SHADES[character]}"'
            parts.append(
                f'<path {style[0] if style else ""} {opacity} d="{_rectangle(left, top)}"/>'
            )
        elif shape is not None:
            path += shape(left, top)
        elif character:
            begin = begin if words else column
            words += character
    if path:
        parts.append(f'<path {style[0] if style else ""} d="{path}"/>')
    return "".join(parts)


def _shape_of(character: str) -> Callable[[float, float], str] | None:
    """Return what writes the path of a character from the left and top of its cell; None for text."""
    if len(character) != 1:
        return None
    code = ord(character)
    if 0x2801 <= code <= 0x28FF:
        return lambda left, top: _braille(code - 0x2800, left, top)
    if character in _ARMS:
        return lambda left, top: _lines(_ARMS[character], left, top)
    if character in _CORNERS:
        return lambda left, top: _corner(*_CORNERS[character], left, top)
    if 0x2581 <= code <= 0x2588:
        share = (code - 0x2580) / 8
        return lambda left, top: _rectangle(left, top + (1 - share) * CELL_HEIGHT, height=share)
    if 0x2589 <= code <= 0x258F:
        return lambda left, top: _rectangle(left, top, width=(0x2590 - code) / 8)
    others: dict[str, Callable[[float, float], str]] = {
        "▀": lambda left, top: _rectangle(left, top, height=0.5),
        "▔": lambda left, top: _rectangle(left, top, height=0.125),
        "▕": lambda left, top: _rectangle(left + 0.875 * CELL_WIDTH, top, width=0.125),
    }
    return _rectangle if character in _SHADES else others.get(character)


def _rectangle(left: float, top: float, *, width: float = 1.0, height: float = 1.0) -> str:
    """Return the path of a rectangle whose width and height are shares of a cell."""
    across, down = width * CELL_WIDTH, height * CELL_HEIGHT
    return f"M{left:.2f} {top:.2f}h{across:.2f}v{down:.2f}h{-across:.2f}z"


def _lines(arms: str, left: float, top: float) -> str:
    """Return the path of the lines that reach from the middle of a cell to its edges; capitals are thick."""
    middle, centre, half = left + CELL_WIDTH / 2, top + CELL_HEIGHT / 2, LINE / 2
    path = ""
    for arm in arms:
        thick = half * (2 if arm.isupper() else 1)
        if arm in "lrLR":
            begin = left if arm in "lL" else middle - half
            path += f"M{begin:.2f} {centre - thick:.2f}h{CELL_WIDTH / 2 + half:.2f}v{2 * thick:.2f}h{-CELL_WIDTH / 2 - half:.2f}z"
        else:
            begin = top if arm == "u" else centre - half
            path += f"M{middle - thick:.2f} {begin:.2f}h{2 * thick:.2f}v{CELL_HEIGHT / 2 + half:.2f}h{-2 * thick:.2f}z"
    return path


def _corner(across: int, down: int, left: float, top: float) -> str:
    """Return the path of a rounded corner that opens to the right (1) or left (-1), down (1) or up (-1)."""
    x, y = left + CELL_WIDTH / 2, top + CELL_HEIGHT / 2
    half, radius = LINE / 2, 5.0
    outer, inner = (1, 0) if across == down else (0, 1)

    def point(along: float, below: float) -> str:
        return f"{x + across * along:.2f} {y + down * below:.2f}"

    return (
        f"M{point(-half, CELL_HEIGHT / 2)}L{point(-half, radius)}"
        f"A{radius + half} {radius + half} 0 0 {outer} {point(radius, -half)}"
        f"L{point(CELL_WIDTH / 2, -half)}L{point(CELL_WIDTH / 2, half)}L{point(radius, half)}"
        f"A{radius - half} {radius - half} 0 0 {inner} {point(half, radius)}L{point(half, CELL_HEIGHT / 2)}z"
    )


def _braille(bits: int, left: float, top: float) -> str:
    """Return the path of the dots of a Braille character, two columns of four."""
    radius = 1.7
    path = ""
    for index, (column, row) in enumerate(_DOTS):
        if bits >> index & 1:
            x = left + (0.25 + 0.5 * column) * CELL_WIDTH - radius
            y = top + (0.125 + 0.25 * row) * CELL_HEIGHT
            path += f"M{x:.2f} {y:.2f}a{radius} {radius} 0 1 0 {2 * radius} 0a{radius} {radius} 0 1 0 {-2 * radius} 0z"
    return path
