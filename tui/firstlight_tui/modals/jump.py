"""Jump mode: a letter stands on everything that can have the focus, a digit opens a step."""

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from firstlight_tui.state.jump import DIGITS, lettered
from firstlight_tui.widgets.screens import Dialog
from firstlight_tui.widgets.step_rail import StepChosen


class JumpScreen(Dialog[Widget | int | None]):
    """Returns the widget of the letter, or the number of the step."""

    CSS = """
    JumpScreen { align: left top; background: $background 30%; }
    JumpScreen .letter { position: absolute; width: 3; height: 1; background: $warning; color: $button-color-foreground; text-style: bold; }
    JumpScreen #jump-help { dock: bottom; height: 1; width: 100%; background: $panel; color: $text-primary; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Close", id="jump.close", tooltip="Stay where you are"),
    ]

    def __init__(self, step: Screen[None]) -> None:
        super().__init__()
        self._targets = dict(lettered(focusable(step)))
        self._places = {
            letter: step.find_widget(widget).visible_region.offset
            for letter, widget in self._targets.items()
        }

    def compose(self) -> ComposeResult:
        for letter, offset in self._places.items():
            label = Static(Content(f" {letter} "), classes="letter")
            label.styles.offset = offset
            yield label
        words = "A letter focuses, a digit opens a step, Esc stays"
        yield Static(Content(words), id="jump-help")

    def on_key(self, event: events.Key) -> None:
        """Go to the target of a letter or a digit; every other key does nothing."""
        if event.key == "escape":
            return
        event.stop()
        event.prevent_default()
        key = event.character or ""
        if key in self._targets:
            self.dismiss(self._targets[key])
        elif key and key in DIGITS:
            self.dismiss(DIGITS.index(key))


def focusable(step: Screen[None]) -> list[Widget]:
    """Return what can have the focus and can be seen, from top to bottom."""
    seen = [
        widget
        for widget in step.focus_chain
        if isinstance(widget, Widget) and step.find_widget(widget).visible_region.area
    ]
    return sorted(seen, key=lambda widget: (widget.region.y, widget.region.x))


def jump(step: Screen[None]) -> None:
    """Show the letters, and go where the chosen one stands."""

    def go(target: Widget | int | None) -> None:
        if isinstance(target, Widget):
            step.set_focus(target)
        elif target is not None:
            step.post_message(StepChosen(target))

    step.app.push_screen(JumpScreen(step), go)
