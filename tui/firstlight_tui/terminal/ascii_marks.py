"""The ASCII mark of every character of drawing, and whether they are wanted; no Textual is imported."""

import os

ASCII_VARIABLE = "FIRSTLIGHT_ASCII"
"""Set to anything but 0, the wizard and the verbs draw in ASCII, as with `firstlight --ascii`."""

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
    """Return the text with every character of drawing replaced; letters of any script stay as they are."""
    return text if text.isascii() else text.translate(_TABLE)


def wants_ascii() -> bool:
    """Return whether the user asked for ASCII, by the option or the environment."""
    return os.environ.get(ASCII_VARIABLE, "") not in ("", "0")
