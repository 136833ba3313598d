"""ASCII mode: every box, block, braille and mark character becomes one ASCII character of the same width.

It works on what is painted, so charts, borders and scroll bars need to know nothing of it. `WizardApp(ascii=True)` switches it on.
"""

from collections.abc import Sequence

from rich.segment import Segment
from textual.app import App
from textual.color import Color
from textual.filter import LineFilter

_GROUPS = {
    "┌┐└┘╭╮╰╯┏┓┗┛╔╗╚╝├┤┬┴┼┣┫┳┻╋┝┥┿╞╡╪": "+",
    "│┃║▎▍▌▋▊▉▐╎┆┇┊╏⎸⎹": "|",
    "─━═╌╍┄┅┈┉‾–—−▔▀": "-",
    "▕": "[",
    "▏": "]",
    "█■▮◼": "#",
    "▇": "%",
    "▆": "*",
    "▅": "+",
    "▄": "=",
    "▃": "-",
    "▂": ".",
    "▁": "_",
    "▓▒": "%",
    "░·•․…": ".",
    "●⬤": "@",
    "◉": "O",
    "○◯□▯◌": "o",
    "◐◓◑◒": "~",
    "★☆☼✱": "*",
    "✓✔": "v",
    "✗✘×╳": "x",
    "▲△↑▴↗⏶": "^",
    "▼▽↓▾↘⏷": "v",
    "◆◇": "#",
    "▶▸→⏵": ">",
    "◀◂←↙⏴": "<",
    "⚠": "!",
    "≤": "<",
    "≥": ">",
    "≈": "~",
    "±": "+",
    "÷": "/",
    "⏎": "$",
    "‘’‚": "'",
    "“”„": '"',
    "\u00a0\u2007\u2009\u202f": " ",
}
_TABLE = {ord(char): mark for chars, mark in _GROUPS.items() for char in chars}
_BRAILLE = range(0x2800, 0x2900)
_UPPER, _LOWER = 0b0001_1011, 0b1110_0100
"""Dots 1, 2, 4, 5 and dots 3, 6, 7, 8 of a braille cell."""


def _braille_mark(dots: int) -> str:
    if not dots:
        return " "
    if dots.bit_count() >= 6:
        return "#"
    if dots & _UPPER and dots & _LOWER:
        return ":"
    return "'" if dots & _UPPER else "."


_TABLE |= {code: _braille_mark(code - _BRAILLE.start) for code in _BRAILLE}


def to_ascii(text: str) -> str:
    """The text with every character of drawing replaced; letters of any script stay as they are."""
    return text if text.isascii() else text.translate(_TABLE)


class AsciiFilter(LineFilter):
    """Replaces the characters of drawing in every line that an app paints."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The same segments in ASCII; `background` does not matter."""
        return [
            segment if segment.text.isascii() else segment._replace(text=to_ascii(segment.text))
            for segment in segments
        ]


class AsciiApp(App[int]):
    """An app whose whole screen can be painted in ASCII: the one switch."""

    def __init__(self, *, ascii: bool = False) -> None:
        super().__init__()
        self._ascii = AsciiFilter(enabled=ascii)

    @property
    def ascii(self) -> bool:
        """Whether the screen is painted in ASCII."""
        return self._ascii.enabled

    def get_line_filters(self) -> Sequence[LineFilter]:
        """The filters of Textual, and the one for ASCII when it is on."""
        filters = super().get_line_filters()
        return [*filters, self._ascii] if self._ascii.enabled else filters
