"""The keys of the wizard as one list that can be edited: which key does what, where two of them clash, presets."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from firstlight_core.steps import STEPS
from firstlight_tui.state.key_names import key_names

UNSET = "unset"
"""How the name of a key begins that no keyboard has: an act without a key."""
VIM: Mapping[str, str] = {
    "move.down": "j",
    "move.up": "k",
    "move.left": "h",
    "move.right": "l",
    "move.last": "G",
    "move.page-down": "ctrl+d",
    "move.page-up": "ctrl+u",
}
"""The preset for people who know vim: id → keys."""
RESERVED: Mapping[str, str] = {
    "enter": "Enter presses what has the focus",
    "tab": "Tab moves the focus",
    "shift+tab": "Shift+Tab moves the focus back",
    "ctrl+c": "Ctrl+C copies in a field",
}
"""Keys that no act can have, and what they do."""
_EVERYWHERE = ("app", "step", "move")
_IN_STEPS = ("ask", "path", *(step.id for step in STEPS))
_TITLES = {
    "app": "Everywhere",
    "step": "Every step",
    "move": "Moving, beside the arrow keys",
    "ask": "Chat, question field",
    "path": "Path fields",
    **{step.id: step.title for step in STEPS},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """One act that a key does."""

    id: str
    words: str
    default: str
    """Keys as shipped, separated by commas."""
    changed: str | None = None
    """Keys that the user chose instead."""

    @property
    def keys(self) -> str:
        """The keys that count."""
        return self.changed or self.default

    @property
    def names(self) -> str:
        """The keys as a person reads them."""
        shown = [key for key in _split(self.keys) if not key.startswith(UNSET)]
        return key_names(",".join(shown)) or "–"

    @property
    def room(self) -> str:
        """Where the key works: the first part of the id."""
        return self.id.split(".")[0]

    @property
    def room_title(self) -> str:
        """The same in words."""
        return _TITLES.get(self.room, f"Dialog {self.room}")


def ordered(rows: Iterable[KeyRow]) -> list[KeyRow]:
    """Return the rows as they are listed: what works everywhere first, then step by step, then the dialogs."""
    rooms = list(_TITLES)
    at = {room: number for number, room in enumerate(rooms)}
    return sorted(rows, key=lambda row: (at.get(row.room, len(at)), row.room))


def clashes(rows: Sequence[KeyRow], row: KeyRow, key: str) -> list[KeyRow]:
    """Return the other acts that have this key where `row` works."""
    return [
        other
        for other in rows
        if other.id != row.id and key in _split(other.keys) and _meet(other.room, row.room)
    ]


def _meet(room: str, other: str) -> bool:
    if room == other or {room, other} == {"ask", "chat"}:
        return True
    # A dialog takes the keys of the step under it.
    shared = (*_EVERYWHERE, *_IN_STEPS)
    return room in shared and other in shared and (room in _EVERYWHERE or other in _EVERYWHERE)


def given(rows: Sequence[KeyRow], row: KeyRow, key: str) -> dict[str, str | None]:
    """Return the changes that make `key` the one key of `row`, and take it from the acts that it clashes with."""
    changes: dict[str, str | None] = {row.id: None if key == row.default else key}
    for other in clashes(rows, row, key):
        remaining = [each for each in _split(other.keys) if each != key]
        changes[other.id] = ",".join(remaining) or f"{UNSET}_{other.id}"
    return changes


def preset(rows: Sequence[KeyRow], keys: Mapping[str, str]) -> dict[str, str | None]:
    """Return the changes that a preset makes: those of its keys that clash with nothing."""
    known = {row.id: row for row in rows}
    return {
        id: key
        for id, key in keys.items()
        if id in known and not clashes(rows, replace(known[id], changed=key), key)
    }


def _split(keys: str) -> list[str]:
    return [key.strip() for key in keys.split(",") if key.strip()]
