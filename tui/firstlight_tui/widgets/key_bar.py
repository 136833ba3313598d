"""The keys of the open step in one line; a click presses one.

One widget that draws itself: Textual's own footer makes a widget a key, and all of them anew whenever the focus moves,
which was a third of what a step cost to open.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.binding import ActiveBinding
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Button

from firstlight_core.text import visible


@dataclass(frozen=True, slots=True)
class _Key:
    """One key with its words, from column `start` up to `end`."""

    key: str
    name: str
    words: str
    enabled: bool
    tooltip: str
    start: int
    end: int


class KeyBar(Widget, can_focus=False):
    """Act of Enter, then whole keys; where they are cut, the line ends in `…` and the key that shows all of them."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"key-bar--key", "key-bar--words", "key-bar--off"}
    DEFAULT_CSS = """
    KeyBar { height: 1; background: $footer-background; color: $footer-foreground; }
    KeyBar .key-bar--key { color: $footer-key-foreground; background: $footer-key-background; text-style: bold; }
    KeyBar .key-bar--words { color: $footer-description-foreground; background: $footer-description-background; }
    KeyBar .key-bar--off { color: $foreground-disabled; background: $footer-background; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._keys: list[_Key] = []

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._changed)
        self._lay_out(self.screen)

    def on_resize(self) -> None:
        """Another width has room for other keys."""
        self._lay_out(self.screen)

    def _changed(self, screen: Screen[Any]) -> None:
        if self.is_attached and screen is self.screen:
            self._lay_out(screen)

    def refresh_keys(self) -> None:
        """Lay the keys out again: the button with the focus may say something else now."""
        self._lay_out(self.screen)

    def _lay_out(self, screen: Screen[Any]) -> None:
        by_action: dict[str, ActiveBinding] = {}
        for active in screen.active_bindings.values():
            if active.binding.show:
                by_action.setdefault(active.binding.action, active)
        shown_help = by_action.pop("help", None)
        wanted = [self._key_of(active) for active in by_action.values()]
        if isinstance(button := screen.focused, Button) and str(button.label):
            wanted.append(_Key("enter", " ⏎ ", f"{visible(str(button.label))} ", True, "", 0, 0))
        wanted.sort(key=lambda key: key.key != "enter")
        last = [self._key_of(shown_help)] if shown_help is not None else []
        fitting = _fitting([*wanted, *last], self.size.width)
        if len(fitting) < len(wanted) + len(last):
            last = [replace(key, name=f" …{key.name}", words="all keys ") for key in last]
            room = self.size.width - sum(_width(key) for key in last)
            fitting = _fitting(wanted, room)
            fitting += _fitting(last, self.size.width, at=fitting[-1].end if fitting else 0)
        if fitting != self._keys:
            self._keys = fitting
            self.refresh()

    def _key_of(self, active: ActiveBinding) -> _Key:
        _, binding, enabled, tooltip = active
        name, words = f" {self.app.get_key_display(binding)} ", visible(binding.description)
        return _Key(binding.key, name, f"{words} ", enabled, tooltip, 0, 0)

    def render_line(self, y: int) -> Strip:
        """Return the one line."""
        key_style = self.get_component_rich_style("key-bar--key")
        words_style = self.get_component_rich_style("key-bar--words")
        off = self.get_component_rich_style("key-bar--off")
        pieces = []
        for key in self._keys:
            pieces.append(Segment(key.name, key_style if key.enabled else off))
            pieces.append(Segment(key.words, words_style if key.enabled else off))
        return Strip(pieces).adjust_cell_length(self.size.width, self.rich_style)

    def _under(self, event: events.MouseEvent) -> _Key | None:
        return next((key for key in self._keys if key.start <= event.x < key.end), None)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """The tooltip is of the key under the pointer."""
        key = self._under(event)
        self.tooltip = key.tooltip if key else None

    def on_click(self, event: events.Click) -> None:
        """Press the key that was clicked."""
        if (key := self._under(event)) is not None and key.enabled:
            self.app.simulate_key(key.key)


def _width(key: _Key) -> int:
    return cell_len(key.name) + cell_len(key.words)


def _fitting(keys: Sequence[_Key], width: int, *, at: int = 0) -> list[_Key]:
    """The keys that fit side by side from column `at` on, each with its place."""
    placed: list[_Key] = []
    for key in keys:
        if at + _width(key) > width:
            break
        placed.append(replace(key, start=at, end=at + _width(key)))
        at += _width(key)
    return placed
