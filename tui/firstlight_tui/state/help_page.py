"""The contents of the help, without a screen: keys of the focused widget and of the step, terms, the course."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from firstlight_tui.state.key_names import key_name

Focus = Literal["button", "field", "text", "table", "list", "box", ""]
"""The kind of the focused widget."""
Scope = Literal["focus", "step", "app"]
"""Whose a key is: of the focused widget or a part around it, of the step, or of the whole wizard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLine:
    """Keys, and what they do."""

    keys: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundKey:
    """One key of a binding that works now."""

    binding: str
    """Id of the binding."""
    key: str
    words: str
    scope: Scope


def _lines(*pairs: tuple[str, str]) -> tuple[KeyLine, ...]:
    return tuple(KeyLine(keys=keys, words=words) for keys, words in pairs)


FOCUS_KEYS: Mapping[Focus, tuple[str, tuple[KeyLine, ...]]] = {
    "button": ("This button", _lines(("Enter", "Press it"))),
    "box": ("This check box", _lines(("Space", "Turn it on or off"))),
    "field": (
        "This field",
        _lines(
            ("Enter", "Take what is typed"),
            ("Ctrl+U, Ctrl+K", "Delete to the start, to the end"),
            ("Ctrl+W", "Delete the word before the cursor"),
            ("Ctrl+C, Ctrl+V", "Copy, paste"),
        ),
    ),
    "text": (
        "This text",
        _lines(
            ("Ctrl+Z, Ctrl+Y", "Undo, redo"),
            ("Ctrl+U, Ctrl+K", "Delete to the start, to the end of the line"),
            ("Ctrl+C, Ctrl+V", "Copy, paste"),
        ),
    ),
    "table": (
        "This table",
        _lines(
            ("↑, ↓", "Move"),
            ("Enter", "Choose the row"),
            ("PgUp, PgDn", "A page up, down"),
            ("Ctrl+Home, Ctrl+End", "First row, last row"),
        ),
    ),
    "list": (
        "This list",
        _lines(("↑, ↓", "Move"), ("Enter", "Choose"), ("Home, End", "First, last")),
    ),
}
"""Kind of widget → its name and the keys that every widget of this kind has."""
EVERYWHERE = _lines(("Tab, Shift+Tab", "Move between fields, tables and buttons"))


def key_lines(bound: Iterable[BoundKey], scope: Scope) -> Iterator[KeyLine]:
    """Yield a line for each binding of a scope, with all of its keys."""
    keys: dict[str, list[str]] = {}
    words: dict[str, str] = {}
    for each in bound:
        if each.scope == scope and each.binding and each.words:
            keys.setdefault(each.binding, []).append(key_name(each.key))
            words.setdefault(each.binding, each.words)
    seen: set[str] = set()
    for binding, names in keys.items():
        line = KeyLine(keys=", ".join(dict.fromkeys(names)), words=words[binding])
        if line.words not in seen:
            seen.add(line.words)
            yield line
