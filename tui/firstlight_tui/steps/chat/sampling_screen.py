"""The sampling settings of the chat."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid, Horizontal, Vertical
from textual.widgets import Button, Input, Label, TextArea

from firstlight_core.errors import FirstlightError
from firstlight_core.inference.sampling import guidance
from firstlight_core.inference.structured_output import read_schema
from firstlight_tui.state.sampling_settings import SamplingSettings
from firstlight_tui.widgets.screens import Dialog
from firstlight_tui.widgets.words import Words

RANGES: dict[str, tuple[type[int] | type[float], float, float, str]] = {
    "max_tokens": (int, 1, 100_000, "longest answer, in tokens"),
    "temperature": (float, 0.0, 2.0, "0 is greedy: always the same answer"),
    "top_p": (float, 0.01, 1.0, "empty: the artifact's own"),
    "top_k": (int, 1, 1_000, "empty: the artifact's own"),
    "repetition_penalty": (float, 0.5, 2.0, "empty: the artifact's own"),
    "seed": (int, 0, 2**31 - 1, "empty: a new one each time"),
    "context": (int, 2, 10_000_000, "tokens; another one loads anew"),
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
        raise ValueError(f"{name} goes from {_text(least)} to {_text(most)}.")
    return value


def _text(value: float) -> str:
    # A large whole number must not become 1e+06.
    return str(value) if isinstance(value, int) else f"{value:g}"


class DrawingScreen(Dialog[SamplingSettings | None]):
    """Returns the new settings, or None; a form has been tried by then."""

    CSS = """
    DrawingScreen .dialog { width: 76; padding: 0 2; }
    DrawingScreen Grid { grid-size: 3; grid-columns: 20 12 1fr; grid-rows: 1; height: auto; }
    DrawingScreen .form { height: auto; }
    DrawingScreen .form Label { width: 20; }
    DrawingScreen #json_schema { height: 3; width: 1fr; border: none; padding: 0; background: $panel; }
    DrawingScreen #regex { width: 1fr; }
    DrawingScreen Input { background: $panel; }
    DrawingScreen #wrong { color: $text-error; }
    DrawingScreen .dialog-buttons { margin-top: 0; }
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

    def __init__(
        self,
        drawing: SamplingSettings,
        facts: str,
        check_form: Callable[[SamplingSettings], Awaitable[None]],
    ) -> None:
        """`facts` are said below the settings; `check_form` raises when answers cannot be held to the form."""
        super().__init__()
        self._drawing = drawing
        self._facts = facts
        self._check_form = check_form

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = "Sampling settings"
            with Grid():
                for name, (_, _, _, hint) in RANGES.items():
                    value = getattr(self._drawing, name)
                    yield Label(name.replace("_", " "))
                    yield Input("" if value is None else _text(value), id=name, compact=True)
                    yield Label(f" {hint}", classes="muted")
            schema = self._drawing.json_schema
            with Horizontal(classes="form"):
                yield Label("JSON schema,\nor a file of one")
                yield TextArea(
                    json.dumps(schema) if schema else "",
                    id="json_schema",
                    tab_behavior="focus",
                    compact=True,
                )
            with Horizontal(classes="form"):
                yield Label("or a regex")
                yield Input(self._drawing.regex or "", id="regex", compact=True)
            yield Words(self._facts, classes="muted")
            yield Words(id="wrong")
            with Horizontal(classes="dialog-buttons"):
                yield Button("Cancel", id="no", compact=True)
                yield Button("Apply", id="yes", variant="primary", compact=True)

    def on_input_submitted(self) -> None:
        self._use()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "yes":
            self._use()
        else:
            self.dismiss(None)

    def _use(self) -> None:
        values: dict[str, Any] = {}
        for name in RANGES:
            box = self.query_one(f"#{name}", Input)
            try:
                values[name] = read_setting(name, box.value)
            except ValueError as error:
                self._refuse(str(error))
                box.focus()
                return
        try:
            schema = self.query_one("#json_schema", TextArea).text.strip()
            values["json_schema"] = read_schema(schema) if schema else None
            values["regex"] = self.query_one("#regex", Input).value or None
            guidance(values["json_schema"], values["regex"])
        except FirstlightError as error:
            self._refuse(f"{error} {error.hint}")
            return
        self.run_worker(self._try(SamplingSettings(**values)), exclusive=True)

    async def _try(self, drawing: SamplingSettings) -> None:
        try:
            await self._check_form(drawing)
        except FirstlightError as error:
            self._refuse(f"{error} {error.hint}")
        else:
            self.dismiss(drawing)

    def _refuse(self, words: str) -> None:
        self.query_one("#wrong", Words).update(words)
