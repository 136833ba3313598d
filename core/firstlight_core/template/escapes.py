"""A prompt template on one line: how its newlines, tabs, backslashes and unseen characters are written."""

import re

from firstlight_core.text import visible

_NAMED = {"\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_MEANT = {"\\": "\\", "n": "\n", "t": "\t", "r": "\r"}
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[\\ntr])")


def escaped(text: str) -> str:
    r"""Return one line for any text: newline `\n`, tab `\t`, backslash doubled, what cannot be seen `\uXXXX`."""
    return "".join(_NAMED.get(letter) or _escape(letter) for letter in text)


def _escape(letter: str) -> str:
    # Control and invisible characters are written as their numbers.
    if letter.isprintable() and visible(letter) == letter:
        return letter
    return f"\\u{ord(letter):04x}" if ord(letter) < 0x10000 else f"\\U{ord(letter):08x}"


def unescaped(text: str) -> str:
    """Return the inverse of `escaped`; a backslash before anything else is a backslash."""

    def meant(match: re.Match[str]) -> str:
        code = match[1]
        if code in _MEANT:
            return _MEANT[code]
        number = int(code[1:], 16)
        return chr(number) if number <= 0x10FFFF else match[0]

    return _ESCAPE.sub(meant, text)
