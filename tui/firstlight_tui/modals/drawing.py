"""The settings drawer of the chat: how answers are drawn."""

from dataclasses import fields
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid, Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label

from firstlight_tui.conversation import Drawing
from firstlight_tui.widgets.words import Words

RANGES: dict[str, tuple[type[int] | type[float], float, float, str]] = {
    "max_tokens": (int, 1, 100_000, "longest answer, in tokens"),
    "temperature": (float, 0.0, 2.0, "0 is greedy: the same answer every time"),
    "top_p": (float, 0.01, 1.0, "empty: the artifact's own"),
    "top_k": (int, 1, 1_000, "empty: the artifact's own"),
    "repetition_penalty": (float, 0.5, 2.0, "empty: the artifact's own"),
    "seed": (int, 0, 2**31 - 1, "empty: a new one each time"),
}
"""Name → type, least, most, one hint."""


def read_setting(name: str, text: str) -> Any:
    """The value of one field, None when it is empty.

    Raises:
        ValueError: the sentence to show.
    """
    kind, least, most, _ = RANGES[name]
    if not text.strip():
        if name in ("max_tokens", "temperature"):
            raise ValueError(f"{name} needs a number.")
        return None
    try:
        value = kind(text)
    except ValueError:
        raise ValueError(f"{name} needs a {'whole number' if kind is int else 'number'}.") from None
    if not least <= value <= most:
        raise ValueError(f"{name} goes from {least:g} to {most:g}.")
    return value


class DrawingScreen(ModalScreen[Drawing | None]):
    """Returns the new settings, or None."""

    DEFAULT_CSS = """
    DrawingScreen { align: center middle; background: $background 60%; }
    DrawingScreen Grid { grid-size: 3; grid-columns: 20 12 1fr; grid-rows: 1; height: auto; }
    DrawingScreen #wrong { color: $text-error; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape",
            "dismiss(None)",
            "Cancel",
            id="drawing.cancel",
            tooltip="Keep the settings as they are",
        ),
    ]

    def __init__(self, drawing: Drawing) -> None:
        super().__init__()
        self._drawing = drawing

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            with Grid():
                for field in fields(Drawing):
                    value = getattr(self._drawing, field.name)
                    yield Label(field.name.replace("_", " "))
                    yield Input("" if value is None else f"{value:g}", id=field.name, compact=True)
                    yield Label(f" {RANGES[field.name][3]}", classes="muted")
            yield Words(id="wrong")
            with Horizontal(classes="dialog-buttons"):
                yield Button("Cancel", id="no")
                yield Button("Use", id="yes", variant="primary")

    def on_input_submitted(self) -> None:
        self._use()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "yes":
            self._use()
        else:
            self.dismiss(None)

    def _use(self) -> None:
        values = {}
        for field in fields(Drawing):
            box = self.query_one(f"#{field.name}", Input)
            try:
                values[field.name] = read_setting(field.name, box.value)
            except ValueError as error:
                self.query_one("#wrong", Words).update(str(error))
                box.focus()
                return
        self.dismiss(Drawing(**values))
